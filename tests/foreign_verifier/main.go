// A verifier of receipts that was written from docs/spec alone.
//
//	foreign_verifier vectors FOLDER    run all test vectors; print what disagrees
//	foreign_verifier judge             read cases from standard input, one JSON object a line
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "vectors":
		os.Exit(runVectors(os.Args[2]))
	case len(os.Args) == 2 && os.Args[1] == "judge":
		judgeLines()
	default:
		fmt.Fprintln(os.Stderr, "usage: foreign_verifier vectors FOLDER | judge")
		os.Exit(malformed)
	}
}

// judgeLines prints the result and the failing steps of each case as JSON.
func judgeLines() {
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	output := json.NewEncoder(os.Stdout)
	for input.More() {
		var given struct {
			inputs
			Receipt []byte `json:"receipt"`
		}
		if err := input.Decode(&given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(malformed)
		}
		code, steps := verify(given.Receipt, given.inputs)
		if err := output.Encode(map[string]any{"exit_code": code, "failing_steps": steps}); err != nil {
			os.Exit(1)
		}
	}
}

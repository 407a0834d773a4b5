package main

import "fmt"

// The results of docs/spec/README.md, which are exit codes.
const (
	passed      = 0
	malformed   = 2
	mismatch    = 10
	notAnchored = 11
	notTrusted  = 12
	abandoned   = 13
	superseded  = 14
	cannotCheck = 20
	notFinal    = 21
	unknown     = 22
)

var gravestFirst = []int{mismatch, notTrusted, notAnchored, abandoned, superseded, malformed, unknown, cannotCheck, notFinal}

// fault ends a check with a result other than passed.
type fault struct {
	code int
	text string
}

// refuse ends the check that is running; try returns its fault.
func refuse(code int, format string, operands ...any) {
	panic(fault{code, fmt.Sprintf(format, operands...)})
}

func require(holds bool, code int, format string, operands ...any) {
	if !holds {
		refuse(code, format, operands...)
	}
}

// try runs a check and returns its fault, or nil if it passed.
func try(check func()) (ended *fault) {
	defer func() {
		if caught := recover(); caught != nil {
			found, ok := caught.(fault)
			if !ok {
				panic(caught)
			}
			ended = &found
		}
	}()
	check()
	return nil
}

func gravest(codes map[int]bool) int {
	for _, code := range gravestFirst {
		if codes[code] {
			return code
		}
	}
	return passed
}

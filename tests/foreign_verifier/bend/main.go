// A program that copies the verifier so that one check at a time can be bent, for a test of the vectors.
//
//	bend SOURCES COPY    write the bent sources to COPY
//
// The copy has a program of its own: it prints of each bend which vectors show it.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Sources that hold no rule of the specification.
var unbent = map[string]bool{"vectors.go": true, "keccak.go": true, "sm3.go": true}

var (
	bends []string
	times = map[string]int{}
)

type insertion struct {
	at   int
	text string
}

type editor struct {
	source     string
	start      token.Pos
	place      string
	insertions []insertion
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bend SOURCES COPY")
		os.Exit(2)
	}
	paths, err := filepath.Glob(filepath.Join(os.Args[1], "*.go"))
	check(err)
	for _, path := range paths {
		source, err := os.ReadFile(path)
		check(err)
		name := filepath.Base(path)
		if name == "main.go" {
			continue
		}
		code := string(source)
		if !unbent[name] {
			code = bendFile(name, code)
		}
		check(os.WriteFile(filepath.Join(os.Args[2], name), []byte(code), 0o644))
	}
	module, err := os.ReadFile(filepath.Join(os.Args[1], "go.mod"))
	check(err)
	check(os.WriteFile(filepath.Join(os.Args[2], "go.mod"), module, 0o644))
	tables := bendTables()
	program := fmt.Sprintf("%s\n%s\nvar bends = %#v\n", campaign, tables, bends)
	check(os.WriteFile(filepath.Join(os.Args[2], "campaign.go"), []byte(program), 0o644))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// add names a bend and returns its number.
func add(format string, operands ...any) int {
	name := strings.Join(strings.Fields(fmt.Sprintf(format, operands...)), " ")
	if times[name]++; times[name] > 1 {
		name = fmt.Sprintf("%s (%d)", name, times[name])
	}
	bends = append(bends, name)
	return len(bends)
}

func bendFile(name, source string) string {
	source = strings.Replace(source, "switch form.kind {\n", "switch form.kind {\n\t\tcase anyForm:\n", 1)
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	check(err)
	e := &editor{source: source, start: file.FileStart}
	for _, each := range file.Decls {
		if function, ok := each.(*ast.FuncDecl); ok && name != "fault.go" {
			e.place = strings.TrimSuffix(name, ".go") + "." + function.Name.Name
			e.bend(function.Body)
		}
	}
	return e.apply()
}

func (e *editor) text(node ast.Node) string {
	return e.source[node.Pos()-e.start : node.End()-e.start]
}

// wrap encloses a node; what is wrapped first is outside.
func (e *editor) wrap(node ast.Node, before, after string) {
	e.insertions = append(e.insertions, insertion{int(node.Pos() - e.start), before})
	e.insertions = append(e.insertions, insertion{-int(node.End() - e.start), after})
}

func (e *editor) apply() string {
	var texts = map[int][2]string{}
	for _, each := range e.insertions {
		if each.at >= 0 {
			at := texts[each.at]
			texts[each.at] = [2]string{at[0], at[1] + each.text}
		} else {
			at := texts[-each.at]
			texts[-each.at] = [2]string{each.text + at[0], at[1]}
		}
	}
	places := []int{}
	for at := range texts {
		places = append(places, at)
	}
	sort.Ints(places)
	var written strings.Builder
	done := 0
	for _, at := range places {
		written.WriteString(e.source[done:at] + texts[at][0] + texts[at][1])
		done = at
	}
	return written.String() + e.source[done:]
}

func (e *editor) bend(body ast.Node) {
	heads := map[ast.Stmt]bool{} // of loops, which are no statements of their own
	ast.Inspect(body, func(node ast.Node) bool {
		switch each := node.(type) {
		case *ast.CallExpr:
			e.bendCall(each)
		case *ast.ForStmt:
			heads[each.Init], heads[each.Post] = true, true
		case *ast.ExprStmt:
			if heads[each] {
				break
			}
			if call, ok := each.X.(*ast.CallExpr); ok && !isNamed(call, "require", "refuse", "fail") {
				n := add("%s: without %s", e.place, e.text(each))
				e.wrap(each, fmt.Sprintf("if !bent(%d) { ", n), " }")
			}
		case *ast.IfStmt:
			yes, no := add("%s: as if %s", e.place, e.text(each.Cond)), add("%s: as if not %s", e.place, e.text(each.Cond))
			e.wrap(each.Cond, fmt.Sprintf("bent(%d) || (", yes), fmt.Sprintf(") && !bent(%d)", no))
		case *ast.BinaryExpr:
			e.bendBinary(each)
		}
		return true
	})
}

func isNamed(call *ast.CallExpr, names ...string) bool {
	own := ""
	switch function := call.Fun.(type) {
	case *ast.Ident:
		own = function.Name
	case *ast.SelectorExpr:
		own = function.Sel.Name
	}
	for _, name := range names {
		if own == name {
			return true
		}
	}
	return false
}

func (e *editor) bendCall(call *ast.CallExpr) {
	switch {
	case isNamed(call, "require"):
		n := add("%s: without %s", e.place, e.text(call))
		e.wrap(call.Args[0], fmt.Sprintf("bent(%d) || (", n), ")")
		e.bendResult(call, 1)
	case isNamed(call, "refuse"):
		e.bendResult(call, 0)
	case isNamed(call, "add"):
		e.bendNumber(call, 0, "step")
		e.bendNumber(call, 1, "result")
	case isNamed(call, "make") && len(call.Args) == 2 && e.place == "verify.verifyTarget":
		e.bendNumber(call, 0, "step")
	}
}

// bendResult leaves out what only vectors reach that tell no results apart but valid, invalid and unknown, and
// groups of records, whose faults have no result.
func (e *editor) bendResult(call *ast.CallExpr, at int) {
	if !strings.HasPrefix(e.place, "publication.") && !strings.HasPrefix(e.place, "groups.") && e.place != "record.checkConsistency" {
		e.bendNumber(call, at, "result")
	}
}

func (e *editor) bendNumber(call *ast.CallExpr, at int, kind string) {
	n := add("%s: another %s of %s", e.place, kind, e.text(call))
	e.wrap(call.Args[at], fmt.Sprintf("another(%d, ", n), ")")
}

func (e *editor) bendBinary(binary *ast.BinaryExpr) {
	left, right, whole := e.text(binary.X), e.text(binary.Y), e.text(binary)
	switch binary.Op {
	case token.LAND:
		e.wrap(binary.X, fmt.Sprintf("(bent(%d) || (", add("%s: %s without its first part", e.place, whole)), "))")
		e.wrap(binary.Y, fmt.Sprintf("(bent(%d) || (", add("%s: %s without its last part", e.place, whole)), "))")
	case token.LOR:
		e.wrap(binary.X, fmt.Sprintf("(!bent(%d) && (", add("%s: %s without its first part", e.place, whole)), "))")
		e.wrap(binary.Y, fmt.Sprintf("(!bent(%d) && (", add("%s: %s without its last part", e.place, whole)), "))")
	case token.LSS, token.GTR:
		n := add("%s: %s also where equal", e.place, whole)
		e.wrap(binary, "(", fmt.Sprintf(" || bent(%d) && (%s) == (%s))", n, left, right))
	case token.LEQ, token.GEQ:
		n := add("%s: %s not where equal", e.place, whole)
		e.wrap(binary, "(", fmt.Sprintf(" && !(bent(%d) && (%s) == (%s)))", n, left, right))
	}
}

// bendTables returns a function that bends what package variables hold, and one that mends it.
func bendTables() string {
	var code, undo strings.Builder
	first := len(bends) + 1
	// The one at place 4, superseded, is of notices.
	for _, pair := range [][2]int{{0, 1}, {1, 2}, {2, 3}, {3, 5}, {5, 6}, {6, 7}, {7, 8}} {
		at, next := pair[0], pair[1]
		swap := fmt.Sprintf("gravestFirst[%d], gravestFirst[%d] = gravestFirst[%d], gravestFirst[%d]", at, next, next, at)
		n := add("fault.gravest: places %d and %d of the order exchanged", at, next)
		fmt.Fprintf(&code, "\tcase %d:\n\t\t%s\n", n, swap)
		fmt.Fprintf(&undo, "\tcase %d:\n\t\t%s\n", n, swap)
	}
	for at := 0; at < 21; at++ {
		n := add("state.headerForms: item %d of any form", at+1)
		fmt.Fprintf(&code, "\tcase %d:\n\t\tkind, headerForms[%d].kind = headerForms[%d].kind, anyForm\n", n, at, at)
		fmt.Fprintf(&undo, "\tcase %d:\n\t\theaderForms[%d].kind = kind\n", n, at)
	}
	for _, chain := range []int{42161, 42170, 421614} {
		n := add("verify.withoutHistory: without %d", chain)
		fmt.Fprintf(&code, "\tcase %d:\n\t\tdelete(withoutHistory, %d)\n", n, chain)
		fmt.Fprintf(&undo, "\tcase %d:\n\t\twithoutHistory[%d] = true\n", n, chain)
	}
	return fmt.Sprintf("const firstOfTables = %d\n\nvar kind int\n\nfunc bendTable() {\n\tswitch bend {\n%s\t}\n}\n\nfunc mendTable() {\n\tswitch bend {\n%s\t}\n}\n",
		first, code.String(), undo.String())
}

const campaign = `package main

import (
	"fmt"
	"os"
)

const anyForm = -3

var (
	bend    int
	asked   int
	most    int
	reached map[int]bool
)

// bent returns whether a bend is the chosen one.
func bent(number int) bool {
	if asked++; most > 0 && asked > most {
		panic("the verifier does not end")
	}
	if reached != nil {
		reached[number] = true
	}
	return number == bend
}

func another[T ~int](number int, value T) T {
	if !bent(number) {
		return value
	}
	return value + 100
}

// trial is a vector, and how often a bent verifier may ask before it counts as one that never ends.
type trial struct {
	vector
	most int
}

func (t trial) agrees() (answer bool) {
	defer func() {
		if recover() != nil {
			answer = false
		}
	}()
	asked, most = 0, t.most
	return t.judge() == ""
}

func main() {
	all := []trial{}
	reaching := make([][]trial, len(bends)+1)
	for _, each := range append(loadVerifications(os.Args[1]), loadLists(os.Args[1])...) {
		reached = map[int]bool{}
		if !(trial{each, 0}).agrees() {
			panic("the verifier as it is fails")
		}
		t := trial{each, 2*asked + 1_000}
		all = append(all, t)
		for number := range reached {
			reaching[number] = append(reaching[number], t)
		}
	}
	reached = nil
	for at, name := range bends {
		bend = at + 1
		bendTable()
		fate := "survives"
		those := reaching[bend]
		if bend >= firstOfTables {
			those = all
		}
		for _, each := range those {
			if !each.agrees() {
				fate = map[bool]string{true: "whole", false: "part"}[each.isWhole]
				break
			}
		}
		mendTable()
		fmt.Printf("%s\t%s\n", fate, name)
	}
}
`

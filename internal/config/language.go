package config

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// maxSteps is how many steps a pattern may have to be compared with another, and maxCompared how many pairs of steps are
// compared. Beyond that two patterns are taken to overlap.
const (
	maxSteps    = 2000
	maxCompared = 1 << 20
)

// automaton is a regular expression that is walked step by step.
type automaton struct {
	prog *syntax.Prog
	// looks says that some step depends on what stands beside it, as \b does.
	looks bool
	ends  map[step]reach
}

// step is a place in a program and what holds there of the characters before and after it.
type step struct {
	pc uint32
	op syntax.EmptyOp
}

// reach is what can be reached from a step without a character: the steps that take one, and the end.
type reach struct {
	runes []*syntax.Inst
	match bool
}

// compilePattern compiles an expression that stands for a whole text, nil if it is none.
func compilePattern(expr string) *automaton {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil
	}
	looks := slices.ContainsFunc(prog.Inst, func(i syntax.Inst) bool { return i.Op == syntax.InstEmptyWidth })
	return &automaton{prog: prog, looks: looks, ends: map[step]reach{}}
}

// from returns what can be reached from a place.
func (a *automaton) from(pc uint32, op syntax.EmptyOp) reach {
	if !a.looks {
		op = 0
	}
	key := step{pc, op}
	if r, ok := a.ends[key]; ok {
		return r
	}
	var r reach
	a.follow(pc, op, map[uint32]bool{}, &r)
	a.ends[key] = r
	return r
}

func (a *automaton) follow(pc uint32, op syntax.EmptyOp, seen map[uint32]bool, r *reach) {
	if seen[pc] {
		return
	}
	seen[pc] = true
	switch i := &a.prog.Inst[pc]; i.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		a.follow(i.Out, op, seen, r)
		a.follow(i.Arg, op, seen, r)
	case syntax.InstCapture, syntax.InstNop:
		a.follow(i.Out, op, seen, r)
	case syntax.InstEmptyWidth:
		if syntax.EmptyOp(i.Arg)&^op == 0 {
			a.follow(i.Out, op, seen, r)
		}
	case syntax.InstMatch:
		r.match = true
	case syntax.InstFail:
	default:
		r.runes = append(r.runes, i)
	}
}

// outside is what stands before the first and after the last character.
const outside rune = -1

// pair is how far two patterns have come with the same text, and what its last character is like.
type pair struct {
	a, b uint32
	last rune
}

// overlap reports whether some text matches both patterns as a whole.
func overlap(a, b *automaton) bool {
	if len(a.prog.Inst) > maxSteps || len(b.prog.Inst) > maxSteps {
		return true
	}
	texts := representatives(a, b)
	first := pair{uint32(a.prog.Start), uint32(b.prog.Start), outside}
	seen := map[pair]bool{first: true}
	compared := 0
	for queue := []pair{first}; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if end := syntax.EmptyOpContext(p.last, outside); a.from(p.a, end).match && b.from(p.b, end).match {
			return true
		}
		for _, c := range texts {
			op, last := syntax.EmptyOpContext(p.last, c), likeness(c, a.looks || b.looks)
			other := b.after(p.b, op, c)
			for _, out := range a.after(p.a, op, c) {
				for _, otherOut := range other {
					if q := (pair{out, otherOut, last}); !seen[q] {
						seen[q] = true
						queue = append(queue, q)
					}
				}
				if compared += 1 + len(other); compared > maxCompared {
					return true
				}
			}
		}
	}
	return false
}

// after returns the places that a character leads to.
func (a *automaton) after(pc uint32, op syntax.EmptyOp, c rune) []uint32 {
	var all []uint32
	for _, i := range a.from(pc, op).runes {
		if i.MatchRune(c) && !slices.Contains(all, i.Out) {
			all = append(all, i.Out)
		}
	}
	return all
}

// likeness returns one character for all that look the same to the steps between characters.
func likeness(c rune, looks bool) rune {
	switch {
	case !looks:
		return outside
	case syntax.IsWordChar(c):
		return 'a'
	case c == '\n':
		return c
	}
	return '.'
}

// representatives returns one character, at least, of every set of characters that two patterns tell apart and both take.
func representatives(a, b *automaton) []rune {
	all := []rune{0, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1}
	for _, m := range []*automaton{a, b} {
		for i := range m.prog.Inst {
			all = append(all, edges(&m.prog.Inst[i])...)
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(c rune) bool { return !a.takes(c) || !b.takes(c) })
}

// takes reports whether some step takes a character.
func (a *automaton) takes(c rune) bool {
	return slices.ContainsFunc(a.prog.Inst, func(i syntax.Inst) bool { return i.Op >= syntax.InstRune && i.MatchRune(c) })
}

// edges returns where the sets of characters of a step begin, and what is behind their ends.
func edges(i *syntax.Inst) []rune {
	var all []rune
	switch {
	case i.Op != syntax.InstRune && i.Op != syntax.InstRune1:
	case len(i.Rune) == 1: // and with the flag for it, its other cases
		all = append(all, i.Rune[0], i.Rune[0]+1)
		for r := unicode.SimpleFold(i.Rune[0]); r != i.Rune[0]; r = unicode.SimpleFold(r) {
			all = append(all, r, r+1)
		}
	default:
		for k := 0; k+1 < len(i.Rune); k += 2 {
			all = append(all, i.Rune[k], i.Rune[k+1]+1)
		}
	}
	return all
}

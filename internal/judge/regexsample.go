package judge

import (
	"regexp/syntax"
	"strings"
)

// regexSample returns a text that a regular expression matches, or nearly: look-arounds such as \b are taken for
// fulfilled.
func regexSample(expression string) string {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	writeSample(&b, re)
	return b.String()
}

// longestSample bounds a sample: repetitions in repetitions multiply.
const longestSample = 1 << 10

func writeSample(b *strings.Builder, re *syntax.Regexp) {
	if b.Len() > longestSample {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(classSample(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus:
		writeSample(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeSample(b, sub)
		}
	case syntax.OpAlternate:
		writeSample(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			writeSample(b, re.Sub[0])
		}
	default: // what may be empty is empty
	}
}

// classSample returns a character of a class, a readable one if there is one.
func classSample(ranges []rune) rune {
	for _, readable := range "xa0A-_." {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= readable && readable <= ranges[i+1] {
				return readable
			}
		}
	}
	if len(ranges) == 0 {
		return 'x'
	}
	return ranges[0]
}

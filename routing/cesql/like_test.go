package cesql

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// naiveLike is LIKE as its definition reads.
func naiveLike(s, pattern string) bool {
	if pattern == "" {
		return s == ""
	}
	_, n := utf8.DecodeRuneInString(s)
	switch {
	case pattern[0] == '%':
		return naiveLike(s, pattern[1:]) || s != "" && naiveLike(s[n:], pattern)
	case pattern[0] == '_':
		return s != "" && naiveLike(s[n:], pattern[1:])
	case len(pattern) > 1 && pattern[0] == '\\' && (pattern[1] == '%' || pattern[1] == '_'):
		pattern = pattern[1:]
	}
	return s != "" && s[0] == pattern[0] && naiveLike(s[1:], pattern[1:])
}

func TestLikeAgreesWithItsDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(alphabet []string, most int) (s string) {
		for range rnd.IntN(most + 1) {
			s += alphabet[rnd.IntN(len(alphabet))]
		}
		return s
	}
	matched := 0
	for range 200_000 {
		s := pick([]string{"a", "b", "ü", "%", "_", `\`, "\n"}, 7)
		pattern := pick([]string{"a", "b", "ü", "%", "%", "_", `\%`, `\_`, `\`}, 6)
		budget := MaxSteps
		got, want := compilePattern(pattern).match(s, &budget), naiveLike(s, pattern)
		if got != want {
			t.Fatalf("%q LIKE %q = %t, want %t", s, pattern, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 5000 {
		t.Errorf("only %d of the patterns matched: the test proves little", matched)
	}
}

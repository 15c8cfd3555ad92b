package routing

import (
	"strconv"
	"strings"
)

// decimal is a number kept as the digits it was written with, so that comparing two of them is exact for any number
// of digits and allocates nothing. Its value is 0.DIGITS × 10^exp, with the sign; zero has no digits.
type decimal struct {
	neg bool
	// whole and frac are the digits before and after the point, stripped of the zeros that do not count.
	whole, frac string
	exp         int
}

// maxExponent bounds written exponents. It is larger than the digits any event can carry, so that a saturated
// exponent still compares correctly with every number of a rule.
const maxExponent = 1 << 30

// parseDecimal reads a number as JSON writes it, and allows a leading plus and leading zeros as CloudEvents integers
// may have. ok is false for everything else: NaN, hexadecimal, spaces, a point without digits beside it.
func parseDecimal(s string) (d decimal, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.neg = s[0] == '-'
		s = s[1:]
	}
	d.whole, s = digits(s)
	if d.whole == "" {
		return d, false
	}
	if s != "" && s[0] == '.' {
		d.frac, s = digits(s[1:])
		if d.frac == "" {
			return d, false
		}
	}
	var exp int
	if s != "" {
		if exp, ok = parseExponent(s); !ok {
			return d, false
		}
	}
	return d.normal(exp), true
}

// digits cuts s after its leading decimal digits.
func digits(s string) (head, tail string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

func parseExponent(s string) (int, bool) {
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	number, rest := digits(s)
	if number == "" || rest != "" {
		return 0, false
	}
	exp := 0
	for i := range len(number) {
		exp = min(exp*10+int(number[i]-'0'), maxExponent)
	}
	if neg {
		exp = -exp
	}
	return exp, true
}

// normal strips zeros at both ends and moves the point before the first digit that counts.
func (d decimal) normal(exp int) decimal {
	d.whole = strings.TrimLeft(d.whole, "0")
	d.frac = strings.TrimRight(d.frac, "0")
	d.exp = exp + len(d.whole)
	if d.whole == "" {
		n := len(d.frac)
		d.frac = strings.TrimLeft(d.frac, "0")
		d.exp -= n - len(d.frac)
	}
	if d.frac == "" {
		d.whole = strings.TrimRight(d.whole, "0")
	}
	if d.whole == "" && d.frac == "" {
		return decimal{}
	}
	return d
}

// appendCanonical appends a form that two numbers share exactly if they are equal.
func (d decimal) appendCanonical(dst []byte) []byte {
	if d.sign() < 0 {
		dst = append(dst, '-')
	}
	dst = append(append(dst, d.whole...), d.frac...)
	return strconv.AppendInt(append(dst, 'e'), int64(d.exp), 10)
}

// compare returns -1, 0 or 1 as d is less than, equal to or greater than other.
func (d decimal) compare(other decimal) int {
	a, b := d.sign(), other.sign()
	if a != b || a == 0 {
		return cmpInt(a, b)
	}
	return a * d.compareMagnitude(other)
}

func (d decimal) sign() int {
	switch {
	case d.whole == "" && d.frac == "":
		return 0
	case d.neg:
		return -1
	}
	return 1
}

func (d decimal) compareMagnitude(other decimal) int {
	if d.exp != other.exp {
		return cmpInt(d.exp, other.exp)
	}
	for i := range max(d.len(), other.len()) {
		if a, b := d.digit(i), other.digit(i); a != b {
			return cmpInt(int(a), int(b))
		}
	}
	return 0
}

func (d decimal) len() int { return len(d.whole) + len(d.frac) }

// digit returns the i-th digit that counts; behind the last one there are zeros.
func (d decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	if i -= len(d.whole); i < len(d.frac) {
		return d.frac[i]
	}
	return '0'
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// bound is one of gt, gte, lt and lte.
type bound struct {
	word  string
	limit decimal
	text  string
}

// holds reports whether text is a number on the right side of the bound.
func (b bound) holds(text string) bool {
	d, ok := parseDecimal(text)
	if !ok {
		return false
	}
	c := d.compare(b.limit)
	switch b.word {
	case "gt":
		return c > 0
	case "gte":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0
}

// lower reports whether the bound limits from below.
func (b bound) lower() bool { return b.word[0] == 'g' }

// inclusive reports whether the limit itself is allowed.
func (b bound) inclusive() bool { return len(b.word) == 3 }

package envelope

import (
	"encoding/binary"
	"unicode/utf8"
)

// validName reports whether s can be the name of an attribute: one or more of a-z and 0-9, and not "data". There is no
// upper limit; the specification's own extensions have names of 25 characters.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && s != "data"
}

// validString reports whether s is a CloudEvents String: Unicode without control characters (C0, DEL, C1),
// noncharacters and surrogates. Bytes that are not UTF-8 are refused with them.
func validString(s string) bool {
	b := Bytes(s)
	i := 0
	for i+8 <= len(b) && printable8(binary.LittleEndian.Uint64(b[i:])) {
		i += 8
	}
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r < 0xa0 || isNoncharacter(r) {
			return false
		}
		i += size
	}
	return true
}

// printable8 reports whether eight bytes all lie in U+0020 to U+007E. Most attribute values consist of nothing else, and
// every attribute of every event is checked.
func printable8(x uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	control := (x - 0x20*ones) &^ x
	del := x ^ 0x7f*ones
	del = (del - ones) &^ del
	return (x|control|del)&highs == 0
}

// isNoncharacter reports whether r is one of the 66 code points that Unicode never assigns.
func isNoncharacter(r rune) bool {
	return r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

// validBoolean reports whether s is the canonical text of a Boolean; it is case-sensitive.
func validBoolean(s string) bool { return s == "true" || s == "false" }

// validInteger reports whether s is the canonical text of an Integer: -?(0|[1-9][0-9]*) within 32 bits, signed.
// "-0" fits that grammar and stays as it is.
func validInteger(s string) bool {
	digits, limit := s, int64(1<<31-1)
	if digits != "" && digits[0] == '-' {
		digits, limit = digits[1:], 1<<31
	}
	// Ten digits hold every 32-bit number, so the sum below cannot overflow.
	if digits == "" || len(digits) > 10 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	var n int64
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
		n = n*10 + int64(digits[i]-'0')
	}
	return n <= limit
}

// validBinary reports whether s is the canonical text of a Binary: RFC 4648 base64 in the standard alphabet, padded,
// without line breaks (which encoding/base64 would skip), and without stray bits in the last character.
func validBinary(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	if s == "" {
		return true
	}
	body, stray := s, byte(0)
	switch {
	case s[len(s)-2] == '=' && s[len(s)-1] == '=':
		body, stray = s[:len(s)-2], 0x0f
	case s[len(s)-1] == '=':
		body, stray = s[:len(s)-1], 0x03
	}
	var last byte
	for i := range len(body) {
		v, ok := base64Value(body[i])
		if !ok {
			return false
		}
		last = v
	}
	return last&stray == 0
}

// base64Value returns the six bits that c stands for in the standard alphabet.
func base64Value(c byte) (byte, bool) {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A', true
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26, true
	case c >= '0' && c <= '9':
		return c - '0' + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

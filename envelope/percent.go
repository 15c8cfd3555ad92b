package envelope

import (
	"strings"
	"unicode/utf8"
)

// HeaderCoding is how a carrier with header lines codes attribute values.
type HeaderCoding uint8

// The codings. HeaderStrict percent-decodes and refuses what is malformed; HeaderLenient keeps a malformed value as it
// came; HeaderRaw neither decodes nor encodes.
const (
	HeaderStrict HeaderCoding = iota
	HeaderLenient
	HeaderRaw
)

// needsPercent reports whether a byte is percent-encoded in a header value: space, double quote, percent, and
// everything outside U+0021 to U+007E. The bytes of a multi-byte character all lie outside.
func needsPercent(c byte) bool {
	return c <= ' ' || c > '~' || c == '"' || c == '%'
}

// AppendHeaderValue appends value as HTTP and NATS carry it: percent-encoded exactly where the bindings say so, UTF-8
// byte by byte, with upper-case digits.
func AppendHeaderValue(dst []byte, value string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		c := value[i]
		if needsPercent(c) {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// PlainHeaderValue reports whether AppendHeaderValue would change nothing, so that value can be used as it is.
func PlainHeaderValue(value string) bool {
	for i := range len(value) {
		if needsPercent(value[i]) {
			return false
		}
	}
	return true
}

// DecodeHeaderValue undoes AppendHeaderValue: it unquotes the quoted strings in value, then decodes percent-encoding
// once. It returns value itself where nothing has to be decoded. Under HeaderStrict the error is an AttributeError
// without a name; the other codings never fail.
func DecodeHeaderValue(value string, coding HeaderCoding) (string, error) {
	if coding == HeaderRaw {
		return value, nil
	}
	decoded, rule := decodeHeader(value)
	if rule == "" {
		return decoded, nil
	}
	if coding == HeaderLenient {
		return value, nil
	}
	return "", &AttributeError{Rule: rule}
}

// decodeHeader returns the decoded value, or the rule that value breaks.
func decodeHeader(value string) (decoded, rule string) {
	if !utf8.ValidString(value) {
		return "", "must be UTF-8"
	}
	quotes := strings.IndexByte(value, '"') >= 0
	if !quotes && strings.IndexByte(value, '%') < 0 {
		return value, ""
	}
	buf := make([]byte, 0, len(value))
	if quotes {
		var ok bool
		if buf, ok = appendUnquoted(buf, value); !ok {
			return "", "has a quoted string without an end"
		}
	} else {
		buf = append(buf, value...)
	}
	buf, ok := percentDecode(buf)
	if !ok {
		return "", "has a percent sign without two hexadecimal digits; a literal one is written %25"
	}
	if !utf8.Valid(buf) {
		return "", "must be UTF-8 after percent-decoding"
	}
	return String(buf), ""
}

// appendUnquoted appends s without the quotes of its quoted strings (RFC 7230 §3.2.6). A backslash escapes only inside
// quotes; outside it is a character like any other.
func appendUnquoted(dst []byte, s string) ([]byte, bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			quoted = !quoted
			continue
		case c == '\\' && quoted:
			if i++; i == len(s) {
				return dst, false
			}
			c = s[i]
		}
		dst = append(dst, c)
	}
	return dst, !quoted
}

// percentDecode decodes b in place, one round.
func percentDecode(b []byte) ([]byte, bool) {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if i+2 >= len(b) || !isHex(b[i+1]) || !isHex(b[i+2]) {
				return b, false
			}
			c = unhex(b[i+1])<<4 | unhex(b[i+2])
			i += 2
		}
		b[n] = c
		n++
	}
	return b[:n], true
}

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

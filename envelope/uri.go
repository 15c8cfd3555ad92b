package envelope

import (
	"net/netip"
	"strings"
)

// validAbsoluteURI reports whether s is an absolute-URI of RFC 3986 §4.3: it has a scheme and no fragment.
func validAbsoluteURI(s string) bool {
	return !strings.Contains(s, "#") && cutScheme(s) != s && validURIReference(s)
}

// validURIReference reports whether s is a URI-reference of RFC 3986 §4.1. net/url is no judge of that: it takes what
// the grammar forbids and refuses sources that are legal.
func validURIReference(s string) bool {
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	if !validURIChars(fragment, "/?:@") || !validURIChars(query, "/?:@") {
		return false
	}
	rest := cutScheme(s)
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		authority := after
		path = ""
		if i := strings.IndexByte(after, '/'); i >= 0 {
			authority, path = after[:i], after[i:]
		}
		if !validAuthority(authority) {
			return false
		}
	} else if rest == s {
		// Without scheme and authority the first segment has no colon, or it would read as a scheme.
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ":") {
			return false
		}
	}
	return validURIChars(path, "/:@")
}

// cutScheme returns s without its scheme and colon, s itself where it has none.
func cutScheme(s string) string {
	for i := range len(s) {
		c := s[i]
		if c == ':' && i > 0 {
			return s[i+1:]
		}
		if !isAlpha(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			break
		}
	}
	return s
}

// validAuthority checks [userinfo "@"] host [":" port].
func validAuthority(s string) bool {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if !validURIChars(s[:i], ":") {
			return false
		}
		s = s[i+1:]
	}
	if literal, ok := strings.CutPrefix(s, "["); ok {
		host, port, ok := strings.Cut(literal, "]")
		return ok && validIPLiteral(host) && (port == "" || port[0] == ':' && allDigits(port[1:]))
	}
	host, port, _ := strings.Cut(s, ":")
	return validURIChars(host, "") && allDigits(port)
}

// validIPLiteral checks what stands between the brackets: an IPv6 address without a zone, or IPvFuture.
func validIPLiteral(s string) bool {
	if s != "" && s[0]|0x20 == 'v' {
		version, address, ok := strings.Cut(s[1:], ".")
		for i := range len(version) {
			if !isHex(version[i]) {
				return false
			}
		}
		return ok && version != "" && address != "" && validURIChars(address, ":") && !strings.Contains(address, "%")
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Is6() && addr.Zone() == ""
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// validURIChars reports whether s consists of unreserved characters, percent-encoded bytes, sub-delimiters and the
// characters of extra.
func validURIChars(s, extra string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isAlpha(c) || isDigit(c) || strings.IndexByte("-._~!$&'()*+,;=", c) >= 0 || strings.IndexByte(extra, c) >= 0:
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

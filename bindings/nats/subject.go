package nats

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eventrouter/router/bindings"
)

// maxSubject is the longest subject we publish to, in bytes.
const maxSubject = 255

var errReserved = errors.New("subjects that begin with $ or _ belong to the server")

func reserved(c byte) bool { return c == '$' || c == '_' }

// checkSubject reports why s may not be published to. The server takes much more than is wise: it stores wildcards
// and NUL bytes as they are, obeys publishes to $JS.API, and leaves a publish to a subject with an empty token without
// any answer, which would look like an outage.
func checkSubject(s []byte) error {
	if len(s) == 0 {
		return errors.New("the subject is empty")
	}
	if len(s) > maxSubject {
		return fmt.Errorf("the subject has %d bytes, more than %d", len(s), maxSubject)
	}
	if reserved(s[0]) {
		return errReserved
	}
	last := byte('.')
	for _, c := range s {
		switch {
		case c == '.' && last == '.':
			return fmt.Errorf("subject %q has an empty token", s)
		case c <= ' ' || c >= 0x7f || c == '*' || c == '>':
			return fmt.Errorf("subject %q has a byte that no subject may have", s)
		}
		last = c
	}
	if last == '.' {
		return fmt.Errorf("subject %q has an empty token", s)
	}
	return nil
}

// checkFilter reports why s cannot be subscribed to.
func checkFilter(s string) error {
	if s == "" {
		return errors.New("a subject is empty")
	}
	tokens := strings.Split(s, ".")
	for i, tok := range tokens {
		if tok == "" {
			return fmt.Errorf("subject %q has an empty token", s)
		}
		if tok == ">" && i < len(tokens)-1 {
			return fmt.Errorf("subject %q has > before its end", s)
		}
		if strings.ContainsFunc(tok, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("subject %q has a space or a control character", s)
		}
	}
	return nil
}

// checkName reports why s cannot be the name of a stream or a consumer; an empty name passes.
func checkName(field, s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`.*>/\`, r) }) {
		return bindings.Invalid(field, "%q has a space or one of . * > / \\", s)
	}
	return nil
}

// covers reports whether subject, or with wildcards everything it means, matches one of the patterns.
func covers(patterns []string, subject string) bool {
	for _, p := range patterns {
		if matches(p, subject) {
			return true
		}
	}
	return false
}

func matches(pattern, subject string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		s, srest, smore := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case s == ">", p != "*" && p != s:
			return false
		case !pmore || !smore:
			return pmore == smore
		}
		pattern, subject = prest, srest
	}
}

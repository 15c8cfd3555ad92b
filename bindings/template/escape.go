package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// The bounds of rendered addresses. NATS has no hard limit for subjects; the two here keep an event's values from
// making subjects that no operator expects.
const (
	maxSubject       = 255
	maxSubjectTokens = 32
	maxTopic         = 249
	maxURL           = 8 << 10
)

const upperHex = "0123456789ABCDEF"

// escape rewrites the value that begins at dst[from:] for the target.
func (t *Template) escape(dst []byte, from int) ([]byte, error) {
	switch t.target {
	case Raw:
		return dst, nil
	case KafkaTopic:
		for _, c := range dst[from:] {
			if !topicByte(c) {
				return dst, fmt.Errorf("%q does not fit into a Kafka topic, which takes letters, digits, . _ and -", dst[from:])
			}
		}
		return dst, nil
	case NATSSubject:
		return percent(dst, from, func(c byte) bool { return subjectByte(c) || c == '.' }), nil
	default:
		if v := string(dst[from:]); v == "." || v == ".." {
			return dst, errors.New("a path segment of only dots would change the path")
		}
		return percent(dst, from, unreservedByte), nil
	}
}

// percent codes the bytes of dst[from:] that keep refuses, in place.
func percent(dst []byte, from int, keep func(byte) bool) []byte {
	first := slices.IndexFunc(dst[from:], func(c byte) bool { return !keep(c) })
	if first < 0 {
		return dst
	}
	value := string(dst[from+first:])
	dst = dst[:from+first]
	for i := range len(value) {
		c := value[i]
		if keep(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func topicByte(c byte) bool   { return alphanumeric(c) || c == '.' || c == '_' || c == '-' }
func subjectByte(c byte) bool { return alphanumeric(c) || c == '_' || c == '-' }
func unreservedByte(c byte) bool {
	return alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// checkLiterals refuses, at load, literal text that the target could never take.
func (t *Template) checkLiterals() error {
	for i := range t.parts {
		p := &t.parts[i]
		if p.name != "" {
			continue
		}
		for _, c := range []byte(p.literal) {
			switch {
			case t.target == KafkaTopic && !topicByte(c):
				return fmt.Errorf("%q cannot stand in a Kafka topic, which takes letters, digits, . _ and -", c)
			case t.target == NATSSubject && (c <= ' ' || c >= 0x7f):
				return fmt.Errorf("%q cannot stand in a NATS subject", c)
			case t.target == NATSSubject && (c == '*' || c == '>'):
				return fmt.Errorf("%q is a wildcard, and nothing can be published to one", c)
			case t.target == URLPath && (c <= ' ' || c >= 0x7f):
				return fmt.Errorf("%q must be percent-coded in a URL", c)
			}
		}
	}
	if text, ok := t.Static(); ok && t.target != Raw {
		return t.checkRendered([]byte(text))
	}
	return nil
}

// checkRendered refuses what the target would refuse, misread or obey.
func (t *Template) checkRendered(s []byte) error {
	switch t.target {
	case NATSSubject:
		return checkSubject(s)
	case KafkaTopic:
		switch text := envelope.String(s); {
		case text == "" || text == "." || text == "..":
			return fmt.Errorf("%q is not a Kafka topic", text)
		case len(text) > maxTopic:
			return fmt.Errorf("a Kafka topic has at most %d characters, this one %d", maxTopic, len(text))
		case strings.HasPrefix(text, "__"):
			return fmt.Errorf("%q: topics that begin with __ belong to Kafka", text)
		}
	case URLPath:
		if len(s) > maxURL {
			return fmt.Errorf("a URL of %d bytes is longer than %d", len(s), maxURL)
		}
	case Raw:
		if len(s) > maxRendered {
			return fmt.Errorf("a value of %d bytes is longer than %d", len(s), maxRendered)
		}
	}
	return nil
}

// checkSubject refuses empty tokens, which a server answers as if the stream were away, and the server's own
// subject spaces, where a publish is a command.
func checkSubject(s []byte) error {
	switch {
	case len(s) == 0:
		return errors.New("the subject is empty")
	case len(s) > maxSubject:
		return fmt.Errorf("a subject of %d bytes is longer than %d", len(s), maxSubject)
	case s[0] == '$' || s[0] == '_':
		return fmt.Errorf("subject %q: names that begin with $ or _ belong to the server", s)
	}
	tokens := 1
	for i, c := range s {
		if c != '.' {
			continue
		}
		tokens++
		if i == 0 || i == len(s)-1 || s[i-1] == '.' {
			return fmt.Errorf("subject %q has an empty token", s)
		}
	}
	if tokens > maxSubjectTokens {
		return fmt.Errorf("subject %q has more than %d tokens", s, maxSubjectTokens)
	}
	return nil
}

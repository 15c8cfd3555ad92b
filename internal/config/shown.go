package config

import (
	"fmt"
	"strings"
	"sync"
)

// shownParts are what takes variables out of texts, by the part of the configuration that the texts are about.
type shownParts struct {
	mu sync.Mutex // guards by
	by map[string]*scrubber
}

// AsWritten returns a text that a part of the configuration brought about, such as sinks.bus.http.url or routes[3], with
// variables as the file has them and not with what they stood for: an address or a condition may hold a token.
func (c *Config) AsWritten(path, text string) string {
	if c.shown == nil || text == "" {
		return text
	}
	return c.shown.of(c.root, path).scrub(text, true)
}

// RoutePath is the path of a route.
func RoutePath(number int) string { return fmt.Sprintf("routes[%d]", number) }

// SinkPath is the path of a sink.
func SinkPath(name string) string { return "sinks." + name }

func (s *shownParts) of(root *node, path string) *scrubber {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.by[path]
	if !ok {
		if n, exact := root.nearest(path); exact {
			found = n.scrubber(pieces)
		}
		s.by[path] = found
	}
	return found
}

// pieces are what a template shows of the value of a variable: the text around its placeholders, and of a URL or an ARN the
// name at its end.
func pieces(r replacement) []replacement {
	var all []replacement
	values, texts := around(r.value), around(r.written)
	for i, value := range values {
		instead := ellipsis
		switch {
		case len(texts) == len(values): // the placeholders are the file's own
			instead = texts[i]
		case i == 0:
			instead = r.written
		}
		if len(values) > 1 && value != instead {
			all = append(all, replacement{written: instead, value: value})
		}
	}
	if at := strings.LastIndexAny(r.value, "/:"); at >= 0 && len(values) == 1 {
		all = append(all, replacement{written: ellipsis, value: r.value[at+1:]})
	}
	return all
}

// around returns the texts around the placeholders of a template. Variables are no placeholders.
func around(text string) []string {
	var all []string
	from := 0
	for at := 0; at < len(text); at++ {
		switch {
		case strings.HasPrefix(text[at:], "${"):
			if end := closing(text[at:]); end > 0 {
				at += end
			}
		case text[at] == '{':
			all = append(all, text[from:at])
			if end := strings.IndexByte(text[at:], '}'); end > 0 {
				at += end
			}
			from = at + 1
		}
	}
	return append(all, text[min(from, len(text)):])
}

// shownError is an error about a part of the configuration.
type shownError struct {
	text string
	err  error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.err }

// ErrorAsWritten gives an error that a part of the configuration brought about the text that AsWritten makes of its own.
func (c *Config) ErrorAsWritten(path string, err error) error {
	if err == nil {
		return nil
	}
	if text := c.AsWritten(path, err.Error()); text != err.Error() {
		return &shownError{text, err}
	}
	return err
}

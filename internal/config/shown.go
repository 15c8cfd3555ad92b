package config

import (
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
	instead := r.written
	for rest := r.value; strings.Contains(rest, "{"); instead = ellipsis {
		literal, after, _ := strings.Cut(rest, "{")
		_, rest, _ = strings.Cut(after, "}")
		all = append(all, replacement{written: instead, value: literal})
		if !strings.Contains(rest, "{") {
			all = append(all, replacement{written: ellipsis, value: rest})
		}
	}
	if at := strings.LastIndexAny(r.value, "/:"); at >= 0 && !strings.Contains(r.value, "{") {
		all = append(all, replacement{written: ellipsis, value: r.value[at+1:]})
	}
	return all
}

package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/routing"
)

// hintPath says how far a JSON path leads, and what is there instead.
func hintPath(path string, e *envelope.Event) string {
	if text, ok := e.Get(path); ok && path != "data" {
		return fmt.Sprintf("%s is an attribute, which is %q: write it outside data", path, text)
	}
	if e.Data == nil {
		return ""
	}
	if !isJSON(e.Data) {
		return "the payload is not JSON; its content type is " + quoteOr(e.DataContentType, "not stated")
	}
	there, rest := "", path
	text, kind := envelope.String(e.Data), kindOfJSON(e.Data)
	for i, c := range path {
		if i == 0 || c != '.' && c != '[' {
			continue
		}
		t, k := lookup(path[:i], e)
		if k == envelope.PathMissing {
			break
		}
		there, rest, text, kind = "."+path[:i], strings.TrimPrefix(path[i:], "."), t, k
	}
	return hintMember("data"+there, rest, text, kind)
}

// isJSON reports whether a payload is one JSON value, however deep.
func isJSON(data []byte) bool {
	s := envelope.NewJSONScanner(data)
	_, err := s.Value()
	return err == nil && s.End()
}

// memberNames returns the names of an object's members, sorted and fit to print.
func memberNames(object string) (names []string) {
	s := envelope.NewJSONScanner([]byte(object))
	if !s.Open('{') {
		return nil
	}
	for first := true; ; first = false {
		if more, err := s.More(first, '}'); err != nil || !more {
			break
		}
		quoted, err := s.Name()
		if err != nil {
			break
		}
		var name string
		if json.Unmarshal(quoted, &name) == nil {
			names = append(names, printable(phrase.Shorten(name, 40)))
		}
		if _, err := s.Value(); err != nil {
			break
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hintMember says what is at a place that the rest of a path does not lead on from.
func hintMember(place, rest, text string, kind envelope.PathKind) string {
	switch kind {
	case envelope.PathArray:
		if !strings.HasPrefix(rest, "[") {
			return fmt.Sprintf("%s is an array: write %s[0].%s", place, strings.TrimPrefix(place, "data."), rest)
		}
		return place + " is an array with fewer elements"
	case envelope.PathObject:
	default:
		return fmt.Sprintf("%s is %s and has nothing below it", place, printable(phrase.Shorten(text, 40)))
	}
	all := memberNames(text)
	if len(all) == 0 {
		return place + " is an empty object"
	}
	step := rest
	if i := strings.IndexAny(rest, ".["); i > 0 {
		step = rest[:i]
	}
	if s := routing.Suggest(step, all); s != "" {
		return fmt.Sprintf("%s has no %s; did you mean %s?", place, step, s)
	}
	const most = 8
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return fmt.Sprintf("%s has no %s; it has %s", place, step, strings.Join(all, ", "))
}

func lookup(path string, e *envelope.Event) (text string, kind envelope.PathKind) {
	p, err := envelope.ParsePath(path)
	if err != nil || e.Data == nil {
		return "", envelope.PathMissing
	}
	return p.Lookup(e.Data)
}

// kindOfJSON tells an object or an array at the root of a JSON document from everything else.
func kindOfJSON(data []byte) envelope.PathKind {
	switch data = bytes.TrimSpace(data); data[0] {
	case '{':
		return envelope.PathObject
	case '[':
		return envelope.PathArray
	}
	return envelope.PathString
}

func quoteOr(text, empty string) string {
	if text == "" {
		return empty
	}
	return fmt.Sprintf("%q", text)
}

// printable quotes a text that a terminal would not print as it is: payloads come from strangers.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

package routing

import (
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

// The reference reads rules as a user wrote them and judges an event by the words of the documentation, one rule
// after the other, sharing nothing with the package but the CESQL evaluator.

// seen is what the reference sees at an attribute or path.
type seen struct {
	text    string
	present bool
	number  bool
	null    bool
	scalar  bool
}

func refAttribute(e *envelope.Event, name string) seen {
	text, ok := e.Get(name)
	return seen{text: text, present: ok, scalar: true}
}

// refData follows a path of plain names.
func refData(e *envelope.Event, path string) seen {
	var doc any
	decoder := json.NewDecoder(strings.NewReader(string(e.Data)))
	decoder.UseNumber()
	if e.Data == nil || decoder.Decode(&doc) != nil {
		return seen{}
	}
	for name := range strings.SplitSeq(path, ".") {
		object, ok := doc.(map[string]any)
		if !ok {
			return seen{}
		}
		if doc, ok = object[name]; !ok {
			return seen{}
		}
	}
	switch v := doc.(type) {
	case nil:
		return seen{present: true, null: true}
	case string:
		return seen{text: v, present: true, scalar: true}
	case json.Number:
		return seen{text: v.String(), present: true, scalar: true, number: true}
	case bool:
		return seen{text: map[bool]string{true: "true", false: "false"}[v], present: true, scalar: true}
	}
	return seen{present: true}
}

func refWhen(v Value, e *envelope.Event) bool {
	for _, f := range v.Fields {
		if !refKey(f, e) {
			return false
		}
	}
	return true
}

func refKey(f Field, e *envelope.Event) bool {
	when := func(v Value) bool { return refWhen(v, e) }
	switch f.Key {
	case "all":
		return refAll(f.Value.Items, when)
	case "any":
		return slices.ContainsFunc(f.Value.Items, when)
	case "not":
		return !refWhen(f.Value, e)
	case "cesql":
		return refSQL(f.Value, e)
	case "filters":
		return refAll(f.Value.Items, func(v Value) bool { return refFilter(v, e) })
	case "attributes":
		return !slices.ContainsFunc(f.Value.Fields, func(f Field) bool {
			return !refMatcher(f.Value, refAttribute(e, f.Key))
		})
	case "data":
		return !slices.ContainsFunc(f.Value.Fields, func(f Field) bool {
			return !refMatcher(f.Value, refData(e, f.Key))
		})
	}
	return refMatcher(f.Value, refAttribute(e, f.Key))
}

func refAll(items []Value, holds func(Value) bool) bool {
	return !slices.ContainsFunc(items, func(v Value) bool { return !holds(v) })
}

func refSQL(v Value, e *envelope.Event) bool {
	expr, err := cesql.Parse(v.Scalar)
	return err == nil && expr.True(e)
}

func refFilter(v Value, e *envelope.Event) bool {
	f := v.Fields[0]
	attributes := func(holds func(s, part string) bool) bool {
		return !slices.ContainsFunc(f.Value.Fields, func(a Field) bool {
			s := refAttribute(e, a.Key)
			return !s.present || !holds(s.text, a.Value.Scalar)
		})
	}
	filter := func(v Value) bool { return refFilter(v, e) }
	switch f.Key {
	case "exact":
		return attributes(func(s, part string) bool { return s == part })
	case "prefix":
		return attributes(strings.HasPrefix)
	case "suffix":
		return attributes(strings.HasSuffix)
	case "all":
		return refAll(f.Value.Items, filter)
	case "any":
		return slices.ContainsFunc(f.Value.Items, filter)
	case "not":
		return !filter(f.Value)
	}
	return refSQL(f.Value, e)
}

func refMatcher(v Value, s seen) bool {
	switch v.Kind {
	case Null:
		return s.null
	case Scalar:
		return refEqual(v, s)
	case List:
		return slices.ContainsFunc(v.Items, func(v Value) bool { return refEqual(v, s) })
	default:
		return !slices.ContainsFunc(v.Fields, func(f Field) bool { return !refWord(f, s) })
	}
}

func refEqual(v Value, s seen) bool {
	if !s.present || !s.scalar {
		return false
	}
	if s.text == v.Scalar {
		return true
	}
	a, isNumber := new(big.Rat).SetString(v.Scalar)
	if !s.number || v.Quoted || !isNumber {
		return false
	}
	b, _ := new(big.Rat).SetString(s.text)
	return a.Cmp(b) == 0
}

func refWord(f Field, s seen) bool {
	texts := []Value{f.Value}
	if f.Value.Kind == List {
		texts = f.Value.Items
	}
	switch f.Key {
	case "not":
		return !refMatcher(f.Value, s)
	case "any":
		return slices.ContainsFunc(f.Value.Items, func(v Value) bool { return refMatcher(v, s) })
	case "exists":
		return s.present == (f.Value.Scalar == "true")
	}
	if !s.present || !s.scalar {
		return false
	}
	switch f.Key {
	case "in":
		return slices.ContainsFunc(texts, func(v Value) bool { return refEqual(v, s) })
	case "prefix":
		return slices.ContainsFunc(texts, func(v Value) bool { return strings.HasPrefix(s.text, v.Scalar) })
	case "suffix":
		return slices.ContainsFunc(texts, func(v Value) bool { return strings.HasSuffix(s.text, v.Scalar) })
	case "equals_ignore_case":
		return strings.EqualFold(s.text, f.Value.Scalar)
	case "glob":
		return refGlob([]rune(f.Value.Scalar), []rune(s.text))
	case "regex":
		return regexp.MustCompile(`^(?:` + f.Value.Scalar + `)$`).MatchString(s.text)
	}
	return refCompare(f, s.text)
}

func refGlob(pattern, s []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(s) == 0
	case pattern[0] == '*':
		return refGlob(pattern[1:], s) || len(s) > 0 && refGlob(pattern, s[1:])
	}
	return len(s) > 0 && (pattern[0] == '?' || pattern[0] == s[0]) && refGlob(pattern[1:], s[1:])
}

var jsonNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func refCompare(f Field, text string) bool {
	if !jsonNumber.MatchString(text) {
		return false
	}
	a, _ := new(big.Rat).SetString(text)
	b, _ := new(big.Rat).SetString(f.Value.Scalar)
	c := a.Cmp(b)
	return map[string]bool{"gt": c > 0, "gte": c >= 0, "lt": c < 0, "lte": c <= 0}[f.Key]
}

// refMatch is Match by the words of the documentation.
func refMatch(rules []Rule, whens []Value, source string, e *envelope.Event) []int32 {
	var matched []int32
	for i := range rules {
		if source != "" && rules[i].From != nil && !slices.Contains(rules[i].From, source) {
			continue
		}
		if rules[i].When != nil && !refWhen(whens[i], e) {
			continue
		}
		matched = append(matched, int32(i))
		if rules[i].Stop {
			break
		}
	}
	return matched
}

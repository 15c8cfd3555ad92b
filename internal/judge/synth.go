package judge

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

// The bounds of synthesis: enough to tell rules apart, and never slow.
const (
	maxCandidates  = 12   // values of one attribute or path of a rule
	maxSynthesised = 5000 // events in all
)

// dimension is an attribute or, with data, a JSON path that rules look at.
type dimension struct {
	name string
	data bool
}

// compare orders dimensions, so that the same rules make the same events each time.
func (d dimension) compare(other dimension) int {
	if d.name != other.name || d.data == other.data {
		return strings.Compare(d.name, other.name)
	}
	if d.data {
		return 1
	}
	return -1
}

// candidate is a value to try; a bare one is a JSON number, true, false or null where it stands in the payload.
type candidate struct {
	text string
	bare bool
}

// synthesise makes events of the predicates of rules, so that each rule has events that it takes and events that it
// only just refuses: for each rule one with a fitting value everywhere, and from that one step in each direction. The
// rules of the names in first come first, because there is a limit.
func synthesise(first map[string]bool, tables ...*routing.Table) []sample.Event {
	s := &synthesiser{seen: map[string]bool{}}
	blank := &envelope.Event{ID: "1", Source: "/", Type: "t"}
	var verdicts []routing.Verdict
	for _, table := range tables {
		verdicts = append(verdicts, table.ExplainAll(routing.AnySource, blank)...)
	}
	for _, now := range []bool{true, false} {
		for i := range verdicts {
			if len(s.events) >= maxSynthesised {
				return s.events
			}
			if first[verdicts[i].Name] == now {
				s.rule(verdicts[i].Findings)
			}
		}
	}
	return s.events
}

type synthesiser struct {
	events []sample.Event
	seen   map[string]bool
}

// rule adds the events of one rule.
func (s *synthesiser) rule(findings []routing.Finding) {
	values := map[dimension][]candidate{}
	for i := range findings {
		p, ok := parsePredicate(findings[i].Predicate)
		switch {
		case !ok:
		case p.name == "cesql" && findings[i].Attribute == "":
			expressionCandidates(p.matcher.Value, values)
		default:
			d := dimension{p.name, p.data}
			for _, c := range candidates(p.matcher) {
				values[d] = add(values[d], c)
			}
		}
	}
	dimensions := slices.SortedFunc(maps.Keys(values), dimension.compare)
	base := map[dimension]candidate{}
	for _, d := range dimensions {
		base[d] = values[d][0]
	}
	s.add(base)
	for _, d := range dimensions {
		for _, c := range values[d][1:] {
			varied := maps.Clone(base)
			varied[d] = c
			s.add(varied)
		}
		without := maps.Clone(base)
		delete(without, d)
		s.add(without)
	}
}

func add(list []candidate, c candidate) []candidate {
	if len(list) >= maxCandidates || slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

// add makes an event of values, unless no event can have them or there is one already.
func (s *synthesiser) add(values map[dimension]candidate) {
	e := &envelope.Event{ID: "1", Source: "/synthesised", Type: "synthesised"}
	var payload any
	for _, d := range slices.SortedFunc(maps.Keys(values), dimension.compare) {
		c := values[d]
		switch {
		case d.data:
			payload = plant(payload, pathSteps(d.name), c)
		case d.name != "specversion" && c.text != "":
			e.Set(d.name, c.text, envelope.KindString)
		}
	}
	if payload != nil {
		data, err := json.Marshal(payload)
		if err != nil {
			return
		}
		e.Data, e.DataContentType = data, "application/json"
	}
	if e.Validate(envelope.Options{}) != nil {
		return
	}
	key := string(envelope.AppendJSON(nil, e))
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	s.events = append(s.events, sample.Event{Event: e})
}

// candidates returns values that a matcher takes, first, and some that it only just refuses.
func candidates(n *yaml.Node) []candidate {
	switch n.Kind {
	case yaml.MappingNode:
		return matcherCandidates(n)
	case yaml.SequenceNode:
		var all []candidate
		for _, item := range n.Content {
			all = append(all, candidates(item)...)
		}
		return all
	default:
		c := candidate{n.Value, n.Style == 0 && n.Tag != "!!str"}
		return []candidate{c, {text: c.text + "x"}}
	}
}

func matcherCandidates(n *yaml.Node) []candidate {
	words := map[string]*yaml.Node{}
	var all []candidate
	for i := 0; i < len(n.Content); i += 2 {
		words[n.Content[i].Value] = n.Content[i+1]
	}
	if p, s := words["prefix"], words["suffix"]; p != nil && s != nil {
		all = append(all, candidate{text: first(p) + "x" + first(s)})
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		all = append(all, wordCandidates(word, words[word])...)
	}
	return all
}

// first is the first text of one text or a list.
func first(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
		return n.Content[0].Value
	}
	return n.Value
}

func wordCandidates(word string, n *yaml.Node) []candidate {
	texts := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		texts = n.Content
	}
	var all []candidate
	for _, t := range texts {
		switch word {
		case "prefix":
			all = append(all, candidate{text: t.Value + "x"}, candidate{text: t.Value})
		case "suffix":
			all = append(all, candidate{text: "x" + t.Value}, candidate{text: t.Value})
		case "glob":
			all = append(all, candidate{text: strings.NewReplacer("*", "x", "?", "x").Replace(t.Value)})
		case "regex":
			all = append(all, candidate{text: regexSample(t.Value)})
		case "equals_ignore_case":
			all = append(all, candidate{text: t.Value}, candidate{text: strings.ToUpper(t.Value)})
		case "exists":
			all = append(all, candidate{text: "x"})
		case "gt", "gte", "lt", "lte":
			all = append(all, neighbours(t.Value)...)
		default: // in, not and any hold matchers
			all = append(all, candidates(t)...)
		}
	}
	return all
}

// neighbours are a number, one more and one less. The one that satisfies most bounds is not known, so all are tried.
func neighbours(number string) []candidate {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return []candidate{{number, true}}
	}
	text := func(f float64) candidate { return candidate{strconv.FormatFloat(f, 'f', -1, 64), true} }
	return []candidate{{number, true}, text(n + 1), text(n - 1)}
}

// expressionTokens finds the texts, numbers and names of a CESQL expression.
var expressionTokens = regexp.MustCompile(`'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(-?[0-9]+)|([A-Za-z][A-Za-z0-9]*)(\s*\()?`)

// expressionCandidates guesses values from a CESQL expression: each text or number is tried for the attribute that was
// named before it.
func expressionCandidates(expression string, into map[dimension][]candidate) {
	var at dimension
	for _, m := range expressionTokens.FindAllStringSubmatch(expression, -1) {
		text, number, name, call := m[1]+m[2], m[3], m[4], m[5]
		switch {
		case name != "" && (call != "" && !strings.EqualFold(name, "IN") || slices.Contains(expressionWords, strings.ToUpper(name))):
		case name != "":
			at = dimension{name: strings.ToLower(name)}
			if into[at] == nil {
				into[at] = []candidate{{text: "x"}}
			}
		case at.name == "":
		case number != "":
			for _, c := range neighbours(number) {
				into[at] = add(into[at], c)
			}
		default:
			fits := strings.NewReplacer("%", "x", "_", "x").Replace(text)
			into[at] = slices.Insert(into[at], 0, candidate{text: fits})
			into[at] = into[at][:min(len(into[at]), maxCandidates)]
		}
	}
}

// expressionWords are the words of CESQL that are no attributes.
var expressionWords = []string{"AND", "OR", "XOR", "NOT", "LIKE", "IN", "EXISTS", "TRUE", "FALSE"}

// pathSteps splits a JSON path into names and indices; an index is an int.
func pathSteps(path string) []any {
	var steps []any
	for _, m := range pathStep.FindAllStringSubmatch(path, -1) {
		switch {
		case m[1] != "":
			if n, err := strconv.Atoi(m[1]); err == nil && n < 64 {
				steps = append(steps, n)
			}
		case m[2] != "":
			steps = append(steps, strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(m[2]))
		default:
			steps = append(steps, m[3])
		}
	}
	return steps
}

var pathStep = regexp.MustCompile(`\[([0-9]+)\]|"((?:[^"\\]|\\.)*)"|([^.\["]+)`)

// plant puts a value into a tree of maps and lists and returns the tree.
func plant(tree any, steps []any, c candidate) any {
	if len(steps) == 0 {
		if c.bare && json.Valid([]byte(c.text)) {
			return json.RawMessage(c.text)
		}
		return c.text
	}
	switch step := steps[0].(type) {
	case int:
		list, _ := tree.([]any)
		for len(list) <= step {
			list = append(list, nil)
		}
		list[step] = plant(list[step], steps[1:], c)
		return list
	default:
		members, ok := tree.(map[string]any)
		if !ok {
			members = map[string]any{}
		}
		name := fmt.Sprint(step)
		members[name] = plant(members[name], steps[1:], c)
		return members
	}
}

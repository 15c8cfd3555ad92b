package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// changedRule is a rule that was added, removed or changed; Before or After is empty for the first two.
type changedRule struct {
	Name   string `json:"name"`
	Change string `json:"change"`
	Place  string `json:"place"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// changedPart is a source, a sink or a policy that was added, removed or changed.
type changedPart struct {
	Part   string `json:"part"`
	Change string `json:"change"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Keys are those of a source or sink that differ.
	Keys []string `json:"keys,omitempty"`
}

// The words of Change.
const (
	changeAdded   = "added"
	changeRemoved = "removed"
	changeChanged = "changed"
)

// printedRule is a rule with what it is known by and its text.
type printedRule struct {
	key, text string
	rule      *routing.Rule
}

// printRules prints rules. One without a name of its own is known by its text, because its number moves.
func printRules(rules []routing.Rule) []printedRule {
	printed := make([]printedRule, len(rules))
	for i := range rules {
		r := &rules[i]
		p := printedRule{key: "name " + r.Name, text: ruleText(r), rule: r}
		if r.Name == fmt.Sprintf("route-%d", i+1) {
			p.key = "text " + p.text
		}
		printed[i] = p
	}
	return printed
}

// ruleText is a rule in the syntax of the file, in a canonical form and without its name.
func ruleText(r *routing.Rule) string {
	var fields []string
	field := func(key, value string) { fields = append(fields, key+": "+value) }
	list := func(names []string) string {
		return "[" + strings.Join(slices.Sorted(slices.Values(names)), ", ") + "]"
	}
	if r.From != nil {
		field("from", list(r.From))
	}
	if r.When != nil {
		field("when", r.When.String())
	}
	if r.Drop {
		field("to", "drop")
	} else {
		field("to", list(r.To))
	}
	if r.Stop {
		field("stop", "true")
	}
	if len(r.Set) > 0 {
		set := map[string]string{}
		for _, a := range r.Set {
			set[a.Name] = fmt.Sprintf("%q", a.Template)
			if a.Remove {
				set[a.Name] = "null"
			}
		}
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(set)) {
			parts = append(parts, name+": "+set[name])
		}
		field("set", "{"+strings.Join(parts, ", ")+"}")
	}
	if len(r.Types) > 0 {
		types := map[string]string{}
		for _, t := range r.Types {
			types[t.Name] = routing.TypeName(t.Kind)
		}
		field("attribute_types", typesText(types))
	}
	if r.Sample > 1 {
		field("sample", strconv.Itoa(r.Sample))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func (d *difference) compareRules(before, after *config.Config) {
	old, now := printRules(before.Rules), printRules(after.Rules)
	index := func(list []printedRule) map[string]*printedRule {
		m := make(map[string]*printedRule, len(list))
		for i := range list {
			m[list[i].key] = &list[i]
		}
		return m
	}
	wasByKey, isByKey := index(old), index(now)
	var common, kept []string
	for _, p := range old {
		is := isByKey[p.key]
		switch {
		case is == nil:
			d.Rules = append(d.Rules, changedRule{p.rule.Name, changeRemoved, p.rule.Pos.String(), p.text, ""})
			continue
		case is.text != p.text:
			d.Rules = append(d.Rules, changedRule{p.rule.Name, changeChanged, is.rule.Pos.String(), p.text, is.text})
		}
		common = append(common, p.key)
	}
	for _, p := range now {
		if wasByKey[p.key] == nil {
			d.Rules = append(d.Rules, changedRule{p.rule.Name, changeAdded, p.rule.Pos.String(), "", p.text})
		} else {
			kept = append(kept, p.key)
		}
	}
	d.Reordered = !slices.Equal(common, kept)
}

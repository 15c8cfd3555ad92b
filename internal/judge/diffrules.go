package judge

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// ChangedRule is a rule that was added, removed or changed; Before or After is empty for the first two.
type ChangedRule struct {
	Name   string `json:"name"`
	Change string `json:"change"`
	Place  string `json:"place"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// ChangedPart is a source, a sink, a policy or another key that was added, removed or changed.
type ChangedPart struct {
	Part   string `json:"part"`
	Change string `json:"change"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Keys are those of a source, a sink or another key that differ.
	Keys []string `json:"keys,omitempty"`
}

// Decides reports whether the part has a say in what becomes of an event. How the router is watched has none.
func (p ChangedPart) Decides() bool { return p.Part != "admin" && p.Part != "log" }

// The words of Change.
const (
	ChangeAdded   = "added"
	ChangeRemoved = "removed"
	ChangeChanged = "changed"
)

// printedRule is a rule with what it is known by and its text.
type printedRule struct {
	key, text string
	// shown is the text with variables as the file has them.
	shown string
	rule  *routing.Rule
}

// printRules prints rules. One without a name of its own is known by its text, because its number moves.
func printRules(cfg *config.Config) []printedRule {
	rules := cfg.Rules
	printed := make([]printedRule, len(rules))
	for i := range rules {
		r := &rules[i]
		p := printedRule{key: "name " + r.Name, text: ruleText(r), rule: r}
		p.shown = cfg.AsWritten(config.RoutePath(i), p.text)
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

func (d *Difference) compareRules(before, after *config.Config) {
	old, now := printRules(before), printRules(after)
	index := func(list []printedRule) map[string]*printedRule {
		m := make(map[string]*printedRule, len(list))
		for i := range list {
			m[list[i].key] = &list[i]
		}
		return m
	}
	wasByKey, isByKey := index(old), index(now)
	var common, kept []printedRule
	for _, p := range old {
		is := isByKey[p.key]
		switch {
		case is == nil:
			d.Rules = append(d.Rules, ChangedRule{p.rule.Name, ChangeRemoved, p.rule.Pos.String(), p.shown, ""})
			continue
		case is.text != p.text:
			d.Rules = append(d.Rules, ChangedRule{p.rule.Name, ChangeChanged, is.rule.Pos.String(), p.shown, is.shown})
		}
		common = append(common, p)
	}
	for _, p := range now {
		if wasByKey[p.key] == nil {
			d.Rules = append(d.Rules, ChangedRule{p.rule.Name, ChangeAdded, p.rule.Pos.String(), "", p.shown})
		} else {
			kept = append(kept, p)
		}
	}
	d.compareOrder(common, kept)
}

// compareOrder says whether the rules that both files have stand in another order, and whether that matters.
func (d *Difference) compareOrder(old, now []printedRule) {
	keys := func(list []printedRule) []string {
		all := make([]string, len(list))
		for i := range list {
			all[i] = list[i].key
		}
		return all
	}
	d.Reordered = !slices.Equal(keys(old), keys(now))
	switch {
	case !d.Reordered:
	case crossesStop(old, now):
		d.Order = "a stop hides other routes than before"
	case !maps.EqualFunc(bySink(old), bySink(now), slices.Equal):
		d.Order = "the first route of a sink gives an event's dead letter and delivery id its name"
	}
}

// crossesStop reports whether a rule went from one side of a stop to the other.
func crossesStop(old, now []printedRule) bool {
	at := make(map[string]int, len(now))
	for i := range now {
		at[now[i].key] = i
	}
	// A rule keeps both of its sides if all before it come before its new place, and all behind it behind that.
	least := make([]int, len(old)+1)
	least[len(old)] = len(now)
	for i := len(old) - 1; i >= 0; i-- {
		least[i] = min(least[i+1], at[old[i].key])
	}
	most := -1
	for i := range old {
		place := at[old[i].key]
		stops := old[i].rule.Stop || now[place].rule.Stop
		if stops && (most > place || least[i+1] < place) {
			return true
		}
		most = max(most, place)
	}
	return false
}

// bySink lists the rules that name a sink, in their order.
func bySink(rules []printedRule) map[string][]string {
	lists := map[string][]string{}
	for i := range rules {
		for _, sink := range rules[i].rule.To {
			lists[sink] = append(lists[sink], rules[i].key)
		}
	}
	return lists
}

package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/phrase"
)

// comparedElsewhere are the keys of a configuration that have a comparison of their own, and tests, which change nothing
// that runs.
var comparedElsewhere = []string{"sources", "sinks", "routes", "unmatched", "dead_letter", "tests"}

// compareSettings lists the other keys that differ. They are taken from the type, so that none is forgotten.
func (d *difference) compareSettings(before, after *config.Config) {
	old, now := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range old.NumField() {
		name, _, _ := strings.Cut(old.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" || slices.Contains(comparedElsewhere, name) {
			continue
		}
		if keys := changedKeys(old.Field(i), now.Field(i), ""); keys != nil {
			d.Parts = append(d.Parts, changedPart{Part: name, Change: changeChanged, Keys: keys})
		}
	}
}

// compareParts lists the sources, sinks, policies and other keys that differ. Of how a part is configured only the keys are
// shown: the values may be secrets.
func (d *difference) compareParts(before, after *config.Config) {
	compareNamed(d, "source", before.Sources, after.Sources, before.SourceNames(), after.SourceNames())
	compareNamed(d, "sink", before.Sinks, after.Sinks, before.SinkNames(), after.SinkNames())
	for _, p := range []struct{ name, before, after string }{
		{"unmatched", before.Unmatched, after.Unmatched}, {"dead_letter", before.DeadLetter, after.DeadLetter},
	} {
		if p.before != p.after {
			d.Parts = append(d.Parts, changedPart{Part: p.name, Change: changeChanged, Before: p.before, After: p.after})
		}
	}
	d.compareSettings(before, after)
}

func compareNamed[T any](d *difference, kind string, before, after map[string]T, old, now []string) {
	for _, name := range old {
		is, ok := after[name]
		switch {
		case !ok:
			d.Parts = append(d.Parts, changedPart{Part: kind + " " + name, Change: changeRemoved})
		case !reflect.DeepEqual(before[name], is):
			keys := changedKeys(reflect.ValueOf(before[name]), reflect.ValueOf(is), "")
			d.Parts = append(d.Parts, changedPart{Part: kind + " " + name, Change: changeChanged, Keys: keys})
		}
	}
	for _, name := range now {
		if !slices.Contains(old, name) {
			d.Parts = append(d.Parts, changedPart{Part: kind + " " + name, Change: changeAdded})
		}
	}
}

// changedKeys lists the keys of the file that differ between two values of one type, by their paths. It stops at maps and
// lists, whose keys and items are the user's own.
func changedKeys(before, after reflect.Value, path string) []string {
	if reflect.DeepEqual(before.Interface(), after.Interface()) {
		return nil
	}
	if before.Kind() == reflect.Pointer && !before.IsNil() && !after.IsNil() {
		before, after = before.Elem(), after.Elem()
	}
	var keys []string
	if before.Kind() == reflect.Struct {
		for i := range before.NumField() {
			f := before.Type().Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case !f.IsExported() || name == "-":
				continue
			case options == "inline":
				name = path
			case path != "":
				name = path + "." + name
			}
			keys = append(keys, changedKeys(before.Field(i), after.Field(i), name)...)
		}
	}
	if keys == nil {
		return []string{path}
	}
	return keys
}

// difference prints what diff found.
func (p *printer) difference(d *difference) {
	for _, r := range d.Rules {
		switch r.Change {
		case changeAdded:
			p.line(0, "%s route %s  %s  %s", p.good("+"), p.bold(r.Name), r.After, p.dim(r.Place))
		case changeRemoved:
			p.line(0, "%s route %s  %s  %s", p.bad("-"), p.bold(r.Name), r.Before, p.dim(r.Place))
		default:
			p.line(0, "~ route %s  %s", p.bold(r.Name), p.dim(r.Place))
			p.line(4, "%s %s", p.bad("-"), r.Before)
			p.line(4, "%s %s", p.good("+"), r.After)
		}
	}
	switch {
	case d.Order != "":
		p.line(0, "~ the order of the routes: %s", d.Order)
	case d.Reordered:
		p.line(0, "~ the order of the routes, which changes nothing")
	}
	for _, part := range d.Parts {
		switch {
		case part.Before != "" || part.After != "":
			p.line(0, "~ %s: %s, was %s", part.Part, part.After, part.Before)
		case part.Change == changeAdded:
			p.line(0, "%s %s", p.good("+"), part.Part)
		case part.Change == changeRemoved:
			p.line(0, "%s %s", p.bad("-"), part.Part)
		case !part.decides():
			p.line(0, "~ %s is configured differently: %s; no event depends on it", part.Part, strings.Join(part.Keys, ", "))
		default:
			p.line(0, "~ %s is configured differently: %s", part.Part, strings.Join(part.Keys, ", "))
		}
	}
	for _, unasked := range d.Unasked {
		p.line(0, "%s; what it would refuse is not compared", unasked)
	}
	made := ""
	if d.Synthesised {
		made = ", made of the rules' conditions,"
	}
	p.line(0, "%d of %s%s moved", d.Moved, phrase.Count(d.Events, "event"), made)
	for i := range d.Moves {
		p.move(&d.Moves[i])
	}
}

func (p *printer) move(m *move) {
	p.line(2, "%s: %s -> %s", phrase.Count(m.Count, "event"), m.Before.text(), p.bold(m.After.text()))
	for _, x := range m.Events {
		from := ""
		if x.From != "" {
			from = "  from " + x.From
		}
		if x.Event != nil {
			p.line(6, "%s%s", phrase.Shorten(string(x.Event), 2*p.most()), from)
		} else {
			p.line(6, "%s%s  type %s  source %s%s", x.ID, p.place(x.Where), x.Type, x.Source, from)
		}
	}
}

// text says in one line where an event goes, and with which attributes.
func (o *outcome) text() string {
	switch {
	case len(o.GoesTo) > 0:
	case len(o.SampledOut) > 0:
		return "sampled out"
	default:
		return "unmatched (" + o.Unmatched + ")"
	}
	parts := make([]string, len(o.GoesTo))
	for i, sink := range o.GoesTo {
		parts[i] = sink
		for _, set := range o.Set[sink] {
			parts[i] += " " + setText(set)
		}
		for _, types := range o.Types[sink] {
			parts[i] += " " + types
		}
		for _, reason := range o.Refused[sink] {
			parts[i] += " (refused: " + reason + ")"
		}
		if slices.Contains(o.DataDropped, sink) {
			parts[i] += " (data dropped: dataref)"
		}
	}
	return strings.Join(parts, ", ")
}

// typesText writes attributes with their types.
func typesText(types map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(types)) {
		parts = append(parts, name+": "+types[name])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// setText writes attributes that set changed, null for removed ones.
func setText(set map[string]*string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		value := "null"
		if v := set[name]; v != nil {
			value = fmt.Sprintf("%q", *v)
		}
		parts = append(parts, name+": "+value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

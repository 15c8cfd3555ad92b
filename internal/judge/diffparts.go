package judge

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/eventrouter/router/internal/config"
)

// comparedElsewhere are the keys of a configuration that have a comparison of their own, and tests, which change nothing
// that runs.
var comparedElsewhere = []string{"sources", "sinks", "routes", "unmatched", "dead_letter", "tests"}

// compareSettings lists the other keys that differ. They are taken from the type, so that none is forgotten.
func (d *Difference) compareSettings(before, after *config.Config) {
	old, now := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	for i := range old.NumField() {
		name, _, _ := strings.Cut(old.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" || slices.Contains(comparedElsewhere, name) {
			continue
		}
		if keys := changedKeys(old.Field(i), now.Field(i), ""); keys != nil {
			d.Parts = append(d.Parts, ChangedPart{Part: name, Change: ChangeChanged, Keys: keys})
		}
	}
}

// compareParts lists the sources, sinks, policies and other keys that differ. Of how a part is configured only the keys are
// shown: the values may be secrets.
func (d *Difference) compareParts(before, after *config.Config) {
	compareNamed(d, "source", before.Sources, after.Sources, before.SourceNames(), after.SourceNames())
	compareNamed(d, "sink", before.Sinks, after.Sinks, before.SinkNames(), after.SinkNames())
	for _, p := range []struct{ name, before, after string }{
		{"unmatched", before.Unmatched, after.Unmatched}, {"dead_letter", before.DeadLetter, after.DeadLetter},
	} {
		if p.before != p.after {
			d.Parts = append(d.Parts, ChangedPart{Part: p.name, Change: ChangeChanged, Before: p.before, After: p.after})
		}
	}
	d.compareSettings(before, after)
}

func compareNamed[T any](d *Difference, kind string, before, after map[string]T, old, now []string) {
	for _, name := range old {
		is, ok := after[name]
		switch {
		case !ok:
			d.Parts = append(d.Parts, ChangedPart{Part: kind + " " + name, Change: ChangeRemoved})
		case !reflect.DeepEqual(before[name], is):
			keys := changedKeys(reflect.ValueOf(before[name]), reflect.ValueOf(is), "")
			d.Parts = append(d.Parts, ChangedPart{Part: kind + " " + name, Change: ChangeChanged, Keys: keys})
		}
	}
	for _, name := range now {
		if !slices.Contains(old, name) {
			d.Parts = append(d.Parts, ChangedPart{Part: kind + " " + name, Change: ChangeAdded})
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

// typesText writes attributes with their types.
func typesText(types map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(types)) {
		parts = append(parts, name+": "+types[name])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// SetText writes attributes that set changed, null for removed ones.
func SetText(set map[string]*string) string {
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

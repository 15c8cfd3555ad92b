package judge

import (
	"encoding/json"
	"slices"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/sample"
)

// maxExamples is how many events a move names.
const maxExamples = 3

// Difference is what differs between two configurations, and which events it moves.
type Difference struct {
	// Events is how many events were compared, and Moved how many of them change their sinks, what a route or a sink makes
	// of them, or whether a sink refuses them. Synthesised says that they were made of the rules' own predicates.
	Events      int    `json:"events"`
	Moved       int    `json:"moved"`
	Synthesised bool   `json:"synthesised"`
	Moves       []Move `json:"moves"`
	// Rules and Parts are what was added, removed or changed.
	Rules []ChangedRule `json:"rules"`
	Parts []ChangedPart `json:"parts"`
	// Reordered says that rules which both files have stand in another order, and Order what that changes, if anything.
	Reordered bool   `json:"reordered"`
	Order     string `json:"order,omitempty"`
	// Unasked are sinks that could not be made, with the reason: what they would refuse is not compared.
	Unasked []string `json:"unasked,omitempty"`
}

// Move is a group of events that go from the same outcome to the same outcome.
type Move struct {
	Count  int       `json:"count"`
	Before Outcome   `json:"before"`
	After  Outcome   `json:"after"`
	From   []string  `json:"from,omitempty"`
	Events []Example `json:"examples"`
}

// Example is an event that moves.
type Example struct {
	Where  string          `json:"where,omitempty"`
	From   string          `json:"from,omitempty"`
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Source string          `json:"source"`
	Event  json.RawMessage `json:"event,omitempty"`
}

// Outcome is where an event goes.
type Outcome struct {
	Routes []string `json:"routes"`
	GoesTo []string `json:"goes_to"`
	// Unmatched is the policy, where no route matches.
	Unmatched string `json:"unmatched,omitempty"`
	// Set is what the copies for each sink have otherwise than the event.
	Set map[string][]map[string]*string `json:"set,omitempty"`
	// Refused are the reasons for which copies would be refused, by sink, and DataDropped the sinks whose dataref makes
	// the event go without its data.
	Refused     map[string][]string `json:"refused,omitempty"`
	DataDropped []string            `json:"data_dropped,omitempty"`
	// Types are the types that copies for each sink were given, and SampledOut the routes that matched and deliver other
	// events of their sample.
	Types      map[string][]string `json:"types,omitempty"`
	SampledOut []string            `json:"sampled_out,omitempty"`
}

// key is equal for outcomes that are the same to the sinks.
func (o *Outcome) key() string {
	same := *o
	same.Routes, same.GoesTo = nil, slices.Sorted(slices.Values(o.GoesTo))
	if len(o.GoesTo) > 0 {
		// A sink gets the event by policy as it does by a route; what others do not get is no matter of its own.
		same.Unmatched, same.SampledOut = "", nil
	}
	text, _ := json.Marshal(same) // maps and strings can always be encoded, in a fixed order
	return string(text)
}

// Changed reports whether there is something that can lead an event elsewhere. Events that somebody gave decide for themselves;
// where there are none, whatever can lead an event elsewhere is a change.
func (d *Difference) Changed() bool {
	return d.Moved > 0 || d.Synthesised && (len(d.Rules) > 0 || d.Order != "" || slices.ContainsFunc(d.Parts, ChangedPart.Decides))
}

// Diff compares two configurations by their rules and by the events, or by events made of the rules. Without from, every
// source that both have is tried.
func Diff(before, after *config.Config, events []sample.Event, synthesised bool, from string) (Difference, error) {
	d := Difference{Synthesised: synthesised, Moves: []Move{}, Rules: []ChangedRule{}, Parts: []ChangedPart{}}
	d.compareRules(before, after)
	d.compareParts(before, after)
	if synthesised {
		differ := map[string]bool{}
		for _, r := range d.Rules {
			differ[r.Name] = true
		}
		events = synthesise(differ, before.Table, after.Table)
	}
	d.Events = len(events)
	sources := []string{from}
	if from == "" {
		sources = commonSources(before, after)
	}
	pair, err := newJudges(before, after, synthesised)
	if err != nil {
		return d, err
	}
	defer pair.close()
	moves := map[string]*Move{}
	var order []string
	for i := range events {
		moved := false
		counted := map[string]bool{}
		for _, source := range sources {
			was, is := pair.outcomes(source, events[i].Event)
			if was.key() == is.key() {
				continue
			}
			key := was.key() + "\x00" + is.key()
			if moves[key] == nil {
				moves[key] = &Move{Before: was, After: is, Events: []Example{}}
				order = append(order, key)
			}
			moves[key].add(&events[i], source, counted[key], synthesised)
			moved, counted[key] = true, true
		}
		if moved {
			d.Moved++
		}
	}
	for _, key := range order {
		d.Moves = append(d.Moves, *moves[key])
	}
	slices.SortStableFunc(d.Moves, func(a, b Move) int { return b.Count - a.Count })
	d.shown(before, after)
	d.Unasked = pair.unasked
	return d, nil
}

// commonSources returns the sources that both configurations have; an empty name, which every route listens to, if
// there are none.
func commonSources(before, after *config.Config) []string {
	var common []string
	for _, name := range before.SourceNames() {
		if _, ok := after.Sources[name]; ok {
			common = append(common, name)
		}
	}
	if common == nil {
		return []string{""}
	}
	return common
}

// add counts an event of a source; again says that the event was counted already, for another source.
func (m *Move) add(s *sample.Event, source string, again, whole bool) {
	if source != "" && !slices.Contains(m.From, source) {
		m.From = append(m.From, source)
	}
	if again {
		return
	}
	m.Count++
	if len(m.Events) < maxExamples {
		x := Example{Where: s.Where, From: source, ID: s.Event.ID, Type: s.Event.Type, Source: s.Event.Source}
		if whole {
			x.Event = envelope.AppendJSON(nil, s.Event)
		}
		m.Events = append(m.Events, x)
	}
}

package judge

import (
	"context"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
)

// judges say where events go by two configurations.
type judges struct {
	before, after *Judge
	// comparable says of sinks that were met whether both configurations can be asked what they would refuse.
	comparable map[string]bool
	unasked    []string
	// synthesised says that the events are made up. What an address lacks in them says nothing of real ones.
	synthesised bool
}

func newJudges(before, after *config.Config, synthesised bool) (*judges, error) {
	j := &judges{before: New(before), after: New(after), comparable: map[string]bool{}, synthesised: synthesised}
	for _, one := range []*Judge{j.before, j.after} {
		if _, err := one.previewed(); err != nil {
			j.close()
			return nil, err
		}
	}
	return j, nil
}

func (j *judges) close() {
	j.before.Close(context.Background())
	j.after.Close(context.Background())
}

// outcomes says where an event of a source goes, before and after.
func (j *judges) outcomes(source string, e *envelope.Event) (was, is Outcome) {
	return j.outcome(j.before, source, e), j.outcome(j.after, source, e)
}

// asks reports whether a sink can say what it would refuse, in both configurations that have it. A difference that comes
// from this machine, such as a certificate that is not here, is none of the configurations.
func (j *judges) asks(name string) bool {
	can, known := j.comparable[name]
	if known {
		return can
	}
	can = true
	for _, one := range []*Judge{j.before, j.after} {
		if !one.isSink(name) {
			continue
		}
		if _, err := one.asked.sink(name); err != nil {
			can = false
			j.unasked = append(j.unasked, "sink "+name+": "+err.Error())
			break
		}
	}
	j.comparable[name] = can
	return can
}

// outcome says where an event of a source goes by one of the configurations.
func (j *judges) outcome(by *Judge, source string, e *envelope.Event) Outcome {
	r := by.rule(source, e)
	o := Outcome{Routes: orEmpty(r.Routes), GoesTo: orEmpty(r.sinks()), SampledOut: r.SampledOut}
	if r.Unmatched {
		o.Unmatched = by.cfg.Unmatched
	}
	copies := map[string][]map[string]*string{}
	for _, l := range r.Legs {
		if reason := j.refuses(by, &o, l); reason != "" {
			o.Refused = with(o.Refused, l.Sink, reason)
		}
		if l.Err != nil {
			continue
		}
		copies[l.Sink] = append(copies[l.Sink], l.Set)
		if l.Types != nil {
			o.Types = with(o.Types, l.Sink, typesText(l.Types))
		}
	}
	for sink, list := range copies {
		if len(list) == 1 && list[0] == nil {
			delete(copies, sink) // the event as it came
			continue
		}
		slices.SortFunc(list, func(a, b map[string]*string) int { return strings.Compare(SetText(a), SetText(b)) })
	}
	if len(copies) > 0 {
		o.Set = copies
	}
	return o
}

// refuses returns the reason for which a delivery would be refused, empty if it would not be, and notes data that would be
// dropped.
func (j *judges) refuses(by *Judge, o *Outcome, l leg) string {
	if l.Err != nil {
		return string(refusal(l.Err))
	}
	if !j.asks(l.Sink) {
		return ""
	}
	t := by.asked.of(l)
	if j.synthesised && t.DeadLetter == string(bindings.ReasonAddress) {
		return ""
	}
	if t.DeadLetter == "" && t.DataDropped && !slices.Contains(o.DataDropped, l.Sink) {
		o.DataDropped = append(o.DataDropped, l.Sink)
		slices.Sort(o.DataDropped)
	}
	return t.DeadLetter
}

// with adds a text to the sorted list of a sink.
func with(lists map[string][]string, sink, text string) map[string][]string {
	if lists == nil {
		lists = map[string][]string{}
	}
	lists[sink] = append(lists[sink], text)
	slices.Sort(lists[sink])
	return lists
}

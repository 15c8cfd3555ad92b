package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// setter makes the event that a route delivers: its set, then its attribute_types, then its sample. Equal changes of
// several routes share one setter, so that a sink which both name gets the event once.
type setter struct {
	variant string
	ops     []setOp
	types   []routing.Typing
	sample  int
	// untyped is the setter of the same route without types: what is left to do for an event that has nothing to type.
	untyped *setter
}

type setOp struct {
	name  string
	value *template.Template // nil removes the attribute
}

// newSetter compiles what a rule changes, nil if that is nothing. known are the setters so far, by their SetKey.
func newSetter(r routing.Rule, known map[string]*setter) (*setter, error) {
	key := SetKey(r)
	if key == "" {
		return nil, nil
	}
	if same := known[key]; same != nil {
		return same, nil
	}
	s := &setter{variant: r.Name, types: r.Types, sample: r.Sample}
	if len(r.Types) > 0 {
		s.variant += " typed" // another route may use untyped for the same event, and a target must not take one for the other
	}
	for _, a := range r.Set {
		op := setOp{name: a.Name}
		if !a.Remove {
			t, err := template.Compile(a.Template, template.Raw)
			if err != nil {
				return nil, fmt.Errorf("set: %s: %w", a.Name, err)
			}
			op.value = t
		}
		s.ops = append(s.ops, op)
	}
	if len(r.Types) > 0 {
		var err error
		if s.untyped, err = newSetter(withoutTypes(r), known); err != nil {
			return nil, err
		}
	}
	known[key] = s
	return s, nil
}

func withoutTypes(r routing.Rule) routing.Rule {
	r.Types = nil
	return r
}

// SetKey returns a text that is equal for rules that change events in the same way, empty for one that changes
// nothing. A sink gets an event once for each of them. The order in which attributes are named makes no difference:
// every template sees the original.
func SetKey(r routing.Rule) string {
	var key strings.Builder
	for _, a := range slices.SortedFunc(slices.Values(r.Set), func(a, b routing.Assignment) int { return cmp.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&key, "%q=%q,%t;", a.Name, a.Template, a.Remove)
	}
	for _, t := range slices.SortedFunc(slices.Values(r.Types), func(a, b routing.Typing) int { return cmp.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&key, "%q:%d;", t.Name, t.Kind)
	}
	if r.Sample > 1 {
		fmt.Fprintf(&key, "1/%d", r.Sample)
	}
	return key.String()
}

// of returns the setter for an event. Types that find nothing to type change nothing, so the event goes as if the
// route had none: with its original bytes, and once to a sink that another route names too.
func (s *setter) of(e *envelope.Event) *setter {
	if s == nil || len(s.types) == 0 || s.finds(e) {
		return s
	}
	return s.untyped
}

// finds reports whether one of the types has something to type. What set assigns has no type yet.
func (s *setter) finds(e *envelope.Event) bool {
	for i := range s.types {
		name := s.types[i].Name
		if op := s.op(name); op != nil {
			if op.value != nil {
				return true
			}
			continue
		}
		if a := e.FindExtension(name); a != nil && a.Kind == envelope.KindUntyped {
			return true
		}
	}
	return false
}

func (s *setter) op(name string) *setOp {
	for i := range s.ops {
		if s.ops[i].name == name {
			return &s.ops[i]
		}
	}
	return nil
}

// apply makes dst the event that the route delivers. Every template sees the original.
func (s *setter) apply(dst, e *envelope.Event) error {
	e.CopyTo(dst)
	dst.Variant = s.variant
	err := s.assign(dst, e)
	if err == nil {
		err = applyTypes(dst, s.types)
	}
	if err == nil && s.sample > 1 {
		err = multiplyRate(dst, s.sample)
	}
	return bindings.Permanent(bindings.ReasonTransform, "", err)
}

// assign applies set.
func (s *setter) assign(dst, e *envelope.Event) error {
	if len(s.ops) == 0 {
		return nil // what a lenient source took stays as it came
	}
	for i := range s.ops {
		op := &s.ops[i]
		if op.value == nil {
			dst.Remove(op.name)
			continue
		}
		text, err := op.value.Append(nil, e)
		if err != nil {
			return fmt.Errorf("set %s: %w", op.name, err)
		}
		dst.Set(op.name, string(text), envelope.KindUntyped)
	}
	if err := dst.Validate(envelope.Options{Lenient: true}); err != nil {
		return fmt.Errorf("set makes an invalid event: %w", err)
	}
	return nil
}

// Change is what a matching rule makes of an event.
type Change struct {
	// Event is what the rule's sinks get: the event itself where the rule changes nothing, a changed copy otherwise.
	Event *envelope.Event
	// Key tells different changes apart: a sink gets the event once for each.
	Key string
	// SampledOut is true where the rule's sample leaves the event out; the rest is empty then.
	SampledOut bool
}

// Apply says what a rule that matched makes of an event, or why its changes cannot be applied. Commands that explain or
// test a configuration use it; it does what the running router does.
func Apply(r routing.Rule, e *envelope.Event) (Change, error) {
	if r.Sample > 1 && sampledOut(e, uint64(r.Sample)) {
		return Change{SampledOut: true}, nil
	}
	s, err := newSetter(r, map[string]*setter{})
	if err != nil {
		return Change{}, err
	}
	c := Change{Event: e, Key: SetKey(r)}
	if used := s.of(e); used != s {
		s, c.Key = used, SetKey(withoutTypes(r))
	}
	if s == nil {
		return c, nil
	}
	c.Event = new(envelope.Event)
	if err := s.apply(c.Event, e); err != nil {
		return Change{Key: c.Key}, err
	}
	return c, nil
}

// violation returns the rule that a value breaks as a value of that type, empty if it breaks none. Types are judged
// strictly: who writes one down wants it.
func violation(value string, kind envelope.Kind) string {
	probe := envelope.Event{ID: "1", Source: "/", Type: "t"}
	probe.AddExtension("x", value, kind)
	if a, ok := errors.AsType[*envelope.AttributeError](probe.Validate(envelope.Options{})); ok {
		return a.Rule
	}
	return ""
}

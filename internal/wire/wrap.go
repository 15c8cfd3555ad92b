package wire

import (
	"fmt"
	"maps"
	"slices"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

// newWrap compiles a source's wrap: what makes an event of a message that is none. It returns nil for no wrap. The
// id is the message's position at its source unless the user gives another, so that a redelivery keeps it.
func newWrap(attributes map[string]string) (func(*envelope.Event) error, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	all := map[string]string{"id": "{position}"}
	maps.Copy(all, attributes)
	type op struct {
		name string
		t    *template.Template
	}
	var ops []op
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t, err := template.Compile(all[name], template.Raw)
		if err != nil {
			return nil, bindings.Invalid("wrap."+name, "%w", err)
		}
		ops = append(ops, op{name, t})
	}
	return func(e *envelope.Event) error {
		for _, o := range ops {
			text, err := o.t.Append(nil, e)
			if err != nil {
				return fmt.Errorf("wrap %s: %w", o.name, err)
			}
			if len(text) > 0 {
				e.Set(o.name, string(text), envelope.KindUntyped)
			}
		}
		if err := e.Validate(envelope.Options{}); err != nil {
			return fmt.Errorf("wrap makes an invalid event: %w", err)
		}
		return nil
	}, nil
}

package pipeline

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// applyTypes gives untyped extensions their types. A value that has a type already keeps it.
func applyTypes(e *envelope.Event, types []routing.Typing) error {
	for i := range types {
		t := &types[i]
		a := e.FindExtension(t.Name)
		if a == nil || a.Kind != envelope.KindUntyped {
			continue
		}
		if rule := violation(a.Value, t.Kind); rule != "" {
			return fmt.Errorf("attribute_types %s: a value of the shape %q is no %s: it %s", t.Name, shape(a.Value), routing.TypeName(t.Kind), rule)
		}
		raw, format := e.Raw, e.RawFormat
		e.Set(t.Name, a.Value, t.Kind)
		if sameBytes(format, t.Kind) {
			e.Raw, e.RawFormat = raw, format
		}
	}
	return nil
}

// sameBytes reports whether a format writes a value of that type as it writes an untyped one, so that the original bytes
// go on describing the event.
func sameBytes(format envelope.Format, kind envelope.Kind) bool {
	switch format {
	case envelope.FormatJSON:
		return kind != envelope.KindBoolean && kind != envelope.KindInteger
	case envelope.FormatAvro:
		return kind != envelope.KindBoolean && kind != envelope.KindInteger && kind != envelope.KindBinary
	default:
		return false
	}
}

// maxShape bounds how much of a value's shape a message shows.
const maxShape = 24

// shape tells what a value looks like without telling what it is: letters become a, or A where they are
// capital, and digits 9: of TRUE, which is no Boolean, the case is all that is wrong. A message of it may end in a log or
// in another system's dead letters.
func shape(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxShape {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsUpper(r), unicode.IsTitle(r):
			r = 'A'
		case unicode.IsLetter(r):
			r = 'a'
		case unicode.IsDigit(r):
			r = '9'
		}
		b.WriteRune(r)
	}
	return b.String()
}

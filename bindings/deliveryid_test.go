package bindings

import (
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestDeliveryIDIsStableAndTellsDeliveriesApart(t *testing.T) {
	base := envelope.Event{Source: "/a", ID: "1"}
	same := envelope.Event{Source: "/a", ID: "1", Type: "other", Data: []byte("other")}
	if got, want := string(AppendDeliveryID(nil, "bus", &same)), string(AppendDeliveryID(nil, "bus", &base)); got != want {
		t.Errorf("got %s, want %s: only sink, source, id and variant take part", got, want)
	}
	// The literal keeps the id from changing between releases, which would defeat every duplicate window.
	if got, want := string(AppendDeliveryID([]byte("x-"), "bus", &base)), "x-9933b87616148fb936dde9e94792217c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string]string{string(AppendDeliveryID(nil, "bus", &base)): "base"}
	for name, c := range map[string]struct {
		sink string
		e    envelope.Event
	}{
		"another sink":                 {"bus2", base},
		"another id":                   {"bus", envelope.Event{Source: "/a", ID: "2"}},
		"another source":               {"bus", envelope.Event{Source: "/b", ID: "1"}},
		"another variant":              {"bus", envelope.Event{Source: "/a", ID: "1", Variant: "v"}},
		"a byte moved across a border": {"bus", envelope.Event{Source: "/a1", ID: ""}},
		"id and variant exchanged":     {"bus", envelope.Event{Source: "/a", Variant: "1"}},
	} {
		id := string(AppendDeliveryID(nil, c.sink, &c.e))
		if other, dup := seen[id]; dup {
			t.Errorf("%s has the id of %s", name, other)
		}
		if len(id) != 32 {
			t.Errorf("%s: id of %d characters", name, len(id))
		}
		seen[id] = name
	}
}

func TestDeliveryIDDoesNotAllocate(t *testing.T) {
	e := envelope.Event{Source: "https://example.com/shop", ID: "0123456789abcdef"}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { buf = AppendDeliveryID(buf[:0], "bus", &e) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

package pipeline

import (
	"testing"

	"github.com/eventrouter/router/envelope"
)

// While several keys had more to send all the time, as they do when a source is faster than a sink, the list of ready lines
// grew with every event that was sent.
func TestReadyLinesDoNotGrow(t *testing.T) {
	const keys = 10
	var ls lines
	e := &envelope.Event{}
	for key := range uint64(keys) {
		ls.open(key + 1).ds.pushBack(delivery{key: key + 1, event: e})
	}
	ls.settle()
	for i := range 100_000 {
		l := ls.takeReady()
		if want := uint64(i%keys) + 1; l == nil || l.key != want {
			t.Fatalf("turn %d: got %v, want the line of key %d", i, l, want)
		}
		l.ds.pushBack(l.ds.popFront())
		ls.settle()
	}
	if n := cap(ls.ready); n > 8*keys {
		t.Errorf("the list of %d ready lines has room for %d", ls.len(), n)
	}
}

package app

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	natsgo "github.com/nats-io/nats.go"
)

// Four events for a subject that only a core client hears made most of 81 others fail with 503: their batches waited for
// an answer that never came.
func TestEventsThatNoStreamTakesDoNotHoldOthers(t *testing.T) {
	r := start(t, `sources: { in: { http: { listen: "127.0.0.1:0", path: /, reply_timeout: 8s } } }
sinks: { store: { nats: { url: embedded, stream: S, subject: "{type}", create: { subjects: [s.>] } } } }
embedded: { store: "`+t.TempDir()+`", listen: "127.0.0.1:0" }
unmatched: drop
dead_letter: hold
routes: [{ to: store }]
admin: { listen: "127.0.0.1:0" }
`)
	nc, err := natsgo.Connect(r.in.wiring.Embedded().ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe("lost.>", func(*natsgo.Msg) {}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	codes := make([]int, 85)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			kind := "s.a"
			if i%21 == 0 && i < 84 {
				kind = fmt.Sprint("lost.", i)
			}
			codes[i], _ = r.post(fmt.Sprint(i), "x", "type", kind)
		})
	}
	wg.Wait()
	for i, code := range codes {
		want := http.StatusNoContent
		if i%21 == 0 && i < 84 {
			want = http.StatusUnprocessableEntity
		}
		if code != want {
			t.Errorf("event %d: %d, want %d", i, code, want)
		}
	}
}

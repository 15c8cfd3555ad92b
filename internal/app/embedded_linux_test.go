package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/testbroker"
)

// The router looked well to an orchestrator while the store of its embedded server took nothing, forever.
func TestFullStoreShowsAndGoesOn(t *testing.T) {
	dir, resize := testbroker.SmallDisk(t, 24)
	r := start(t, `sources: { in: { http: { listen: "127.0.0.1:0", path: /, reply_timeout: 1s } } }
sinks: { store: { nats: { url: embedded, stream: S, subject: "s.{type}", create: {} } } }
embedded: { store: "`+dir+`" }
unmatched: drop
dead_letter: hold
routes: [{ to: store }]
admin: { listen: "127.0.0.1:0" }
`)
	data := strings.Repeat("x", 256<<10)
	post := func(id string) int {
		code, _ := r.post(id, data)
		return code
	}
	taken := 0
	for ; post(fmt.Sprint(taken)) == http.StatusNoContent; taken++ {
		if taken > 200 {
			t.Fatal("the store is never full")
		}
	}
	eventually(t, "readyz names the store and its disk", func() bool {
		code, body := r.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "[-]embedded store: ") &&
			strings.Contains(body, dir) && strings.Contains(body, " free of 24MiB")
	})
	if code := post("full"); code != http.StatusServiceUnavailable {
		t.Errorf("a full store: %d, want 503", code)
	}
	if code, _ := r.get("/livez"); code != http.StatusOK {
		t.Errorf("livez %d", code)
	}
	resize(48)
	eventually(t, "the router is ready again", func() bool {
		code, _ := r.get("/readyz")
		return code == http.StatusOK
	})
	eventually(t, "events are taken", func() bool { return post("after") == http.StatusNoContent })
	t.Logf("full after %d events of 256 KiB", taken)
}

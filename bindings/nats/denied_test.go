package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/internal/testbroker"
)

// TestStreamOfAUserThatMayLittle: a user that may read the durable, and neither keep a ledger, nor reset the durable, nor
// speak to other readers, gets every event at least once, and its log says so in few lines.
func TestStreamOfAUserThatMayLittle(t *testing.T) {
	n := testbroker.NewNATS(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "p"},
			{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.STREAM.INFO.S", "$JS.API.CONSUMER.*.S.>", "$JS.API.CONSUMER.MSG.NEXT.S.>", "$JS.ACK.S.>", "$JS.ACK.*.*.S.>",
			}, Deny: []string{"$JS.API.CONSUMER.RESET.>"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}}}},
		}
	})
	js := manager(t, client(t, strings.Replace(n.URL, "//", "//admin:p@", 1)))
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
	const total = 200
	publishMany(t, js, "s.a", "e", total)
	core, logs := observer.New(zap.WarnLevel)
	cfg := SourceConfig{User: "u", Password: security.NewSecret("p"), AckWait: 3 * time.Second}
	holding := newPickySinks(func(sink bindings.SinkID, id string) bool { return sink == sinkB && strings.HasSuffix(id, "9") })
	end, _ := process(t, n, cfg, holding.emit, zap.New(core))
	eventually(t, "the rest is acknowledged", func() bool { a, u := pending(t, js, "router-in"); return a == total/10 && u == 0 })
	eventually(t, "the log says that there is no ledger", func() bool { return logs.FilterMessageSnippet("cannot be stored").Len() == 1 })
	end(true)
	holding.giveUp()
	second := newPickySinks(func(bindings.SinkID, string) bool { return false })
	end, _ = process(t, n, cfg, second.emit, zap.New(core))
	eventually(t, "the rest arrives", func() bool { a, u := pending(t, js, "router-in"); return a == 0 && u == 0 })
	end(false)
	if got := second.count(sinkB); got != total/10 {
		t.Errorf("%d events came again, want %d", got, total/10)
	}
	lines := map[string]int{}
	for _, l := range logs.All() {
		lines[l.Message]++
		t.Log(l.Message, l.ContextMap())
	}
	for message, times := range lines {
		if times > 8 {
			t.Errorf("logged %d times: %s", times, message)
		}
	}
}

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/internal/testbroker"
	"github.com/eventrouter/router/internal/testbroker/fakesqs"
)

// TestConnectTellsLimits: check --connect says what each target takes and who says so, explain goes by the defaults.
func TestConnectTellsLimits(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.CreateTopic("orders", 1, map[string]string{"max.message.bytes": "20000"}); err != nil {
		t.Fatal(err)
	}
	n := testbroker.NewNATS(t, func(o *server.Options) { o.MaxPayload = 4096 })
	q := fakesqs.New(t)
	q.CreateQueue(t, "archive", map[string]string{"MaximumMessageSize": "2048"})
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	workspace(t, map[string]string{
		"router.yaml": fmt.Sprintf(`
sources:
  in: { nats: { url: %[1]s, subjects: [in] } }
sinks:
  archive: { sqs: { queue: archive, region: %[2]s, endpoint: %[3]s } }
  bus: { nats: { url: %[1]s, subject: "out.{type}" } }
  lines: { stdout: {} }
  orders: { kafka: { brokers: ["%[4]s"], topic: orders } }
routes:
  - { name: all, to: [archive, bus, lines, orders] }
unmatched: drop
dead_letter: hold
`, n.URL, fakesqs.Region, q.URL(), k.ListenAddrs()[0]),
		"event.json": `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`,
	})
	got := command(t, "check", "--connect")
	want := `ok   sink archive  takes up to 2048 bytes (queue archive MaximumMessageSize)
ok   sink bus  takes up to 4096 bytes (max_payload of the server)
ok   sink lines
ok   sink orders  takes up to 20000 bytes (topic orders max.message.bytes)
ok   source in
ok: 1 source, 4 sinks, 1 route, 0 tests passed
`
	if got.code != 0 || got.stdout != want {
		t.Errorf("exit %d, got:\n%s%s\nwant:\n%s", got.code, got.stdout, got.stderr, want)
	}
	parts, _ := decoded(t, command(t, "--json", "check", "--connect").stdout)["parts"].([]any)
	if len(parts) != 5 || fmt.Sprint(parts[0]) != "map[limit:2048 limit_from:queue archive MaximumMessageSize ok:true part:sink archive place:router.yaml:5:12]" {
		t.Errorf("parts %v", parts)
	}
	if got := command(t, "explain", "event.json").stdout; strings.Count(got, " of 1048576 bytes") != 3 {
		t.Errorf("explain goes by other limits than the defaults:\n%s", got)
	}
}

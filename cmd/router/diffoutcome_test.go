package main

import (
	"strings"
	"testing"
)

// judged is a configuration whose sinks have opinions of events.
const judged = `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  out:  { http: { url: "https://a.example/x", headers: { authorization: "Bearer old-secret" } }, accepts: { dataclassification: [public] } }
  bare: { nats: { url: "nats://n1:4222", subject: "a.{subject}" }, dataref: drop_data }
  late: { stdout: {}, expired: drop }
routes:
  - { name: c, when: { type: c }, to: out }
  - { name: d, when: { type: d }, to: bare }
unmatched: drop
dead_letter: hold
`

// TestDiffSeesWhatSinksRefuse: with another accepts or dataref, an event was delivered that was refused before, and diff
// said that nothing moved.
func TestDiffSeesWhatSinksRefuse(t *testing.T) {
	const (
		classified = `{"specversion":"1.0","id":"1","source":"/s","type":"c","dataclassification":"secret"}`
		referred   = `{"specversion":"1.0","id":"1","source":"/s","type":"d","subject":"s","dataref":"https://d.example/1","data":{"a":1}}`
		homeless   = `{"specversion":"1.0","id":"1","source":"/s","type":"d","data":{"a":1}}`
	)
	for _, c := range []struct{ event, change, moved, move, part string }{
		{classified, "[public]|[public, secret]", "1 of 1 event moved", "out (refused: classification) -> out", "~ sink out is configured differently: accepts.dataclassification"},
		{classified, ", accepts: { dataclassification: [public] }|", "1 of 1 event moved", "out (refused: classification) -> out", "~ sink out is configured differently: accepts"},
		{classified, "[public]|[public, internal]", "0 of 1 event moved", "", "accepts.dataclassification"},
		{referred, "drop_data|forward", "1 of 1 event moved", "bare (data dropped: dataref) -> bare", "~ sink bare is configured differently: dataref"},
		{referred, "drop_data|drop_data_when_too_large", "1 of 1 event moved", "bare (data dropped: dataref) -> bare", "dataref"},
		{homeless, "a.{subject}|a.{id}", "1 of 1 event moved", "bare (refused: bad_address) -> bare", "~ sink bare is configured differently: nats.subject"},
		{homeless, "to: bare }|to: bare, set: { x: y } }", "1 of 1 event moved", `bare (refused: bad_address) -> bare {x: "y"} (refused: bad_address)`, ""},
		{classified, "expired: drop|expired: dead_letter", "0 of 1 event moved", "", "~ sink late is configured differently: expired"},
		{classified, "old-secret|new-secret", "0 of 1 event moved", "", "~ sink out is configured differently: http.headers"},
	} {
		before, after, _ := strings.Cut(c.change, "|")
		workspace(t, map[string]string{"old.yaml": judged, "new.yaml": strings.Replace(judged, before, after, 1), "event.json": c.event})
		r := command(t, "diff", "old.yaml", "new.yaml", "--events", "event.json")
		wants(t, r, c.moved, c.move, c.part)
		if strings.Contains(r.all(), "secret\"") || strings.Contains(r.all(), "new-secret") {
			t.Errorf("%s: a value is shown:\n%s", c.change, r.all())
		}
		d := decoded(t, command(t, "diff", "--json", "new.yaml", "old.yaml", "--events", "event.json").stdout)["difference"].(map[string]any)
		if (d["moved"] == 1.0) != (c.move != "") || c.part != "" && len(d["parts"].([]any)[0].(map[string]any)["keys"].([]any)) == 0 {
			t.Errorf("%s: %v", c.change, d)
		}
	}
}

// TestDiffOfASinkThatCannotBeMade: a certificate that only the router's machine has moves no events.
func TestDiffOfASinkThatCannotBeMade(t *testing.T) {
	text := strings.Replace(judged, "headers: {", "tls: { ca: none.pem }, headers: {", 1)
	workspace(t, map[string]string{
		"old.yaml": judged, "new.yaml": text, "event.json": `{"specversion":"1.0","id":"1","source":"/s","type":"c","dataclassification":"secret"}`,
	})
	for _, args := range [][]string{{"old.yaml", "new.yaml"}, {"new.yaml", "old.yaml"}} {
		r := command(t, append([]string{"diff", "--events", "event.json"}, args...)...)
		wants(t, r, "0 of 1 event moved", "~ sink out is configured differently: http.tls", "sink out: ", "none.pem", "what it would refuse is not compared")
	}
}

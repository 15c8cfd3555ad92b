package app

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/config"
)

const optIns = `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  out: { stdout: {} }
  bare: { stdout: {}, dataref: drop_data }
  queue: { sqs: { queue: q, region: eu-central-1 }, dataref: drop_data_when_too_large }
  inner: { stdout: {}, accepts: { dataclassification: [public], dataregulation: [gdpr] } }
routes:
  - { name: some, when: { type: s }, to: out, sample: 10 }
  - { name: typed, when: { type: a }, to: out, attribute_types: { seq: Integer } }
  - { name: referred, when: { type: d }, to: [bare, queue] }
  - { name: gated, when: { type: c }, to: inner }
unmatched: drop
dead_letter: drop
`

func TestSameRoutesSeesOptIns(t *testing.T) {
	load := func(text string) *config.Config {
		t.Helper()
		c, err := config.Load([]string{"c.yaml"}, config.Env{
			ReadDir:  func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
			ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for change, same := range map[string]bool{
		"sample: 10|sample: 11": false, "seq: Integer|seq: Boolean": false, "seq: Integer|sec: Integer": false, "name: some|name: some": true,
		"to: out, sample: 10|sample: 10, to: out": true, "seq: Integer|seq: INTEGER": true,
	} {
		before, after, _ := strings.Cut(change, "|")
		if got := markRoutes(load(optIns)) == markRoutes(load(strings.Replace(optIns, before, after, 1))); got != same {
			t.Errorf("%s: %t", change, got)
		}
	}
}

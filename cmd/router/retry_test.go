package main

import (
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestRetryAfterHasACapOfTheUsers: one Retry-After of a target could pause a sink for an hour, whatever retry said.
func TestRetryAfterHasACapOfTheUsers(t *testing.T) {
	cfg, err := loadDocumented(`
sinks:
  own: { stdout: {}, retry: { max: 1s, max_after: 20s } }
  other: { stdout: {}, retry: { max: 1s } }
  top: { stdout: {} }
retry: { max_after: 2m }
`)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWiring(cfg, zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for name, want := range map[string]time.Duration{"own": 20 * time.Second, "other": 5 * time.Minute, "top": 2 * time.Minute} {
		s, err := w.sink(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Retry.MaxAfter != want {
			t.Errorf("%s: got %s, want %s", name, s.Retry.MaxAfter, want)
		}
	}
}

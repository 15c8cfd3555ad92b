package wire

import (
	"io/fs"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/config"
)

// TestRetryAfterHasACapOfTheUsers: one Retry-After of a target could pause a sink for an hour, whatever retry said.
func TestRetryAfterHasACapOfTheUsers(t *testing.T) {
	const text = `sources: { in: { http: { listen: "127.0.0.1:0" } } }
sinks:
  own: { stdout: {}, retry: { max: 1s, max_after: 20s } }
  other: { stdout: {}, retry: { max: 1s } }
  top: { stdout: {} }
retry: { max_after: 2m }
routes: [{ to: [own, other, top] }]
unmatched: drop
dead_letter: hold
`
	cfg, err := config.Load([]string{"router.yaml"}, config.Env{
		ReadDir:  func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
		ReadFile: func(string) ([]byte, error) { return []byte(text), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(cfg, zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for name, want := range map[string]time.Duration{"own": 20 * time.Second, "other": 5 * time.Minute, "top": 2 * time.Minute} {
		s, err := w.Sink(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Retry.MaxAfter != want {
			t.Errorf("%s: got %s, want %s", name, s.Retry.MaxAfter, want)
		}
	}
}

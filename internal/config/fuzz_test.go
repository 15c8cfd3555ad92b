package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzLoad holds that no text makes Load panic, that what it refuses has a reason with a place, and that what stands
// in the environment is in no message, be it short or so long that messages clip it.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"testdata/bad", "testdata/good"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if text, err := os.ReadFile(folder + "/" + e.Name()); err == nil && !strings.HasPrefix(e.Name(), "alias-bomb") {
				f.Add(string(text))
			}
		}
	}
	f.Add(small)
	f.Fuzz(func(t *testing.T, text string) {
		env := memory(map[string]string{"c": text, "base": small})
		env.LookupEnv = func(name string) (string, bool) {
			return strings.Repeat("canary-secret ", len(name)), name != "UNSET"
		}
		for _, paths := range [][]string{{"c"}, {"base", "c"}} {
			c, err := Load(paths, env)
			if err != nil {
				var p *Problems
				if !errors.As(err, &p) || len(p.List) == 0 {
					t.Fatalf("got %v", err)
				}
				for _, q := range p.List {
					if q.Message == "" || q.Pos.File == "" {
						t.Errorf("%+v has no place or no message", q)
					}
					if len(q.Message)+len(q.Path) > 10_000 {
						t.Errorf("%d bytes of message at a path of %d", len(q.Message), len(q.Path))
					}
				}
				if strings.Contains(err.Error(), "canary") && !strings.Contains(text, "canary") {
					t.Errorf("shows what a variable stands for: %v", err)
				}
				continue
			}
			if c.Table == nil || strings.Contains(c.String(), "canary") && !strings.Contains(text, "canary") {
				t.Errorf("got %v", c)
			}
		}
	})
}

// BenchmarkLoad10000Routes is a large configuration: what a reload costs.
func BenchmarkLoad10000Routes(b *testing.B) {
	var text strings.Builder
	text.WriteString(strings.Replace(small, "routes: [{ to: out }]", "routes:", 1))
	for range 10_000 {
		text.WriteString("  - { when: { type: { prefix: com.acme. }, subject: a, region: [eu, us] }, to: out, set: { x: \"{type}\" } }\n")
	}
	env := memory(map[string]string{"c": text.String()})
	for b.Loop() {
		if _, err := Load([]string{"c"}, env); err != nil {
			b.Fatal(err)
		}
	}
}

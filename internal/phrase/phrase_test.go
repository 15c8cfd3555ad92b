package phrase_test

import (
	"testing"

	"github.com/eventrouter/router/internal/phrase"
)

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "event", "0 events"}, {1, "event", "1 event"}, {2, "event", "2 events"}, {1, "query", "1 query"}, {3, "query", "3 queries"},
	} {
		if got := phrase.Count(c.n, c.noun); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	if got := phrase.Names(nil); got != "none" {
		t.Errorf("got %q", got)
	}
	if got, want := phrase.Names([]string{"a", "b"}), "a, b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"abcdefgh", 0, "abcdefgh"}, {"abcdefgh", 8, "abcdefgh"}, {"abcdefgh", 5, "ab…gh"}, {"abcdefgh", 4, "a…gh"}, {"ÄÖÜäöü", 6, "ÄÖÜäöü"},
	} {
		if got := phrase.Shorten(c.text, c.most); got != c.want {
			t.Errorf("%q in %d: got %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

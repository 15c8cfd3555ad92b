package routing

import (
	"strings"
	"testing"
)

func TestClip(t *testing.T) {
	long := strings.Repeat("x", 58)
	for in, want := range map[string]string{
		"":                         "",
		long + "ab":                long + "ab",
		long + "abc":               long + "ab…",
		long + "ü":                 long + "ü",
		long + "aü":                long + "a…",
		long[:57] + "\U0001F600":   long[:57] + "…",
		long + "\xff\xff\xff":      long + "\xff\xff…",
		"\xffa" + long + "b":       "\xffa" + long + "…",
		strings.Repeat("\x80", 61): strings.Repeat("\x80", 60) + "…",
	} {
		if got := Clip(in); got != want {
			t.Errorf("Clip(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestClipMiddle holds that what is shown is the beginning and the end, and holds no half characters.
func TestClipMiddle(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abc…efg"},
		{"abcdefg", 5, "abc…fg"},
		{"abüdefg", 5, "ab…fg"},
		{"abcdeüg", 4, "ab…g"},
		{"\xff\xfe\xfd\xfc\xfb\xfa", 4, "\xff\xfe…\xfb\xfa"},
		{"\x80\x80\x80\x80\x80\x80", 4, "\x80\x80…\x80\x80"},
	} {
		if got := ClipMiddle(c.in, c.most); got != c.want {
			t.Errorf("ClipMiddle(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

// TestProblemfKeepsTheReason: an argument that is a message itself lost its end, where the reason is.
func TestProblemfKeepsTheReason(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	p := Problemf(Pos{}, "p", "%s", `template "`+long+`": the reason`)
	if !strings.HasPrefix(p.Message, `template "xxx`) || !strings.HasSuffix(p.Message, `xxx": the reason`) || len(p.Message) > maxMessage+3 {
		t.Errorf("%d bytes: %s", len(p.Message), p.Message)
	}
	p = Problemf(Pos{}, "p", "%q is %d and %q", long, 5, "short")
	if !strings.HasSuffix(p.Message, `x" is 5 and "short"`) || len(p.Message) > maxMessage {
		t.Errorf("%d bytes: %s", len(p.Message), p.Message)
	}
}

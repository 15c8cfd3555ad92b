package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain, Grüße, 日本, 👩‍🚀\tx\n": "plain, Grüße, 日本, 👩‍🚀\tx\n",
		"\x1b[2J\a\r\x7f\u009b":      `\u001b[2J\u0007\u000d\u007f\u009b`,
		"a\u202eb\u2066c\u200f":      `a\u202eb\u2066c\u200f`,
		"\u061c\u2028\ufeff\u200b":   `\u061c\u2028\ufeff\u200b`,
		"\U000e0041":                 `\udb40\udc41`,
		"a\xff\x9bb\ufffd":           "a\ufffd\ufffdb\ufffd",
		"":                           "",
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestEveryDirectionIsHidden holds the characters by their number, and that letters are not among them.
func TestEveryDirectionIsHidden(t *testing.T) {
	hidden := []rune{0, 8, '\v', '\f', '\r', 0x1b, 0x7f, 0x80, 0x9b, 0x9f, 0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069}
	for _, r := range hidden {
		if !Hidden(r) {
			t.Errorf("U+%04X is shown", r)
		}
	}
	for r := rune(' '); r <= unicode.MaxRune; r++ {
		if unicode.IsPrint(r) && Hidden(r) {
			t.Errorf("U+%04X can be seen and is hidden", r)
		}
	}
}

// TestJSONStaysTheSame holds that an event on a terminal is the event.
func TestJSONStaysTheSame(t *testing.T) {
	const text = "{\"a\":\"x\u202ey\u009b\U000e0041\\u001b\"}"
	var want, got map[string]string
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(Visible(text)), &got); err != nil || got["a"] != want["a"] || Visible(text) == text {
		t.Errorf("%s: got %q, want %q, %v", Visible(text), got, want, err)
	}
}

// TestWriterInPieces writes every split of a text, and lets only marked sequences through.
func TestWriterInPieces(t *testing.T) {
	const mark, text, want = "\U000f1234", "\U000f1234\x1b[1mbold\x1b[0m\U000f1234\x1b[0m ü\u202e\U000e0041\xff.", "\x1b[1mbold\\u001b[0m\x1b[0m ü\\u202e\\udb40\\udc41\ufffd."
	for i := range len(text) {
		for _, cut := range [][]string{{text[:i], text[i:]}, strings.Split(text, "")} {
			var out bytes.Buffer
			w := NewWriter(&out, mark)
			for _, piece := range cut {
				if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := out.String(); got != want {
				t.Errorf("%q: got %q, want %q", cut, got, want)
			}
		}
	}
	var out bytes.Buffer
	w := NewWriter(&out, "")
	if _, err := w.Write([]byte("\x1b[1m\xe2\x80")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil || out.String() != "\\u001b[1m\ufffd\ufffd" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

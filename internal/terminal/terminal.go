// Package terminal shows text from elsewhere without obeying it. Configurations, events and peers may hold escape sequences,
// which move the cursor, and characters that hide or turn round what stands beside them, such as U+202E.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Hidden reports whether a character is not to reach a terminal: controls other than line feed and tab, what changes the
// direction of text, and what is not seen at all. The joiners of words and emoji are not among them.
func Hidden(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
		return true
	}
	return r == 0x200b || r == 0x2028 || r == 0x2029 || r >= 0x2060 && r <= 0x2064 || r == 0xfeff || r >= 0xe0000 && r <= 0xe007f
}

// Visible returns a text with what is hidden written out, as in JSON: \u202e. What is no UTF-8 becomes U+FFFD. JSON stays
// the same JSON.
func Visible(s string) string {
	if !strings.ContainsFunc(s, suspect) {
		return s
	}
	return string(appendVisible(nil, s))
}

// suspect reports whether a character may have to be written out.
func suspect(r rune) bool { return r == utf8.RuneError || Hidden(r) }

func appendVisible(dst []byte, s string) []byte {
	for _, r := range s { // of bytes that are no UTF-8, each is a U+FFFD
		dst = appendRune(dst, r)
	}
	return dst
}

func appendRune(dst []byte, r rune) []byte {
	switch {
	case !Hidden(r):
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// Writer passes text on as Visible shows it. It is safe for concurrent use.
type Writer struct {
	w io.Writer
	// mark is what stands before an escape sequence that is meant; empty if none is.
	mark string

	mu sync.Mutex // guards what follows
	// rest is the beginning of a character that the next Write completes.
	rest []byte
	out  []byte
}

// NewWriter returns a Writer to w. Escape sequences pass after the mark, which is itself left out; text from elsewhere must
// not know it. With an empty mark none pass.
func NewWriter(w io.Writer, mark string) *Writer { return &Writer{w: w, mark: mark} }

// Unwrap returns what the Writer writes to.
func (w *Writer) Unwrap() io.Writer { return w.w }

// Write writes p with what is hidden written out. A character that is not complete waits for the next Write, or for Flush.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(w.rest, p...)
	}
	whole := len(text) - w.incomplete(text)
	w.out = w.out[:0]
	w.pass(string(text[:whole]))
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.w.Write(w.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is left of a character that never came.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) == 0 {
		return nil
	}
	w.out = w.out[:0]
	w.pass(string(w.rest))
	w.rest = nil
	_, err := w.w.Write(w.out)
	return err
}

// pass appends a text to what is written.
func (w *Writer) pass(s string) {
	for s != "" && w.mark != "" {
		before, after, marked := strings.Cut(s, w.mark)
		w.out = appendVisible(w.out, before)
		if !marked {
			return
		}
		if strings.HasPrefix(after, "\x1b") { // the mark says that it is meant
			w.out, after = append(w.out, '\x1b'), after[1:]
		}
		s = after
	}
	w.out = appendVisible(w.out, s)
}

// incomplete returns how many bytes at the end of p begin a character that may go on, or are the mark of what follows.
func (w *Writer) incomplete(p []byte) int {
	if w.mark != "" && strings.HasSuffix(string(p[max(0, len(p)-len(w.mark)):]), w.mark) {
		return len(w.mark)
	}
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if tail := p[len(p)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

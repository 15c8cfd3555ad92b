package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/terminal"
)

// writeJSON writes v as indented JSON to standard output.
func (a *cli) writeJSON(v any) {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the reader is gone if this fails
}

// jsonProblem is a problem as --json shows it.
type jsonProblem struct {
	File        string `json:"file,omitempty"`
	Line        int    `json:"line,omitempty"`
	Column      int    `json:"column,omitempty"`
	Path        string `json:"path,omitempty"`
	Message     string `json:"message"`
	Environment bool   `json:"environment,omitempty"`
}

func problemList(problems []config.Problem) []jsonProblem {
	list := make([]jsonProblem, 0, len(problems))
	for _, p := range problems {
		list = append(list, jsonProblem{p.Pos.File, p.Pos.Line, p.Pos.Column, p.Path, p.Message, p.Environment})
	}
	return list
}

// style colours a terminal's output; it leaves text alone elsewhere and where NO_COLOR is set.
type style struct {
	on bool
	// mark stands before every sequence, so that the output tells it from one that came from elsewhere.
	mark string
}

func styleFor(w io.Writer) style {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	s := style{on: terminal.Is(w)}
	if o, ok := w.(*output); ok {
		s.mark = o.mark
	}
	return s
}

// output passes on what a command reports, with nothing in it that a terminal would obey but the command's own colours. It
// keeps the first error: a report that did not arrive is no success.
type output struct {
	*terminal.Writer
	mark string
	err  error
}

// firstMark is where the characters for private use begin of which one is the mark of a run: nobody can guess it.
const firstMark = 0xf0000

func newOutput(w io.Writer) *output {
	mark := string(rune(firstMark + rand.N(0xfffe)))
	return &output{Writer: terminal.NewWriter(w, mark), mark: mark}
}

// Write passes p on. After an error it writes no more.
func (o *output) Write(p []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	n, o.err = o.Writer.Write(p)
	return n, o.err
}

// outcome adds to the outcome of a command that its report was lost.
func (o *output) outcome(err error) error {
	if lost := o.Flush(); o.err == nil {
		o.err = lost
	}
	var coded *exit.Error
	switch errors.As(err, &coded); {
	case o.err == nil:
		return err
	case err == nil || errors.Is(err, o.err):
		return &exit.Error{Code: exit.Failed, Err: o.err}
	case coded != nil && coded.Silent: // what it reported is what was lost
		return &exit.Error{Code: coded.Code, Err: o.err}
	}
	return err
}

// events is where a stdout sink writes to: standard output itself, whose errors the sink tells and mends. A terminal gets
// JSON that means the same and holds nothing that it would obey.
func (a *cli) events() io.Writer {
	w := terminal.Bare(a.stdout)
	if terminal.Is(w) {
		return terminal.NewWriter(w, "")
	}
	return w
}

// heedClosedPipes makes a closed pipe an error of the write. Otherwise it ends the process, which is what a command should
// do that only reports. A stdout sink of a router that runs must see the error, to know that its events were not delivered.
func heedClosedPipes() { signal.Ignore(syscall.SIGPIPE) }

func (s style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return s.mark + "\x1b[" + code + "m" + text + s.mark + "\x1b[0m"
}

// printer writes lines that fit the terminal, and lines as they are elsewhere.
type printer struct {
	style
	w io.Writer
	// width is that of the terminal in characters, 0 where lines may have any length.
	width int
}

// printer returns what writes to standard output.
func (a *cli) printer() *printer {
	p := &printer{style: styleFor(a.stdout), w: a.stdout, width: a.width}
	if f, ok := terminal.Bare(a.stdout).(*os.File); ok && p.width == 0 && term.IsTerminal(int(f.Fd())) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			p.width = max(width, minWidth)
		}
	}
	return p
}

// minWidth is the narrowest terminal that lines are fitted to.
const minWidth = 40

// most is how long a single value may be, 0 for no limit.
func (p *printer) most() int { return p.width * 3 / 5 }

// line writes a line behind an indent. What does not fit goes on below, a little further to the right.
func (p *printer) line(indent int, format string, args ...any) {
	text := strings.Repeat(" ", indent) + fmt.Sprintf(format, args...)
	for _, line := range wrap(text, p.width, indent+4) {
		fmt.Fprintln(p.w, line)
	}
}

// wrap breaks a line at spaces so that none has more than width visible characters, or anywhere where there is no
// space. What follows the first line begins at hang. A width of 0 leaves the line alone.
func wrap(text string, width, hang int) []string {
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	for visible(text) > width {
		cut, space := breakAt(text, width)
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		if space {
			text = strings.TrimLeft(text[cut:], " ")
		} else {
			text = text[cut:]
		}
		text = strings.Repeat(" ", min(hang, width/2)) + text
	}
	return append(lines, text)
}

// breakAt returns where to break a line that is too long: at its last space within the width, behind the indent, and
// otherwise at the width.
func breakAt(text string, width int) (cut int, space bool) {
	seen, last, indent := 0, 0, true
	for i := 0; i < len(text); {
		if n := escape(text[i:]); n > 0 {
			i += n
			continue
		}
		_, n := utf8.DecodeRuneInString(text[i:])
		if text[i] == ' ' {
			if !indent {
				last = i
			}
		} else {
			indent = false
		}
		if seen == width {
			if last > 0 {
				return last, true
			}
			return i, false
		}
		seen++
		i += n
	}
	return len(text), false
}

// visible is how many characters of a text a terminal shows.
func visible(text string) int {
	n := 0
	for i := 0; i < len(text); {
		if e := escape(text[i:]); e > 0 {
			i += e
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		n++
	}
	return n
}

// escape is the length of the colour that a text begins with, its mark included, 0 if it begins with none.
func escape(text string) int {
	mark := 0
	if r, n := utf8.DecodeRuneInString(text); r >= firstMark {
		mark = n
	}
	if !strings.HasPrefix(text[mark:], "\x1b[") {
		return 0
	}
	return strings.IndexByte(text, 'm') + 1
}

func (s style) good(text string) string { return s.paint("32", text) }
func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) dim(text string) string  { return s.paint("2", text) }
func (s style) bold(text string) string { return s.paint("1", text) }

package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Is reports whether what a writer writes to in the end is a terminal.
func Is(w io.Writer) bool {
	f, ok := Bare(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Bare returns what a writer that wraps others writes to in the end.
func Bare(w io.Writer) io.Writer {
	for {
		inner, ok := w.(interface{ Unwrap() io.Writer })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}

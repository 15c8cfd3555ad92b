package main

import (
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/eventrouter/router/internal/config"
)

// writeJSON writes v as indented JSON to standard output.
func (a *app) writeJSON(v any) {
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
type style struct{ on bool }

func styleFor(w io.Writer) style {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return style{}
	}
	return style{isTerminal(w)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (s style) paint(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) good(text string) string { return s.paint("32", text) }
func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) dim(text string) string  { return s.paint("2", text) }
func (s style) bold(text string) string { return s.paint("1", text) }

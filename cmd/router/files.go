package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/sample"
)

// errNoName is for events whose file has an empty name, as an unset variable gives it.
var errNoName = &exit.Error{Code: exit.Config, Err: errors.New("the name of a file with events is empty; - is standard input")}

// readText reads a file, or standard input for "-".
func (a *cli) readText(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(a.stdin, sample.MaxInput+1))
	}
	return sample.Input(path)
}

// readEvents reads events of any shape from a file, from every file with events in a folder, or from standard input
// for "-".
func (a *cli) readEvents(path string) ([]sample.Event, error) {
	if path == "" {
		return nil, errNoName
	}
	files := []string{path}
	if path != "-" {
		files = sample.Files(path, os.ReadDir)
		defer a.progress("reading events", 0).end() // not of standard input, which may be typed
	}
	if files == nil {
		return nil, &exit.Error{Code: exit.Environment, Err: fmt.Errorf("%s: the folder holds no file with events (%s)",
			path, strings.Join(sample.Extensions(), ", "))}
	}
	var all []sample.Event
	for _, file := range files {
		text, err := a.readText(file)
		if err != nil {
			return nil, &exit.Error{Code: exit.Environment, Err: err}
		}
		events, err := parseEvents(file, text)
		if err != nil {
			return nil, &exit.Error{Code: exit.Failed, Err: err}
		}
		if file == path { // the user knows the name of the only file
			for i := range events {
				events[i].Where = strings.TrimPrefix(events[i].Where, filepath.Base(file))
			}
		}
		all = append(all, events...)
	}
	if len(all) == 0 {
		return nil, &exit.Error{Code: exit.Failed, Err: fmt.Errorf("no events in %s", inputName(path))}
	}
	return all, nil
}

// inputName is what a path of events is called.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

// parseEvents reads the events of one text. The error names all lines that are wrong.
func parseEvents(file string, text []byte) ([]sample.Event, error) {
	if len(text) > sample.MaxInput {
		return nil, fmt.Errorf("%s: larger than %d MiB", file, sample.MaxInput>>20)
	}
	events, err := sample.ReadFile(file, text, envelope.Options{})
	var lines []error
	for _, bad := range sample.LineErrors(err) {
		lines = append(lines, fmt.Errorf("%s:%d: %w", file, bad.Line, bad.Err))
	}
	return events, errors.Join(lines...)
}

package sample

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// Extensions returns how the names of files with events end: .json is an event, a batch or an event per line, .jsonl
// and .ndjson are an event per line, and .http is a raw HTTP request.
func Extensions() []string { return []string{".json", ".jsonl", ".ndjson", ".http"} }

// Files returns path itself, or the files with events in the folder that it is, by name; none if the folder has none.
// The caller says how folders are read.
func Files(path string, readDir func(string) ([]fs.DirEntry, error)) []string {
	entries, err := readDir(path)
	if err != nil { // not a folder; if it is nothing at all, reading it says so
		return []string{path}
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() && slices.Contains(Extensions(), filepath.Ext(name)) && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files
}

// ReadFile reads the events of a file's text: as its name says where the name says it, and otherwise as Read does. The
// Where of each event begins with the file's base name.
func ReadFile(name string, text []byte, o envelope.Options) ([]Event, error) {
	read := Read
	if ext := filepath.Ext(name); ext == ".jsonl" || ext == ".ndjson" {
		read = ReadLines
	}
	events, err := read(text, o)
	for i := range events {
		events[i].Where = filepath.Base(name) + events[i].Where
	}
	return events, err
}

// LineErrors takes an error of this package apart into the lines it is about; an error that is about no line in
// particular is about the first.
func LineErrors(err error) []*LineError {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*LineError
		for _, one := range joined.Unwrap() {
			all = append(all, LineErrors(one)...)
		}
		return all
	}
	if line, ok := errors.AsType[*LineError](err); ok {
		return []*LineError{line}
	}
	return []*LineError{{Line: 1, Err: err}}
}

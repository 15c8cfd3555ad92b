package main

import (
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/routing"
)

const (
	// inlineName is the name of a sink that was given on the command line, inlineFile that of its argument.
	inlineName = "target"
	inlineFile = "--sink"
	// inlineHead is what a configuration must state besides; nothing of it is used.
	inlineHead = "x-send: true\nsources: { none: { http: { listen: '127.0.0.1:0', path: / } } }\n" +
		"unmatched: drop\ndead_letter: drop\nroutes: [ { to: drop } ]\n" +
		"sinks:\n  " + inlineName + ":\n"
	inlineIndent = "    "
)

// inlineSink returns a configuration that has the sink of an argument.
func (a *cli) inlineSink(argument string) (*config.Config, error) {
	text := inlineHead + inlineIndent + strings.ReplaceAll(strings.TrimRight(argument, " \t\n"), "\n", "\n"+inlineIndent)
	cfg, err := config.Load([]string{inlineFile}, config.Env{
		LookupEnv: a.env.LookupEnv,
		ReadDir:   func(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid },
		ReadFile: func(name string) ([]byte, error) {
			if name == inlineFile {
				return []byte(text), nil
			}
			return security.ReadFile(name, sample.MaxInput)
		},
	})
	return cfg, inArgument(err)
}

// inlineError is an error of an inline sink that is no list of problems.
type inlineError struct{ error }

func (e inlineError) Error() string { return movePlaces(e.error.Error()) }

func (e inlineError) Unwrap() error { return e.error }

// inArgument gives an error of an inline sink the places that it has in the argument.
func inArgument(err error) error {
	problems := new(config.Problems)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &problems):
		return inlineError{err}
	}
	for _, list := range [][]config.Problem{problems.List, problems.Warnings} {
		for i := range list {
			p := &list[i]
			if p.Pos.File == inlineFile {
				p.Pos = placeInArgument(p.Pos)
			}
			p.Message = movePlaces(p.Message)
			p.Path = strings.TrimPrefix(strings.TrimPrefix(p.Path, "sinks."+inlineName), ".")
		}
	}
	return problems
}

func placeInArgument(p routing.Pos) routing.Pos {
	p.Line, p.Column = p.Line-strings.Count(inlineHead, "\n"), max(1, p.Column-len(inlineIndent))
	if p.Line < 1 { // there is nothing in the argument
		p.Line, p.Column = 1, 1
	}
	return p
}

var inlinePlace = regexp.MustCompile(inlineFile + `:(\d+):(\d+)`)

// movePlaces gives what a message says of other places those of the argument.
func movePlaces(message string) string {
	return inlinePlace.ReplaceAllStringFunc(message, func(place string) string {
		parts := inlinePlace.FindStringSubmatch(place)
		line, _ := strconv.Atoi(parts[1]) // digits alone, so that it is 0 at worst
		column, _ := strconv.Atoi(parts[2])
		return placeInArgument(routing.Pos{File: inlineFile, Line: line, Column: column}).String()
	})
}

// Package exit says with which code the program ends: errors carry their code from where they are found to main.
package exit

import (
	"errors"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
)

// The exit codes.
const (
	Fine        = 0
	Failed      = 1 // failed while running, or a check that was asked for did not pass
	Config      = 2 // the configuration or the command line is wrong
	Environment = 3 // something the configuration names is unreachable, refused or missing
)

// Error is an error with the exit code it leads to. Silent ones were reported already.
type Error struct {
	Code   int
	Err    error
	Silent bool
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error without its code.
func (e *Error) Unwrap() error { return e.Err }

// OfConfig gives an error of loading or wiring its exit code.
func OfConfig(err error) error {
	return &Error{Code: CodeOfConfig(err), Err: err}
}

// CodeOfConfig is the exit code that an error of loading or wiring leads to.
func CodeOfConfig(err error) int {
	code := Config
	var problems *config.Problems
	var field *bindings.FieldError
	switch {
	case errors.As(err, &problems):
		if problems.Environment() {
			code = Environment
		}
	case errors.As(err, &field) && field.Environment:
		code = Environment
	}
	return code
}

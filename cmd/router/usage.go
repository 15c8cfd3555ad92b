package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/routing"
)

// wantsArgs refuses any other number of arguments than n, and says what they are.
func wantsArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usageError(cmd, what, args)
	}
}

// wantsSome refuses to go without arguments, and says what they are.
func wantsSome(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return usageError(cmd, what, args)
	}
}

// wantsCommand refuses a command that there is not, and says which one was meant or where they are listed.
func wantsCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var all []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	if s := routing.Suggest(args[0], all); s != "" {
		return fmt.Errorf("unknown command %q; did you mean %s?", args[0], s)
	}
	return fmt.Errorf("unknown command %q; %s --help lists the commands", args[0], cmd.Name())
}

// wantsNone refuses arguments. A file among them is probably a configuration.
func wantsNone(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what := "no arguments"
	if cmd.Flags().Lookup("config") != nil {
		what = "no arguments; -c names the configuration"
	}
	return usageError(cmd, what, args)
}

func usageError(cmd *cobra.Command, what string, args []string) error {
	got := "none"
	if len(args) > 0 {
		got = fmt.Sprintf("%s, %q", phrase.Count(len(args), "argument"), args)
	}
	return fmt.Errorf("%s takes %s; got %s\nusage: %s", cmd.Name(), what, got, cmd.UseLine())
}

// flagError adds to the error of a flag that a command does not have the one that was meant, or where they are listed.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[unknownFlag](err)
	if !ok {
		return err
	}
	if s := routing.Suggest(unknown.GetSpecifiedName(), flagNames(cmd)); s != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, s)
	}
	return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
}

// unknownFlag is what the error of a flag that does not exist offers.
type unknownFlag interface {
	error
	GetSpecifiedName() string
	GetSpecifiedShortnames() string
}

// flagNames lists the flags of a command, as its usage has them: one at the start of each line, behind its letter.
func flagNames(cmd *cobra.Command) []string {
	var all []string
	for line := range strings.Lines(cmd.Flags().FlagUsages()) {
		_, rest, _ := strings.Cut(line, "--")
		name, _, _ := strings.Cut(rest, " ")
		if cmd.Flags().Lookup(name) != nil { // not a word of a description that goes on
			all = append(all, name)
		}
	}
	return all
}

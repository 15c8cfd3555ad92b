package main

import (
	"testing"

	"github.com/eventrouter/router/internal/exit"
)

// TestWrongCommandLinesSayWhatIsRight: a misspelt flag got no suggestion, and a wrong number of arguments a count.
func TestWrongCommandLinesSayWhatIsRight(t *testing.T) {
	workspace(t, map[string]string{"router.yaml": shop, "a.json": paidEvent, "b.json": paidEvent})
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"check", "--conect"}, []string{"unknown flag: --conect; did you mean --connect?"}},
		{[]string{"check", "--jsn"}, []string{"did you mean --json?"}},
		{[]string{"run", "--confg", "x"}, []string{"did you mean --config?"}},
		{[]string{"diff", "--fail-on-chnage", "a", "b"}, []string{"did you mean --fail-on-change?"}},
		{[]string{"check", "--zzz"}, []string{"unknown flag: --zzz; router check --help lists the flags"}},
		{[]string{"lint", "-c", "router.yaml"}, []string{"-c; router lint --help lists the flags"}},
		{[]string{"explain"}, []string{"explain takes one file or folder with events, or - for standard input; got none", "usage: router explain EVENT [flags]"}},
		{[]string{"explain", "a.json", "b.json"}, []string{`got 2 arguments, ["a.json" "b.json"]`}},
		{[]string{"diff", "router.yaml"}, []string{`diff takes two configurations: the old one and the new one; got 1 argument, ["router.yaml"]`, "usage: router diff OLD NEW [flags]"}},
		{[]string{"lint"}, []string{"lint takes files with events, or - for standard input; got none"}},
		{[]string{"check", "router.yaml"}, []string{`check takes no arguments; -c names the configuration; got 1 argument, ["router.yaml"]`}},
		{[]string{"version", "x"}, []string{"version takes no arguments; got 1 argument"}},
		// A misspelt command got no suggestion, and an empty name an error that named nothing.
		{[]string{"chekc"}, []string{`unknown command "chekc"; did you mean check?`}},
		{[]string{"explian", "a.json"}, []string{"did you mean explain?"}},
		{[]string{"zzz"}, []string{`unknown command "zzz"; router --help lists the commands`}},
		{[]string{"check", "-c", ""}, []string{"the name of the configuration is empty; it is a file or a folder"}},
		{[]string{"run", "-c", ""}, []string{"the name of the configuration is empty"}},
		{[]string{"diff", "", "router.yaml"}, []string{"the name of the configuration is empty"}},
		{[]string{"explain", ""}, []string{"the name of a file with events is empty; - is standard input"}},
		{[]string{"lint", ""}, []string{"the name of a file with events is empty"}},
		// An attribute that cannot be is a wrong command line, which was a failed command.
		{[]string{"send", "--to", "screen", "--type", "t", "--attribute", "Foo=1"}, []string{"send: Foo: is not an attribute name"}},
		{[]string{"send", "--to", "screen", "--type", "t", "--attribute", "time=yesterday"}, []string{"send: time: "}},
	} {
		r := command(t, c.args...)
		if r.code != exit.Config {
			t.Errorf("%v: exit %d, want %d", c.args, r.code, exit.Config)
		}
		wants(t, r, c.want...)
	}
}

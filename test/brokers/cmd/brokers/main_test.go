package main

import (
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args    string
		only    []string
		command []string
		err     string
	}{
		{"", []string{"kafka", "sqs", "nats"}, nil, ""},
		{"-only nats,sqs", []string{"nats", "sqs"}, nil, ""},
		{"-only nats -- go test -v", []string{"nats"}, []string{"go", "test", "-v"}, ""},
		{"-only rabbit", nil, nil, `"rabbit" is none of kafka, sqs, nats`},
	} {
		var o options
		err := o.parse(strings.Fields(c.args))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.args, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(o.only, c.only) || !slices.Equal(o.command, c.command) {
			t.Errorf("%s: %v %q %q", c.args, err, o.only, o.command)
		}
	}
}

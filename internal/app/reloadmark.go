package app

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
)

// routesMark tells what routes do, and what tests ask of them, from what others do. A running router keeps it instead of
// the rules it was made of.
type routesMark struct {
	count int
	sum   [sha256.Size]byte
}

// markRoutes marks the routes, the policy and the tests of a configuration. Where in the files they stand does not matter.
// The tests belong to it because a file with a test that fails is one that the router would not start with.
func markRoutes(cfg *config.Config) routesMark {
	h := sha256.New()
	fmt.Fprintf(h, "%q", cfg.Unmatched) // a hash takes all that is written to it
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		fmt.Fprintf(h, "%q %q %q %q %t %t %t %q\n",
			r.Name, r.When, r.From, r.To, r.Stop, r.Drop, r.RewriteSource, pipeline.SetKey(*r))
	}
	for i := range cfg.Tests {
		markTest(h, &cfg.Tests[i])
	}
	return routesMark{len(cfg.Rules), [sha256.Size]byte(h.Sum(nil))}
}

// markTest marks what a test expects and the events it expects it of. An empty list expects that there is none, and an
// absent one nothing.
func markTest(h io.Writer, t *config.Test) {
	fmt.Fprintf(h, "test %q %q %t %q %t %q %t %q\n",
		t.Name, t.From, t.GoesTo != nil, t.GoesTo, t.Routes != nil, t.Routes, t.Unmatched, t.DeadLetter)
	for _, x := range t.Expect {
		fmt.Fprintf(h, "set %q %q %t\n", x.Name, x.Value, x.Absent)
	}
	for _, x := range t.Rendered {
		fmt.Fprintf(h, "renders %q %q %q\n", x.Sink, x.Field, x.Value)
	}
	for _, s := range t.Samples {
		fmt.Fprintf(h, "event %q %q", s.Name, envelope.AppendJSON(nil, s.Event))
		for i := range s.Event.NumExtensions() { // text and what has no type yet look the same in JSON
			fmt.Fprintf(h, " %d", s.Event.Extension(i).Kind)
		}
		fmt.Fprintln(h)
	}
}

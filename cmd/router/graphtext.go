package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/internal/phrase"
)

// mostDetail is how much of a condition a picture shows.
const mostDetail = 120

// mermaid writes a flowchart. Names of nodes are numbered, since Mermaid takes words such as end for its own.
func mermaid(w io.Writer, g *judge.Graph) error {
	out := &errorWriter{w: w}
	out.printf("flowchart LR\n")
	ids := map[string]string{}
	for i, n := range g.Nodes {
		ids[n.ID] = fmt.Sprintf("n%d", i)
		label := mermaidText(n.Name)
		if n.Detail != "" {
			label += "<br/>" + mermaidText(phrase.Shorten(n.Detail, mostDetail))
		}
		shape := map[string][2]string{
			"source": {"([", "])"}, "sink": {"[(", ")]"}, "route": {"[", "]"}, "policy": {"{{", "}}"}, "unmatched": {"[", "]"}, "any": {"((", "))"},
		}[n.Kind]
		out.printf("  n%d%s\"%s\"%s\n", i, shape[0], label, shape[1])
	}
	for _, e := range g.Edges {
		arrow := "-->"
		switch {
		case e.Kind == "dead_letter":
			arrow = "-. dead letter .->"
		case e.Kind == "unmatched" || e.To == "unmatched":
			arrow = "-.->"
		case e.Label != "":
			arrow = `-- "` + mermaidText(e.Label) + `" -->`
		}
		out.printf("  %s %s %s\n", ids[e.From], arrow, ids[e.To])
	}
	return out.err
}

// mermaidText escapes a text for a quoted label.
func mermaidText(s string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;", "\n", " ").Replace(s)
}

// dot writes a Graphviz graph.
func dot(w io.Writer, g *judge.Graph) error {
	out := &errorWriter{w: w}
	out.printf("digraph router {\n  rankdir=LR;\n  node [fontname=\"Helvetica\"];\n")
	for _, n := range g.Nodes {
		label := dotText(n.Name)
		if n.Detail != "" {
			label += `\n` + dotText(phrase.Shorten(n.Detail, mostDetail))
		}
		shape := map[string]string{
			"source": "ellipse", "sink": "cylinder", "route": "box", "policy": "hexagon", "unmatched": "box", "any": "circle",
		}[n.Kind]
		out.printf("  \"%s\" [label=\"%s\", shape=%s];\n", dotText(n.ID), label, shape)
	}
	for _, e := range g.Edges {
		attributes := ""
		switch {
		case e.Kind == "dead_letter":
			attributes = ` [style=dotted, label="dead letter"]`
		case e.Kind == "unmatched" || e.To == "unmatched":
			attributes = " [style=dashed]"
		case e.Label != "":
			attributes = fmt.Sprintf(" [label=\"%s\"]", dotText(e.Label))
		}
		out.printf("  \"%s\" -> \"%s\"%s;\n", dotText(e.From), dotText(e.To), attributes)
	}
	out.printf("}\n")
	return out.err
}

// dotText escapes a text for a quoted string.
func dotText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s)
}

// errorWriter keeps the first error, so that a picture is written without a check after every line.
type errorWriter struct {
	w   io.Writer
	err error
}

func (w *errorWriter) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format, args...)
	}
}

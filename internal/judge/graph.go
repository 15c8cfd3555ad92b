package judge

import (
	"fmt"
	"strings"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/routing"
)

// GraphNode is a source, a route, a sink or a policy.
type GraphNode struct {
	ID string `json:"id"`
	// Kind is source, any (every source), route, unmatched, sink or policy.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Detail is the transport of a source or sink, and the condition of a route.
	Detail string `json:"detail,omitempty"`
}

// GraphEdge leads from a node to another one.
type GraphEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Kind is listens, delivers, unmatched or dead_letter.
	Kind  string `json:"kind"`
	Label string `json:"label,omitempty"`
}

// Graph is a configuration as a picture has it.
type Graph struct {
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`

	known map[string]bool
}

// NewGraph draws a configuration: what comes in on the left, what goes out on the right.
func NewGraph(cfg *config.Config) *Graph {
	g := &Graph{Nodes: []GraphNode{}, Edges: []GraphEdge{}, known: map[string]bool{}}
	for _, name := range cfg.SourceNames() {
		g.node("source-"+name, "source", name, cfg.SourceKind(name))
	}
	everywhere := g.everySource(cfg)
	for i := range cfg.Rules {
		g.route(&cfg.Rules[i], everywhere, func(text string) string { return cfg.AsWritten(config.RoutePath(i), text) })
	}
	g.node("unmatched", "unmatched", "unmatched", "no route matches")
	for _, from := range everywhere {
		g.edge(from, "unmatched", "listens", "")
	}
	switch cfg.Unmatched {
	case "drop", "reject":
		g.edge("unmatched", g.policy(cfg.Unmatched), "unmatched", "")
	case "dead_letter":
		g.edge("unmatched", g.deadLetter(cfg, cfg.DeadLetter), "unmatched", "")
	default:
		g.edge("unmatched", "sink-"+cfg.Unmatched, "unmatched", "")
	}
	for _, name := range cfg.SinkNames() {
		g.node("sink-"+name, "sink", name, cfg.SinkKind(name))
	}
	g.deadLetters(cfg)
	return g
}

func (g *Graph) node(id, kind, name, detail string) {
	if !g.known[id] {
		g.known[id] = true
		g.Nodes = append(g.Nodes, GraphNode{id, kind, name, detail})
	}
}

func (g *Graph) edge(from, to, kind, label string) {
	g.Edges = append(g.Edges, GraphEdge{from, to, kind, label})
}

// policy returns the node of drop, hold or reject.
func (g *Graph) policy(word string) string {
	g.node("policy-"+word, "policy", word, "")
	return "policy-" + word
}

// everySource returns the node that stands for every source: the only one, or one that all lead to, so that a route
// without from needs no line from each.
func (g *Graph) everySource(cfg *config.Config) []string {
	sources := cfg.SourceNames()
	if len(sources) == 1 {
		return []string{"source-" + sources[0]}
	}
	g.node("any", "any", "every source", "")
	for _, name := range sources {
		g.edge("source-"+name, "any", "listens", "")
	}
	return []string{"any"}
}

func (g *Graph) route(r *routing.Rule, everywhere []string, shown func(string) string) {
	id := "route-" + r.Name
	detail := "every event"
	if r.When != nil {
		detail = shown(r.When.String())
	}
	if r.Stop {
		detail += "; stops"
	}
	g.node(id, "route", r.Name, detail)
	from := everywhere
	if r.From != nil {
		from = nil
		for _, name := range r.From {
			from = append(from, "source-"+name)
		}
	}
	for _, f := range from {
		g.edge(f, id, "listens", "")
	}
	label := changesLabel(r)
	if r.Drop {
		g.edge(id, g.policy("drop"), "delivers", label)
	}
	for _, sink := range r.To {
		g.edge(id, "sink-"+sink, "delivers", label)
	}
}

// changesLabel says what a route does to what it delivers.
func changesLabel(r *routing.Rule) string {
	var set, types, parts []string
	for _, a := range r.Set {
		set = append(set, a.Name)
	}
	for _, t := range r.Types {
		types = append(types, t.Name)
	}
	if len(set) > 0 {
		parts = append(parts, "set "+strings.Join(set, ", "))
	}
	if len(types) > 0 {
		parts = append(parts, "types of "+strings.Join(types, ", "))
	}
	if r.Sample > 1 {
		parts = append(parts, fmt.Sprintf("1 in %d", r.Sample))
	}
	return strings.Join(parts, "; ")
}

// deadLetters leads from every sink to where its dead letters go. A sink of dead letters has none of its own.
func (g *Graph) deadLetters(cfg *config.Config) {
	target := map[string]bool{cfg.DeadLetter: true}
	for _, s := range cfg.Sinks {
		target[s.DeadLetter] = true
	}
	for _, name := range cfg.SinkNames() {
		policy := cfg.DeadLetter
		if s := cfg.Sinks[name].DeadLetter; s != "" {
			policy = s
		}
		if !target[name] {
			g.edge("sink-"+name, g.deadLetter(cfg, policy), "dead_letter", "")
		}
	}
}

// deadLetter returns the node of a dead_letter policy: a sink, hold or drop.
func (g *Graph) deadLetter(cfg *config.Config, policy string) string {
	if _, ok := cfg.Sinks[policy]; ok {
		return "sink-" + policy
	}
	return g.policy(policy)
}

package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing"
)

// documented are the extensions of the CloudEvents repository, and those that a dead letter gets here.
var documented = []string{
	"authclaims", "authid", "authtype", "bampid", "bamptxcompleted", "bamptxid", "bamptxsid", "bamptxsstatus", "bamtxid",
	"causationid", "correlationid", "datacategory", "dataclassification", "dataref", "dataregulation", "deprecated",
	"deprecationfrom", "deprecationmigration", "deprecationsunset", "dlqattempts", "dlqcode", "dlqerror", "dlqfirst", "dlqlast",
	"dlqorigin", "dlqreason", "dlqroute", "dlqsink", "dssematerial", "expirytime", "opcuametadatamajorversion",
	"opcuametadataminorversion", "opcuastatus", "partitionkey", "recordedtime", "sampledrate", "sequence", "severitynumber",
	"severitytext", "traceparent", "tracestate",
}

// What to do about a name that is doubted and right.
const (
	meantInCondition = "write attributes: { NAME: … }"
	meantElsewhere   = "give it to the event of a test"
)

// mention is an attribute's name where the configuration says it.
type mention struct {
	routing.Mention
	node *node
	// instead is what to do about the name where it is right.
	instead string
	// alike are words that the name may be a slip of besides attributes.
	alike []string
}

// names warns of attributes that are likely slips of others. Any name is legal for an extension, so that a slip is
// silent otherwise: nothing matches, or a template fails when the event is there.
func (l *loader) names(c *Config) {
	all := mentions(c)
	v := vocabularyOf(c, all)
	known := map[string]string{}
	for _, m := range all {
		if m.Bare != "" && !m.Doubted && v.unheard(m.Name) {
			l.routing(m.node, []routing.Problem{routing.Warningf(m.Pos, m.Path, "CESQL: %s without quotes is the attribute %s, which nothing "+
				"else here names; write '%s' for the text, or EXISTS %s AND before it if the attribute is meant", m.Bare, m.Name, m.Bare, m.Name)})
			continue
		}
		if m.Doubted || v.meant[m.Name] || !attributePattern.MatchString(m.Name) {
			continue
		}
		key := m.Name + " " + strings.Join(m.alike, " ")
		likely, ok := known[key]
		if !ok {
			likely = v.likely(m.Name, m.alike)
			known[key] = likely
		}
		if likely != "" {
			instead := strings.ReplaceAll(m.instead, "NAME", m.Name)
			l.routing(m.node, []routing.Problem{
				routing.Warningf(m.Pos, m.Path, "%s", routing.DoubtfulName(m.Name, likely, instead)),
			})
		}
	}
}

// vocabulary is which names a configuration uses.
type vocabulary struct {
	uses map[string]int
	// named are the names that stand elsewhere than in the place of a value.
	named map[string]bool
	// meant are the names that are right as they are written.
	meant map[string]bool
	// own are those that are used more than once.
	own []string
}

const (
	// shortestOwn is how long a name of the configuration's own must be for another one to be called a slip of it.
	shortestOwn = 5
	// mostOwn bounds the comparisons; beyond it the names are made by a program, which does not slip.
	mostOwn = 256
)

func vocabularyOf(c *Config, all []mention) *vocabulary {
	v := &vocabulary{uses: map[string]int{}, named: map[string]bool{}, meant: map[string]bool{}}
	for _, m := range all {
		v.uses[m.Name]++
		v.named[m.Name] = v.named[m.Name] || m.Bare == ""
		v.meant[m.Name] = v.meant[m.Name] || m.Meant
	}
	for i := range c.Tests {
		for _, s := range c.Tests[i].Samples {
			for name := range s.Event.Attributes {
				v.uses[name]++
				v.meant[name] = true
			}
		}
	}
	for name, n := range v.uses {
		if n > 1 && len(name) >= shortestOwn {
			v.own = append(v.own, name)
		}
	}
	slices.Sort(v.own)
	if len(v.own) > mostOwn {
		v.own = nil
	}
	return v
}

// unheard reports whether a name is that of no attribute that anybody knows.
func (v *vocabulary) unheard(name string) bool {
	_, core := envelope.CoreKind(name)
	return !core && !v.named[name] && !v.meant[name] && !slices.Contains(documented, name)
}

// likely returns what the name is a slip of: an attribute of the specification, a documented extension, or a name that
// this configuration uses more often.
func (v *vocabulary) likely(name string, alike []string) string {
	if _, core := envelope.CoreKind(name); core || slices.Contains(documented, name) || slices.Contains(alike, name) {
		return ""
	}
	if s := routing.SuggestCore(name, alike...); s != "" {
		return s
	}
	if s := routing.SuggestExtension(name, documented); s != "" {
		return s
	}
	return routing.SuggestExtension(name, slices.DeleteFunc(slices.Clone(v.own), func(own string) bool {
		return v.uses[own] <= v.uses[name] || strings.TrimSuffix(own, "s") == strings.TrimSuffix(name, "s")
	}))
}

// mentions returns every attribute that routes, sinks and sources name.
func mentions(c *Config) []mention {
	var all []mention
	if routes := c.root.get("routes"); routes != nil && len(routes.items) == len(c.Rules) {
		for i, r := range routes.items {
			for _, m := range c.Rules[i].When.Mentions() {
				all = append(all, mention{Mention: m, node: r.get("when"), instead: meantInCondition})
			}
			all = append(all, keys(r.get("set"))...)
			all = append(all, keys(r.get("attribute_types"))...)
		}
	}
	for _, s := range c.root.get("sources").entries() {
		all = append(all, keys(s.get("wrap"))...)
	}
	for _, s := range c.root.get("sinks").entries() {
		for _, n := range addresses(s) {
			all = append(all, placeholders(n)...)
		}
	}
	return all
}

// addresses returns the templates of a sink that say where its deliveries go.
func addresses(sink *node) []*node {
	var all []*node
	for _, path := range [][2]string{{"kafka", "topic"}, {"kafka", "key"}, {"nats", "subject"}, {"http", "url"}, {"sqs", "group_id"}} {
		if n := sink.at(path[0], path[1]); n != nil {
			all = append(all, n)
		}
	}
	return all
}

// entries returns the values of a map, nil for nothing.
func (n *node) entries() []*node {
	if n == nil {
		return nil
	}
	all := make([]*node, len(n.fields))
	for i, f := range n.fields {
		all[i] = f.value
	}
	return all
}

// keys returns the attributes that are the keys of a map, and those in the templates that are its values.
func keys(n *node) []mention {
	if n == nil {
		return nil
	}
	var all []mention
	for _, f := range n.fields {
		all = append(all, mention{
			Mention: routing.Mention{Name: f.key, Pos: f.pos, Path: f.value.path()}, node: f.value, instead: meantElsewhere,
		})
		all = append(all, placeholders(f.value)...)
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{|\{([a-z0-9]+)\}`)

// placeholders returns the attributes that a template names.
func placeholders(n *node) []mention {
	if n == nil || n.kind != routing.Scalar {
		return nil
	}
	var all []mention
	for _, found := range placeholder.FindAllStringSubmatch(n.value, -1) {
		if found[1] != "" {
			all = append(all, mention{
				Mention: routing.Mention{Name: found[1], Pos: n.pos, Path: n.path()}, node: n, instead: meantElsewhere,
				alike: []string{"position", "data"},
			})
		}
	}
	return all
}

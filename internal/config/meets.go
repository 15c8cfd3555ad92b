package config

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings/http"
	"github.com/eventrouter/router/bindings/kafka"
	"github.com/eventrouter/router/bindings/nats"
	"github.com/eventrouter/router/bindings/template"
)

// meetings returns for each sink the sources that may read what it writes.
func (c *Config) meetings() map[string][]string {
	m := meeting{cfg: c, patterns: map[string]*automaton{}}
	all := map[string][]string{}
	for _, sink := range c.SinkNames() {
		to := c.Sinks[sink]
		for _, source := range c.SourceNames() {
			if from := c.Sources[source]; m.meets(&to, &from) {
				all[sink] = append(all[sink], source)
			}
		}
	}
	return all
}

// meeting compares what sinks write with what sources read. Both are patterns of texts: addresses have placeholders,
// subscriptions have wildcards or are regular expressions.
type meeting struct {
	cfg      *Config
	patterns map[string]*automaton
}

// meets reports whether a source may read what a sink writes.
func (m *meeting) meets(to *Sink, from *Source) bool {
	switch {
	case to.Kafka != nil && from.Kafka != nil:
		return m.kafka(to.Kafka, from.Kafka)
	case to.NATS != nil && from.NATS != nil:
		return m.nats(to.NATS, from.NATS)
	case to.SQS != nil && from.SQS != nil:
		return to.SQS.Meets(*from.SQS)
	case to.HTTP != nil && from.HTTP != nil:
		return m.http(to.HTTP, from.HTTP)
	}
	return false
}

// overlap reports whether two expressions have a text in common.
func (m *meeting) overlap(a, b string) bool {
	one, other := m.pattern(a), m.pattern(b)
	return one != nil && other != nil && overlap(one, other)
}

func (m *meeting) pattern(expr string) *automaton {
	p, ok := m.patterns[expr]
	if !ok {
		p = compilePattern(expr)
		m.patterns[expr] = p
	}
	return p
}

// What a placeholder may become, by where it stands.
const (
	topicText   = `[a-zA-Z0-9._-]*`
	subjectText = `(?:[a-zA-Z0-9_.%-]|[^\x00-\x7f])+`
	pathText    = `(?s:.*)`
)

// expression returns the expression for what a template can become, if value is that for what a placeholder can.
func expression(literals []string, value string) string {
	quoted := make([]string, len(literals))
	for i, text := range literals {
		quoted[i] = regexp.QuoteMeta(text)
	}
	return strings.Join(quoted, value)
}

func (m *meeting) kafka(to *kafka.SinkConfig, from *kafka.SourceConfig) bool {
	t, err := template.Compile(to.Topic, template.KafkaTopic)
	if err != nil || !common(hosts(to.Brokers, "9092"), hosts(from.Brokers, "9092")) {
		return false
	}
	topic := expression(t.Literals(), topicText)
	reads := func(written string) bool {
		if from.TopicsRegex != "" {
			return m.overlap(written, from.TopicsRegex)
		}
		return slices.ContainsFunc(from.Topics, func(name string) bool { return m.overlap(written, regexp.QuoteMeta(name)) })
	}
	if len(to.Topics) == 0 || !reads(topic) {
		return reads(topic)
	}
	return slices.ContainsFunc(to.Topics, func(allowed string) bool { // which a template may be held to
		allowed = expression(strings.Split(allowed, "*"), topicText)
		return m.overlap(topic, allowed) && reads(allowed)
	})
}

func (m *meeting) nats(to *nats.SinkConfig, from *nats.SourceConfig) bool {
	t, err := template.Compile(to.Subject, template.NATSSubject)
	if err != nil || !common(m.servers(to.URL), m.servers(from.URL)) {
		return false
	}
	if to.Stream != "" && from.Stream != "" && to.Stream != from.Stream {
		return false
	}
	filters := []string(from.Subjects)
	if len(filters) == 0 {
		if to.Stream != "" {
			return true
		}
		filters = m.streamSubjects(from)
	}
	subject := expression(t.Literals(), subjectText)
	return slices.ContainsFunc(filters, func(f string) bool { return m.overlap(subject, filterExpression(f)) })
}

// filterExpression returns the expression for the subjects that a filter with wildcards takes.
func filterExpression(filter string) string {
	tokens := strings.Split(filter, ".")
	for i, token := range tokens {
		switch token {
		case "*":
			tokens[i] = `[^.]+`
		case ">":
			tokens[i] = `(?s:.+)`
		default:
			tokens[i] = regexp.QuoteMeta(token)
		}
	}
	return strings.Join(tokens, `\.`)
}

// streamSubjects returns the subjects of a source's stream, as far as some part of the configuration says how it is created.
func (m *meeting) streamSubjects(from *nats.SourceConfig) []string {
	var all []string
	for _, s := range m.cfg.Sources {
		if n := s.NATS; n != nil && n.Create != nil && n.Stream == from.Stream && common(m.servers(n.URL), m.servers(from.URL)) {
			all = append(all, defaultTo(n.Create.Subjects, n.Subjects)...)
		}
	}
	for _, s := range m.cfg.Sinks {
		if n := s.NATS; n != nil && n.Create != nil && n.Stream == from.Stream && common(m.servers(n.URL), m.servers(from.URL)) {
			all = append(all, defaultTo(n.Create.Subjects, n.DefaultSubjects())...)
		}
	}
	return all
}

func defaultTo(stated, otherwise []string) []string {
	if len(stated) > 0 {
		return stated
	}
	return otherwise
}

// servers returns the hosts and ports of a list of addresses. The server inside the process is where it listens, too.
func (m *meeting) servers(addresses string) []string {
	if addresses != wordEmbedded {
		return hosts(strings.Split(addresses, ","), "4222")
	}
	if listen := m.cfg.Embedded.Listen; listen != "" {
		return append(hosts([]string{listen}, "4222"), wordEmbedded)
	}
	return []string{wordEmbedded}
}

// wordEmbedded is the address of the server inside the process.
const wordEmbedded = "embedded"

// standardPorts are those of schemes, some of which are names of ports, too.
var standardPorts = map[string]string{"ws": "80", "wss": "443", "http": "80", "https": "443"}

// hosts returns hosts and ports of addresses, each in one spelling.
func hosts(addresses []string, port string) []string {
	all := make([]string, len(addresses))
	for i, address := range addresses {
		address = strings.TrimSpace(address)
		if !strings.Contains(address, "://") {
			address = "//" + address
		}
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		standard := cmp.Or(standardPorts[u.Scheme], port)
		all[i] = net.JoinHostPort(host(u.Hostname()), portNumber(cmp.Or(u.Port(), standard)))
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// host returns the one spelling of a host. All names of this machine that need no look-up are the same one.
func host(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	ip := net.ParseIP(name)
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return "localhost"
	}
	if ip != nil {
		return ip.String()
	}
	return name
}

// portNumber returns the number of a port that may have a name.
func portNumber(port string) string {
	return cmp.Or(standardPorts[port], port)
}

// http recognises only a target at the address that the source listens on; one without a host is this machine.
func (m *meeting) http(to *http.SinkConfig, from *http.SourceConfig) bool {
	address, path, ok := splitURL(to.URL)
	if !ok {
		return false
	}
	listen, port, err := net.SplitHostPort(from.Listen)
	target, targetPort, _ := net.SplitHostPort(hosts([]string{address}, "80")[0])
	if err != nil || portNumber(port) != targetPort || target != host(listen) {
		return false
	}
	t, err := template.Compile(path, template.URLPath)
	if err != nil {
		return false
	}
	literals := t.Literals()
	for i, text := range literals {
		if plain, err := url.PathUnescape(text); err == nil {
			literals[i] = plain
		}
	}
	return m.overlap(expression(literals, pathText), regexp.QuoteMeta(rooted(from.Path)))
}

// splitURL takes scheme, host and port of a URL template apart from its path. A query is left out.
func splitURL(text string) (address, path string, ok bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	rest, _, _ = strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	u, err := url.Parse(scheme + "://" + host)
	return strings.ToLower(scheme) + "://" + host, rooted(path), ok && err == nil && u.Host != ""
}

func rooted(path string) string { return "/" + strings.TrimPrefix(path, "/") }

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

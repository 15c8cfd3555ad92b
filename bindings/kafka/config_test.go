package kafka

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/envelope"
)

// fields returns the fields that errors name, sorted.
func fields(err error) []string {
	var all []string
	var walk func(error)
	walk = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
			return
		}
		if f, ok := errors.AsType[*bindings.FieldError](err); ok {
			all = append(all, f.Field)
		}
	}
	walk(err)
	slices.Sort(all)
	return all
}

func TestSourceValidate(t *testing.T) {
	ok := SourceConfig{Brokers: bindings.Strings{"b:9092"}, Topics: bindings.Strings{"in"}, Group: "g"}
	for name, tc := range map[string]struct {
		change func(*SourceConfig)
		want   []string
	}{
		"fine":            {func(*SourceConfig) {}, nil},
		"empty":           {func(c *SourceConfig) { *c = SourceConfig{} }, []string{"brokers", "group", "topics"}},
		"both topics":     {func(c *SourceConfig) { c.TopicsRegex = "x" }, []string{"topics_regex"}},
		"bad expression":  {func(c *SourceConfig) { c.Topics, c.TopicsRegex = nil, "(" }, []string{"topics_regex"}},
		"bad topic":       {func(c *SourceConfig) { c.Topics = bindings.Strings{"a", "a b", "."} }, []string{"topics[1]", "topics[2]"}},
		"no port":         {func(c *SourceConfig) { c.Brokers = bindings.Strings{"b"} }, []string{"brokers[0]"}},
		"a URL":           {func(c *SourceConfig) { c.Brokers = bindings.Strings{"b:1", "kafka://u:p@b:9092"} }, []string{"brokers[1]"}},
		"bad port":        {func(c *SourceConfig) { c.Brokers = bindings.Strings{"b:0"} }, []string{"brokers[0]"}},
		"bad start":       {func(c *SourceConfig) { c.Start = "now" }, []string{"start"}},
		"bad isolation":   {func(c *SourceConfig) { c.IsolationLevel = "none" }, []string{"isolation_level"}},
		"a session":       {func(c *SourceConfig) { c.SessionTimeout = 6 * time.Second }, nil},
		"short session":   {func(c *SourceConfig) { c.SessionTimeout = 900 * time.Millisecond }, []string{"session_timeout"}},
		"long session":    {func(c *SourceConfig) { c.SessionTimeout = 61 * time.Minute }, []string{"session_timeout"}},
		"negative":        {func(c *SourceConfig) { c.SessionTimeout = -time.Second }, []string{"session_timeout"}},
		"empty SASL":      {func(c *SourceConfig) { c.SASL = &SASL{} }, []string{"sasl.mechanism", "sasl.password", "sasl.username"}},
		"other mechanism": {func(c *SourceConfig) { c.SASL = &SASL{"GSSAPI", "u", security.NewSecret("p")} }, []string{"sasl.mechanism"}},
	} {
		c := ok
		tc.change(&c)
		if got := fields(c.Validate()); !slices.Equal(got, tc.want) {
			t.Errorf("%s: fields %v, want %v", name, got, tc.want)
		}
	}
}

func TestSinkValidate(t *testing.T) {
	ok := SinkConfig{Brokers: bindings.Strings{"b:9092"}, Topic: "out"}
	for name, tc := range map[string]struct {
		change func(*SinkConfig)
		want   []string
	}{
		"fine":            {func(*SinkConfig) {}, nil},
		"templates":       {func(c *SinkConfig) { c.Topic, c.Key = "o.{type}", "{nats.subject}" }, nil},
		"empty":           {func(c *SinkConfig) { *c = SinkConfig{} }, []string{"brokers", "topic"}},
		"bad topic":       {func(c *SinkConfig) { c.Topic = "a b" }, []string{"topic"}},
		"only dots":       {func(c *SinkConfig) { c.Topic = ".." }, []string{"topic"}},
		"bad template":    {func(c *SinkConfig) { c.Topic = "a{" }, []string{"topic"}},
		"topics":          {func(c *SinkConfig) { c.Topic, c.Topics = "{type}", bindings.Strings{"a", "b.*"} }, nil},
		"topics of one":   {func(c *SinkConfig) { c.Topics = bindings.Strings{"out"} }, []string{"topics"}},
		"no topics":       {func(c *SinkConfig) { c.Topic, c.Topics = "{type}", bindings.Strings{} }, []string{"topics"}}, // allowed all
		"bad topics":      {func(c *SinkConfig) { c.Topic, c.Topics = "{type}", bindings.Strings{"a", "b c", "*/*"} }, []string{"topics[1]", "topics[2]"}},
		"bad timestamp":   {func(c *SinkConfig) { c.Timestamp = "then" }, []string{"timestamp"}},
		"bad key":         {func(c *SinkConfig) { c.Key = "id" }, []string{"key"}},
		"bad key text":    {func(c *SinkConfig) { c.Key = "{" }, []string{"key"}},
		"bad compression": {func(c *SinkConfig) { c.Compression = "rar" }, []string{"compression"}},
		"bad acks":        {func(c *SinkConfig) { c.Acks = "1" }, []string{"acks"}},
		"exactly once":    {func(c *SinkConfig) { c.ExactlyOnce = true }, []string{"exactly_once"}},
	} {
		c := ok
		tc.change(&c)
		if got := fields(c.Validate()); !slices.Equal(got, tc.want) {
			t.Errorf("%s: fields %v, want %v", name, got, tc.want)
		}
		if _, err := NewSink(c, bindings.SinkSettings{}); (err == nil) != (tc.want == nil) {
			t.Errorf("%s: NewSink: %v", name, err)
		}
	}
	if _, err := NewSink(ok, bindings.SinkSettings{Mode: bindings.ModeBatch}); !slices.Equal(fields(err), []string{"mode"}) {
		t.Errorf("batch mode: %v", err)
	}
	if _, err := NewSink(ok, bindings.SinkSettings{Format: envelope.FormatAvro}); err != nil {
		t.Errorf("avro: %v", err)
	}
	ok.TLS = &security.TLS{CA: "/nowhere/ca.pem"}
	var f *bindings.FieldError
	if _, err := NewSink(ok, bindings.SinkSettings{}); !errors.As(err, &f) || f.Field != "tls.ca" || !f.Environment {
		t.Errorf("missing CA: %v", err)
	}
}

func TestKeepsOrder(t *testing.T) {
	for _, tc := range []struct {
		cfg  SinkConfig
		want bool
	}{
		{SinkConfig{}, true},
		{SinkConfig{Key: "none"}, true},
		{SinkConfig{Key: "{nats.subject}"}, true},
		{SinkConfig{Key: "subject"}, false},
		{SinkConfig{Key: "{type}"}, false},
		{SinkConfig{Acks: "leader"}, false},
		{SinkConfig{Acks: "none"}, false},
		{SinkConfig{Topic: "o.{type}"}, false},
	} {
		tc.cfg.Brokers = bindings.Strings{"b:9092"}
		if tc.cfg.Topic == "" {
			tc.cfg.Topic = "out"
		}
		s, err := NewSink(tc.cfg, bindings.SinkSettings{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.KeepsOrder(); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc.cfg, got, tc.want)
		}
	}
}

// TestSASL logs in by every mechanism, and a wrong password is a failure that waits for the operator.
func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		c := cluster(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "alice", "secret"), kfake.SeedTopics(1, "out"))
		cfg := SinkConfig{Topic: "out", SASL: &SASL{mechanism, "alice", security.NewSecret("secret")}}
		if err := newSink(t, c, cfg, bindings.SinkSettings{}).Send(t.Context(), events("k", 1)); err != nil {
			t.Errorf("%s: %v", mechanism, err)
		}
		cfg.SASL = &SASL{mechanism, "alice", security.NewSecret("wrong")}
		if err := newSink(t, c, cfg, bindings.SinkSettings{}).Ready(t.Context()); err == nil {
			t.Errorf("%s: ready with a wrong password", mechanism)
		}
	}
}

package http

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// fields returns the fields of the FieldErrors in err, in their order.
func fields(err error) string {
	var out []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, fields(e))
		}
		return strings.Join(out, " ")
	}
	if f, ok := errors.AsType[*bindings.FieldError](err); ok {
		return f.Field
	}
	return ""
}

func TestSourceConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    SourceConfig
		want string
	}{
		{"good", SourceConfig{Listen: ":8080", Path: "/events", HeaderEncoding: "lenient"}, ""},
		{"empty", SourceConfig{}, "listen"},
		{
			"all wrong",
			SourceConfig{Listen: "8080", Path: "x", HeaderEncoding: "x", MaxConnections: -1, ReplyTimeout: -1, TLS: &security.TLS{}},
			"listen path header_encoding max_connections reply_timeout tls",
		},
		{"path with a query", SourceConfig{Listen: ":1", Path: "/a?b"}, "path"},
		{"max_body of 0", SourceConfig{Listen: ":1", MaxBody: new(bindings.Size(0))}, "max_body"},
		{"empty auth", SourceConfig{Listen: ":1", Auth: &SourceAuth{}}, "auth"},
		{
			"auth",
			SourceConfig{Listen: ":1", Auth: &SourceAuth{Bearer: secrets(""), Basic: &Basic{}, HMAC: &HMAC{Tolerance: -1}, ClientNames: []string{"x"}}},
			"auth.bearer auth.basic.username auth.basic.password auth.hmac.secrets auth.hmac.tolerance auth.client_names",
		},
		{"key that is no base64", SourceConfig{Listen: ":1", Auth: &SourceAuth{HMAC: &HMAC{Secrets: secrets("whsec_%")}}}, "auth.hmac.secrets"},
		{"web hook", SourceConfig{Listen: ":1", Webhook: &SourceWebhook{AllowedRate: 0.001}}, "webhook.allowed_origins webhook.allowed_rate"},
		{"web hook, one a minute", SourceConfig{Listen: ":1", Webhook: &SourceWebhook{AllowedOrigins: []string{"x"}, AllowedRate: bindings.Rate(1.0 / 60)}}, ""},
	} {
		if got := fields(tt.c.Validate()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSinkConfigValidate(t *testing.T) {
	headers := func(name, value string) map[string]security.Secret {
		return map[string]security.Secret{name: security.NewSecret(value)}
	}
	const url = "https://x.org/in"
	for _, tt := range []struct {
		name string
		c    SinkConfig
		want string
	}{
		{"good", SinkConfig{URL: "https://x.org:8443/in/{type}?a={id}", Network: "public"}, ""},
		{"empty", SinkConfig{}, "url"},
		{"max_header of 0", SinkConfig{URL: url, MaxHeader: new(bindings.Size(0))}, "max_header"},
		{"scheme", SinkConfig{URL: "ftp://x.org"}, "url"},
		{"no host", SinkConfig{URL: "http:///a"}, "url"},
		{"91 host from data", SinkConfig{URL: "http://{source}/a"}, "url"},
		{"91 port from data", SinkConfig{URL: "http://x:{id}/a"}, "url"},
		{"userinfo", SinkConfig{URL: "http://u:hidden@x/a"}, "url"},
		{"fragment", SinkConfig{URL: "http://x/a#b"}, "url"},
		{"template", SinkConfig{URL: "http://x/{"}, "url"},
		{"network", SinkConfig{URL: url, Network: "private"}, "network"},
		{"auth", SinkConfig{URL: url, Auth: &SinkAuth{}}, "auth"},
		{"two auth", SinkConfig{URL: url, Auth: &SinkAuth{Bearer: security.NewSecret("x"), Basic: &Basic{}}}, "auth"},
		{"auth that is no header value", SinkConfig{URL: url, Auth: &SinkAuth{Bearer: security.NewSecret("x\r\ny")}}, "auth.bearer"},
		{"header name", SinkConfig{URL: url, Headers: headers("a b", "x")}, "headers.a b"},
		{"header value", SinkConfig{URL: url, Headers: headers("a", "x\ny")}, "headers.a"},
		{"own header", SinkConfig{URL: url, Headers: headers("Ce-Id", "x")}, "headers.Ce-Id"},
		{"framing header", SinkConfig{URL: url, Headers: headers("Transfer-Encoding", "x")}, "headers.Transfer-Encoding"},
		{"authorization without auth", SinkConfig{URL: url, Headers: headers("Authorization", "x")}, ""},
		{"sign", SinkConfig{URL: url, Sign: &Sign{}}, "sign.secret"},
		{"web hook", SinkConfig{URL: url + "/{id}", Webhook: &SinkWebhook{Origin: "https://x", Rate: 0.0001}}, "webhook.origin webhook.rate webhook"},
	} {
		err := tt.c.Validate()
		if got := fields(err); got != tt.want {
			t.Errorf("%s: %q, want %q (%v)", tt.name, got, tt.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the error shows a password", tt.name)
		}
		if _, newErr := NewSink(tt.c, bindings.SinkSettings{Log: zap.NewNop()}); (newErr == nil) != (err == nil) {
			t.Errorf("%s: NewSink says %v", tt.name, newErr)
		}
	}
}

func TestMissingFilesAreTheEnvironment(t *testing.T) {
	missing := &security.TLS{CA: "/does/not/exist", Cert: "/does/not/exist", Key: "/does/not/exist"}
	_, sink := NewSink(SinkConfig{URL: "https://x", TLS: missing}, bindings.SinkSettings{})
	_, source := NewSource(SourceConfig{Listen: "127.0.0.1:0", TLS: missing}, bindings.SourceSettings{Log: zap.NewNop()})
	for _, err := range []error{sink, source} {
		var f *bindings.FieldError
		if !errors.As(err, &f) || !f.Environment || f.Field != "tls.ca" {
			t.Errorf("got %v", err)
		}
	}
}

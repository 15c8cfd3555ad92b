package config

import (
	"strings"
	"testing"
)

// TestExposureIsWarnedOf: ports that everybody reaches and that ask nobody who it is were not told from others.
func TestExposureIsWarnedOf(t *testing.T) {
	const (
		ingress  = "sources.in.http.listen: other machines reach this port"
		admin    = "admin.listen: other machines reach the admin server"
		embedded = "embedded.listen: other machines reach the embedded server"
	)
	for _, c := range []struct{ listen, more, want string }{
		{`":8080"`, "", ingress},
		{`"0.0.0.0:8080"`, "", ingress},
		{`"[::]:8080"`, "", ingress},
		{`"10.0.0.1:8080"`, "", ingress},
		{`"[::ffff:10.0.0.1]:8080"`, "", ingress},
		{`"router.example:8080"`, "", ingress},
		{`"127.0.0.1:8080"`, "", ""},
		{`"127.9.9.9:8080"`, "", ""},
		{`"[::1]:8080"`, "", ""},
		{`"[::ffff:127.0.0.1]:8080"`, "", ""},
		{`"LocalHost.:8080"`, "", ""},
		{`":8080", auth: { bearer: [a] }`, "", ""},
		{`":8080", auth: { hmac: { secrets: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa] } }`, "", ""},
		{`":8080", tls: { cert: c, key: k }`, "", ingress},
		{`":8080", tls: { cert: c, key: k, ca: ca }`, "", ""},
		{`"127.0.0.1:1"`, `admin: { listen: ":8081" }`, admin},
		{`"127.0.0.1:1"`, `admin: { listen: "127.0.0.1:8081" }`, ""},
		{`"127.0.0.1:1"`, `embedded: { listen: ":4222" }`, embedded},
		{`"127.0.0.1:1"`, `embedded: { listen: "localhost:4222" }`, ""},
		{`"127.0.0.1:1"`, `embedded: { listen: ":4222", token: t }`, ""},
		{`"127.0.0.1:1"`, `embedded: { listen: ":4222", user: u, password: p }`, ""},
	} {
		warnings, problems := said(t, strings.Replace(small, `"127.0.0.1:1"`, c.listen, 1)+c.more+"\n")
		if problems != "" || c.want == "" && warnings != "" || !strings.Contains(warnings, c.want) || strings.Count(warnings, "\n") > 1 {
			t.Errorf("%s, %s: got %s%s, want %q", c.listen, c.more, warnings, problems, c.want)
		}
	}
}

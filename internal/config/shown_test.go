package config

import "testing"

// TestAsWritten holds what a report shows of a rendered address: the file's words for what variables stood for, and the rest
// as it is.
func TestAsWritten(t *testing.T) {
	variables := map[string]string{"TOKEN": "planted-token", "URL": "https://planted.example/planted-path/{type}/planted-end", "QUEUE": "arn:aws:sqs:eu-west-1:1:planted-queue", "EU": "eu"}
	c, err := loadWith(t, `
sources: { in: { http: { listen: "127.0.0.1:1" } } }
sinks:
  hook: { http: { url: "https://hooks.example/${TOKEN}?t={type}&r=${EU}" } }
  all: { http: { url: "${URL}" } }
  queue: { sqs: { queue: "${QUEUE}" } }
  plain: { http: { url: "https://plain.example/{type}" } }
unmatched: hook
dead_letter: hold
routes: [{ to: [hook, all, queue, plain], when: { type: "${TOKEN}", subject: x } }]`, func(name string) (string, bool) { v, ok := variables[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ path, text, want string }{
		{"sinks.hook.http.url", "url https://hooks.example/planted-token?t=com.acme&r=eu", "url https://hooks.example/${TOKEN}?t=com.acme&r=${EU}"},
		{"sinks.hook.http.url", "url https://hooks.example/planted-token?t=a.europe&r=eu", "url https://hooks.example/${TOKEN}?t=a.europe&r=${EU}"},
		{"sinks.all.http.url", "url https://planted.example/planted-path/com.acme/planted-end", "url ${URL}com.acme…"},
		{"sinks.queue.sqs.queue", "queue planted-queue", "queue …"},
		{"sinks.plain.http.url", "url https://plain.example/planted-token", "url https://plain.example/planted-token"},
		{"routes[0]", "{type: planted-token, subject: x}", "{type: ${TOKEN}, subject: x}"},
		{"sinks.nothing", "planted-token", "planted-token"},
	} {
		if got := c.AsWritten(x.path, x.text); got != x.want {
			t.Errorf("%s: got %s, want %s", x.path, got, x.want)
		}
	}
}

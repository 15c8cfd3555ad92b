package http

import (
	nethttp "net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/eventrouter/router/bindings"
)

func TestHandshakeAsReceiver(t *testing.T) {
	limited := &SourceWebhook{AllowedOrigins: []string{"example.com", "other.org"}, AllowedRate: bindings.Rate(2)}
	open := &SourceWebhook{AllowedOrigins: []string{"*"}}
	for _, tt := range []struct {
		name    string
		cfg     *SourceWebhook
		headers string
		status  int
		origin  string
		rate    string
	}{
		{"consent", limited, "WebHook-Request-Origin: example.com\nWebHook-Request-Rate: 600", 204, "example.com", "120"},
		{"case", limited, "WebHook-Request-Origin: Example.COM", 204, "Example.COM", "120"},
		{"G1 prefix", limited, "WebHook-Request-Origin: example.com.evil.org", 403, "", ""},
		{"suffix", limited, "WebHook-Request-Origin: evil.example.com", 403, "", ""},
		{"two", limited, "WebHook-Request-Origin: example.com\nWebHook-Request-Origin: evil.org", 403, "", ""},
		{"empty", limited, "WebHook-Request-Origin: ", 403, "", ""},
		{"plain OPTIONS", limited, "", 204, "", ""},
		{"everybody", open, "WebHook-Request-Origin: x.org\nWebHook-Request-Callback: https://x.org/cb", 204, "x.org", "*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startSource(t, SourceConfig{Webhook: tt.cfg, Auth: &SourceAuth{Bearer: secrets("t")}})
			got := do(t, client(t), request(t, nethttp.MethodOptions, p.url(), tt.headers, nil))
			if got.status != tt.status || got.header.Get("WebHook-Allowed-Origin") != tt.origin ||
				got.header.Get("WebHook-Allowed-Rate") != tt.rate || got.header.Get("Allow") != "POST, OPTIONS" {
				t.Errorf("%d %v", got.status, got.header)
			}
			if n := len(p.events()); n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// G3: a delivery from an origin without consent is refused; one that names none is taken.
func TestDeliveryOrigin(t *testing.T) {
	p := startSource(t, SourceConfig{Webhook: &SourceWebhook{AllowedOrigins: []string{"example.com"}}})
	for header, want := range map[string]int{
		"": 204, "WebHook-Request-Origin: example.com": 204, "WebHook-Request-Origin: evil.org": 403,
	} {
		if got := post(t, p.url(), minimal+header, ""); got.status != want {
			t.Errorf("%q: %d, want %d", header, got.status, want)
		}
	}
}

func TestReadConsent(t *testing.T) {
	for _, tt := range []struct {
		name, headers string
		asked         bindings.Rate
		limit         rate.Limit
		refused       bool
	}{
		{name: "G2 no origin", headers: "WebHook-Allowed-Rate: 60", refused: true},
		{name: "same origin", headers: "WebHook-Allowed-Origin: Me.org\nWebHook-Allowed-Rate: 60", limit: 1},
		{name: "other origin", headers: "WebHook-Allowed-Origin: you.org", refused: true},
		{name: "prefix of the origin", headers: "WebHook-Allowed-Origin: me.org.evil", refused: true},
		{name: "two origins", headers: "WebHook-Allowed-Origin: me.org\nWebHook-Allowed-Origin: *", refused: true},
		{name: "G8 any rate", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: *", limit: rate.Inf},
		{name: "G8 60", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: 60", limit: 1},
		{name: "G8 garbage", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: fast", refused: true},
		{name: "G8 zero", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: 0", refused: true},
		{name: "G8 negative", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: -5", refused: true},
		{name: "no rate", headers: "WebHook-Allowed-Origin: *", limit: rate.Inf},
		{name: "no rate, asked for one", headers: "WebHook-Allowed-Origin: *", asked: 2, limit: 2},
		{name: "more than asked for", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: 600", asked: 2, limit: 2},
		{name: "less than asked for", headers: "WebHook-Allowed-Origin: *\nWebHook-Allowed-Rate: 30", asked: 2, limit: 0.5},
	} {
		got, err := readConsent(headerOf(tt.headers), "me.org", tt.asked)
		if (err != nil) != tt.refused || err == nil && got.limit != tt.limit {
			t.Errorf("%s: %v, %v", tt.name, got.limit, err)
		}
	}
}

func TestHandshakeAsSender(t *testing.T) {
	consent := false
	v := receive(t, func(_ int, w nethttp.ResponseWriter, r receipt) {
		if r.method == nethttp.MethodOptions && consent {
			w.Header().Set("WebHook-Allowed-Origin", "me.org")
			w.Header().Set("WebHook-Allowed-Rate", "6000")
		}
	})
	s := startSink(t, SinkConfig{URL: v.URL + "/hook?x=1", Webhook: &SinkWebhook{Origin: "me.org", Rate: 200}}, nil)
	e := parse(t, minimalJSON)
	if err := s.Send(t.Context(), list(e)); class(err) != "transient" {
		t.Errorf("G2: %v", err)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "consent") || strings.Contains(err.Error(), "x=1") {
		t.Errorf("got %v", err)
	}
	for _, r := range v.receipts() {
		if r.method != nethttp.MethodOptions || r.path != "/hook?x=1" || r.header.Get("WebHook-Request-Origin") != "me.org" ||
			r.header.Get("WebHook-Request-Rate") != "12000" {
			t.Errorf("without consent: %+v", r)
		}
	}
	consent = true
	from := len(v.receipts())
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), list(e)); err != nil {
		t.Fatal(err)
	}
	got := v.receipts()[from:]
	if len(got) != 2 || got[1].method != "POST" || got[1].header.Get("WebHook-Request-Origin") != "me.org" ||
		got[1].header.Get("Content-Type") != jsonType || got[1].body != minimalJSON {
		t.Errorf("got %+v", got)
	}
	if limit := s.granted.Load().Limit(); limit != 100 {
		t.Errorf("the granted rate is %v a second, want 100", limit)
	}
}

// The granted rate is kept: n deliveries at one a second take n-1 seconds.
func TestGrantedRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSink(SinkConfig{URL: "http://x"}, bindings.SinkSettings{})
		if err != nil {
			t.Fatal(err)
		}
		s.granted.Store(rate.NewLimiter(1, 1))
		began := time.Now()
		for range 5 {
			if err := s.admitted(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("5 deliveries took %v", d)
		}
	})
}

// A pause ends by itself.
func TestPauseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSink(SinkConfig{URL: "http://x"}, bindings.SinkSettings{})
		if err != nil {
			t.Fatal(err)
		}
		s.pausedTo.Store(int64(time.Since(s.began) + 2*time.Minute))
		time.Sleep(time.Minute)
		if got := class(s.admitted(t.Context())); got != "later 1m0s" {
			t.Errorf("after a minute: %s", got)
		}
		time.Sleep(time.Minute)
		if err := s.admitted(t.Context()); err != nil {
			t.Errorf("after two: %v", err)
		}
	})
}

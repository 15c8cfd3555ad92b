package http

import (
	"encoding/base64"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

func secrets(texts ...string) []security.Secret {
	var out []security.Secret
	for _, s := range texts {
		out = append(out, security.NewSecret(s))
	}
	return out
}

func TestBearerAndBasic(t *testing.T) {
	basic := func(s string) string { return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	p := startSource(t, SourceConfig{Auth: &SourceAuth{
		Bearer: secrets("token-1", "token-2"), Basic: &Basic{Username: "u", Password: security.NewSecret("p:w")},
	}})
	for _, tt := range []struct {
		name, header, query string
		status              int
	}{
		{"first token", "Authorization: Bearer token-1", "", 204},
		{"second token", "Authorization: bearer token-2", "", 204},
		{"query", "", "?access_token=token-1", 204},
		{"basic", basic("u:p:w"), "", 204},
		{"nothing", "", "", 401},
		{"wrong token", "Authorization: Bearer token-3", "", 401},
		{"80 empty bearer", "Authorization: Bearer ", "", 401},
		{"80 long bearer", "Authorization: Bearer " + strings.Repeat("x", 8192), "", 401},
		{"80 unicode bearer", "Authorization: Bearer tökén", "", 401},
		{"81 basic without colon", basic("u"), "", 401},
		{"wrong password", basic("u:p"), "", 401},
		{"basic that is no base64", "Authorization: Basic %%%", "", 401},
		{"token as basic", basic("token-1"), "", 401},
		{"other scheme", "Authorization: Digest token-1", "", 401},
		{"header and query", "Authorization: Bearer token-1", "?access_token=token-1", 401},
		{"two in the query", "", "?access_token=token-1&access_token=token-1", 401},
		{"wrong in the query", "", "?access_token=nope", 401},
	} {
		got := post(t, p.url()+tt.query, minimal+tt.header, "x")
		if got.status != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, got.status, tt.status)
		}
		if (got.status == 401) != (got.header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s: WWW-Authenticate is %q", tt.name, got.header.Get("WWW-Authenticate"))
		}
		if strings.Contains(got.body, "token-") {
			t.Errorf("%s: the answer shows a token: %s", tt.name, got.body)
		}
		if tt.query != "" && got.status == 204 && got.header.Get("Cache-Control") != "private" {
			t.Errorf("%s: the answer may be stored", tt.name)
		}
	}
	if n := len(p.events()); n != 4 {
		t.Errorf("%d events were taken, want 4", n)
	}
}

// The key and message of the Standard Webhooks specification's own example.
func TestSignKnownVector(t *testing.T) {
	keys, err := parseKeys(secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	if err != nil {
		t.Fatal(err)
	}
	got := sign(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	v, err := newVerifier(&HMAC{Secrets: secrets("whsec_b2xk", "new")})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("body")
	make := func(id string, at time.Time, key string) nethttp.Header {
		stamp := strconv.FormatInt(at.Unix(), 10)
		return nethttp.Header{webhookID: {id}, webhookTimestamp: {stamp}, webhookSignature: {sign([][]byte{[]byte(key)}, id, stamp, body)}}
	}
	good := make("m1", now, "old")
	with := func(key, value string) nethttp.Header {
		h := good.Clone()
		h.Set(key, value)
		return h
	}
	signature := good.Get(webhookSignature)
	for _, tt := range []struct {
		name string
		h    nethttp.Header
		body string
		ok   bool
	}{
		{"old key", good, "body", true},
		{"new key", make("m1", now, "new"), "body", true},
		{"several signatures", with(webhookSignature, "v1,AAAA v1a,x "+signature), "body", true},
		{"4 minutes old", make("m1", now.Add(-4*time.Minute), "old"), "body", true},
		{"73 wrong key", make("m1", now, "other"), "body", false},
		{"74 other body", good, "bodY", false},
		{"75 an hour early", make("m1", now.Add(time.Hour), "old"), "body", false},
		{"75 an hour late", make("m1", now.Add(-time.Hour), "old"), "body", false},
		{"77 id with a point", make("m.1", now, "old"), "body", false},
		{"other id", with(webhookID, "m2"), "body", false},
		{"78 beyond the bound", with(webhookSignature, strings.Repeat("v1,AAAA ", 50)+signature), "body", false},
		{"79 v1 as v1a", with(webhookSignature, strings.Replace(signature, "v1,", "v1a,", 1)), "body", false},
		{"no signature", with(webhookSignature, ""), "body", false},
		{"junk time", with(webhookTimestamp, "soon"), "body", false},
		{"huge time", with(webhookTimestamp, "9223372036854775807"), "body", false},
		{"two ids", nethttp.Header{webhookID: {"m1", "m1"}, webhookTimestamp: good[webhookTimestamp], webhookSignature: good[webhookSignature]}, "body", false},
		{"nothing", nethttp.Header{}, "body", false},
	} {
		if err := v.verify(tt.h, []byte(tt.body), now); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// The vector of GitHub's documentation of X-Hub-Signature-256.
func TestVerifyPlainKnownVector(t *testing.T) {
	v, err := newVerifier(&HMAC{Secrets: secrets("It's a Secret to Everybody"), Header: "x-hub-signature-256"})
	if err != nil {
		t.Fatal(err)
	}
	const good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	for header, ok := range map[string]bool{
		good: true, strings.TrimPrefix(good, "sha256="): false, good[:len(good)-2]: false, "sha256=": false, "": false,
		strings.Replace(good, "7571", "7572", 1): false,
	} {
		err := v.verify(nethttp.Header{"X-Hub-Signature-256": {header}}, []byte("Hello, World!"), time.Now())
		if (err == nil) != ok {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// What the sink signs the source accepts, compressed or not, and nothing else.
func TestSignedDelivery(t *testing.T) {
	p := startSource(t, SourceConfig{Auth: &SourceAuth{HMAC: &HMAC{Secrets: secrets("whsec_a2V5"), Attributes: "unsigned"}}})
	for name, tt := range map[string]struct {
		key  string
		want string
	}{"right": {"key", "ok"}, "wrong": {"yek", "later 30s"}} {
		s := startSink(t, SinkConfig{URL: p.url(), Sign: &Sign{Secrets: secrets("another", tt.key)}}, nil)
		e := parse(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":"x"}`)
		if got := class(s.Send(t.Context(), list(e))); got != tt.want {
			t.Errorf("%s key: %s", name, got)
		}
	}
	body := string(zip(t, []byte("x")))
	stamp := fmt.Sprint(time.Now().Unix())
	headers := minimal + "webhook-id: 1\nwebhook-timestamp: " + stamp + "\nwebhook-signature: " + sign([][]byte{[]byte("key")}, "1", stamp, []byte(body))
	if got := post(t, p.url(), headers+"\nContent-Encoding: gzip", body); got.status != 204 {
		t.Errorf("compressed: %d %s", got.status, got.body)
	}
	if e := p.events(); len(e) != 2 || string(e[1].Data) != "x" {
		t.Errorf("%d events were taken", len(e))
	}
}

// What the sink presents the source accepts.
func TestCredentialsOfSink(t *testing.T) {
	p := startSource(t, SourceConfig{Auth: &SourceAuth{Bearer: secrets("t"), Basic: &Basic{Username: "u", Password: security.NewSecret("p")}}})
	for _, tt := range []struct {
		auth *SinkAuth
		want string
	}{
		{&SinkAuth{Bearer: security.NewSecret("t")}, "ok"},
		{&SinkAuth{Basic: &Basic{Username: "u", Password: security.NewSecret("p")}}, "ok"},
		{&SinkAuth{Bearer: security.NewSecret("x")}, "later 30s"},
		{nil, "later 30s"},
	} {
		s := startSink(t, SinkConfig{URL: p.url(), Auth: tt.auth}, func(s *bindings.SinkSettings) {})
		if got := class(s.Send(t.Context(), list(parse(t, minimalJSON)))); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.auth, got, tt.want)
		}
	}
}

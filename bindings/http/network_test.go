package http

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings/security"
)

func TestPublicAddresses(t *testing.T) { // 92
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "172.15.255.255": true, "172.32.0.1": true,
		"127.0.0.1": false, "127.255.0.1": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.127.255.255": false,
		"100.128.0.1": true, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "192.0.2.1": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false,
		"ff02::1": false, "::ffff:169.254.169.254": false, "::ffff:127.0.0.1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "2002:7f00:1::": false, "2001:db8::1": false, "2001::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v, want %v", text, got, want)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// The list named what is special and let through all the rest: what is assigned to nobody, IPv4 in the interface part of an
// IPv6 address (ISATAP), and special ranges that were not on it.
func TestPublicIsAnAllowList(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "9.9.9.9": true, "100.63.255.255": true, "126.255.255.254": true, "191.255.0.1": true, "223.255.255.254": true,
		"2001:200::1": true, "2001:4860:4860::8888": true, "2400:cb00::1": true, "2a00:1450::1": true, "3ffe::1": true,
		"::ffff:7f00:1": false, "::ffff:10.0.0.1": false, "::10.0.0.1": false, "::8.8.8.8": false, // mapped, compatible
		"64:ff9b::808:808": false, "64:ff9b::a00:1": false, "64:ff9b:1:ffff::a00:1": false, // NAT64
		"2002:a00:1::1": false, "2002:808:808::1": false, "2001:0:4136:e378:8000:63bf:f5ff:fffe": false, // 6to4, Teredo
		"2606:4700::5efe:7f00:1": false, "2606:4700::200:5efe:a00:1": false, "2606:4700::5efe:808:808": false, // ISATAP
		"2606:4700::5eff:7f00:1": true, "2606:4700:0:0:400:5efe:808:808": true, // only like it
		"1fff:ffff::1": false, "4000::1": false, "5f00::1": false, "8000::1": false, "e000::1": false, "fec0::1": false,
		"100::1": false, "200::1": false, "400::1": false, "::2": false, "64:ff9a::1": false, "2001:1ff::1": false,
		"3fff::1": false, "3fff:fff::1": false, "2620:4f:8000::1": false, "2620:4f:8001::1": true,
		"192.31.196.1": false, "192.52.193.1": false, "192.175.48.1": false, "192.88.99.1": false, "168.63.129.16": false,
		"168.63.129.17": true, "203.0.113.9": false, "198.51.100.1": false, "240.0.0.1": false, "239.1.1.1": false, "0.1.2.3": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v, want %v", text, got, want)
		}
	}
}

// 92 and 93: the address is checked when it is dialled, after the name was looked up.
func TestPrivateTargetIsRefusedAtDial(t *testing.T) {
	v := receive(t, nil)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(v.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		s := startSink(t, SinkConfig{URL: "http://" + host + ":" + port, Network: "public"}, nil)
		for what, err := range map[string]error{"Send": s.Send(t.Context(), list(parse(t, minimalJSON))), "Ready": s.Ready(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), "not a public address") {
				t.Errorf("%s: %s gave %v", host, what, err)
			}
		}
	}
	if n := len(v.receipts()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
	s := startSink(t, SinkConfig{URL: v.URL}, nil)
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("network any: %v", err)
	}
}

func TestReadyReportsWhatIsNotThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	s := startSink(t, SinkConfig{URL: "http://" + addr}, nil)
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v", err)
	}
}

// authority makes certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.make(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// make writes NAME.pem and NAME.key.
func (a *authority) make(t *testing.T, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore = time.Now().Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := c, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) tls(name string) *security.TLS {
	t := &security.TLS{CA: filepath.Join(a.dir, "ca.pem")}
	if name != "" {
		t.Cert, t.Key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	}
	return t
}

func TestTLS(t *testing.T) { // 32
	a, other := newAuthority(t), newAuthority(t)
	a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	for name, c := range map[string]*x509.Certificate{
		"good": {DNSNames: []string{"Sender.example"}}, "wrong-name": {DNSNames: []string{"other.example"}},
		"expired": {DNSNames: []string{"sender.example"}, NotAfter: time.Now().Add(-time.Minute)},
	} {
		a.make(t, name, c)
	}
	other.make(t, "good", &x509.Certificate{DNSNames: []string{"sender.example"}})
	p := startSource(t, SourceConfig{TLS: a.tls("server"), Auth: &SourceAuth{ClientNames: []string{"sender.example"}}})
	stranger := other.tls("good")
	stranger.CA = a.tls("").CA
	for _, tt := range []struct {
		name string
		tls  *security.TLS
		want string
	}{
		{"good", a.tls("good"), "ok"},
		{"right CA, wrong name", a.tls("wrong-name"), "later 30s"}, // 403
		{"expired", a.tls("expired"), "transient"},
		{"another CA", stranger, "transient"},
		{"no certificate", a.tls(""), "transient"},
		{"does not trust the server", other.tls(""), "transient"},
	} {
		s := startSink(t, SinkConfig{URL: "https://" + p.Addr(), TLS: tt.tls}, nil)
		if got := class(s.Send(t.Context(), list(parse(t, minimalJSON)))); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := len(p.events()); n != 1 {
		t.Errorf("%d events were taken, want 1", n)
	}
}

// Over TLS there is HTTP/2, and HTTP/1.1 has the same framing as on a plain port: there every chunked request had to end its
// connection, because two lengths could not be seen.
func TestTLSProtocols(t *testing.T) {
	a := newAuthority(t)
	a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	serverTLS := a.tls("server")
	serverTLS.CA = "" // no client certificates
	p := startSource(t, SourceConfig{TLS: serverTLS})
	clientTLS, err := a.tls("").Client()
	if err != nil {
		t.Fatal(err)
	}
	tr := &nethttp.Transport{TLSClientConfig: clientTLS.Clone(), ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(request(t, "POST", "https://"+p.Addr(), minimal, strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 204 {
		t.Errorf("%s %s", resp.Proto, resp.Status)
	}
	head := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n")
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
	for text, want := range map[string]string{
		chunked + chunked + head + "Connection: close\r\n\r\n":                                              "204 204 204",
		chunked + head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + head + "\r\n": "204 400",
		head + "ce-a: b\r\n c\r\n\r\n":                                                                      "400",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                                  "505",
	} {
		c, err := tls.Dial("tcp", p.Addr(), clientTLS)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(statuses(readAll(t, c, 5*time.Second)), " "); got != want {
			t.Errorf("3 over TLS: %s, want %s for %q", got, want, text)
		}
	}
	plain := raw(t, p.Addr(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 5*time.Second)
	if !strings.HasPrefix(plain, "HTTP/1.0 400 ") {
		t.Errorf("a plain request got %q", plain)
	}
}

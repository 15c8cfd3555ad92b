package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/internal/config"
)

// writePair writes a certificate with that number, and its key.
func writePair(t *testing.T, dir string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: cert}, "tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// running is a router of a test that watches its files.
type running struct {
	in      *Instance
	log     *observer.ObservedLogs
	hangups chan os.Signal
}

// runFile runs the configuration of a file until the test ends.
func runFile(t *testing.T, path string) *running {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	r := &running{log: logs, hangups: make(chan os.Signal, 1)}
	s := Settings{Log: zap.New(core), Events: io.Discard}
	s.Files = Record(&s.Env)
	cfg, err := config.Load([]string{path}, s.Env)
	if err != nil {
		t.Fatal(err)
	}
	if r.in, err = Build(cfg, s); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	watching := r.in.Watch(ctx, []string{path}, r.hangups)
	ran := make(chan error, 1)
	go func() { ran <- r.in.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		<-watching
		r.in.Close()
	})
	return r
}

// refused returns why the last reload was refused.
func (r *running) refused() string {
	if last := r.in.reloads.figures().Last; last != nil {
		return last.Error()
	}
	return ""
}

// TestReloadRefusesAChangedCertificate: after a new certificate and SIGHUP the log said "configuration applied" and the
// metric counted it as done, while the old certificate was served on.
func TestReloadRefusesAChangedCertificate(t *testing.T) {
	dir, certs := t.TempDir(), t.TempDir() // only the first is watched
	writePair(t, certs, 1)
	path := filepath.Join(dir, "router.yaml")
	text := strings.Replace(reloadConfig, "path: /", "tls: { cert: "+certs+"/tls.crt, key: "+certs+"/tls.key }", 1)
	text = strings.NewReplacer("type: %s", "type: a", "unmatched: %s", "unmatched: drop").Replace(text)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runFile(t, path)
	served := func() int64 {
		t.Helper()
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		c, err := d.DialContext(t.Context(), "tcp", r.in.wiring.IngressAddr("in"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	eventually(t, "the source serves", func() bool {
		return r.log.FilterMessage("router started").Len() == 1 && served() == 1
	})
	old, err := os.ReadFile(filepath.Join(certs, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	oldKey, err := os.ReadFile(filepath.Join(certs, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, certs, 2)
	r.hangups <- syscall.SIGHUP
	eventually(t, "the change is refused", func() bool { return r.in.reloads.figures().Failed == 1 })
	if got, want := r.refused(), path+":2:"; !strings.HasPrefix(got, want) ||
		!strings.Contains(got, "sources.in.http.tls.cert: the file "+certs+"/tls.crt has changed; a restart is needed") ||
		!strings.Contains(got, "tls.key has changed") {
		t.Errorf("got %q", got)
	}
	if served() != 1 || r.log.FilterMessage("configuration applied").Len() > 0 || r.in.reloads.figures().Done > 0 {
		t.Errorf("certificate %d is served, log %v", served(), r.log.All())
	}
	if err := os.Remove(filepath.Join(certs, "tls.key")); err != nil {
		t.Fatal(err)
	}
	r.hangups <- syscall.SIGHUP
	eventually(t, "a file that is gone is refused", func() bool {
		return strings.Contains(r.refused(), "can no longer be read: no such file or directory; a restart would fail")
	})
	for name, text := range map[string][]byte{"tls.crt": old, "tls.key": oldKey} {
		if err := os.WriteFile(filepath.Join(certs, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.hangups <- syscall.SIGHUP
	eventually(t, "what was put back is fine", func() bool { return r.in.reloads.figures().Done == 1 })
}

// TestWatchNoticesChangedCredentials holds that a changed file beside the configuration is noticed without a signal: a key
// needs a restart, which is said, and a file of credentials is read again by the client itself.
func TestWatchNoticesChangedCredentials(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, 1)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("n.creds", "old")
	write("token", "old")
	text := strings.Replace(reloadConfig, "out: { stdout: {} }",
		`out: { stdout: {} }, n: { nats: { url: "nats://127.0.0.1:1", subject: s, creds: `+dir+`/n.creds } }`, 1)
	text = strings.Replace(text, "path: /", `auth: { bearer: ["${file:token}"] }, tls: { cert: `+dir+"/tls.crt, key: "+dir+"/tls.key }", 1)
	write("router.yaml", strings.NewReplacer("type: %s", "type: a", "unmatched: %s", "unmatched: drop").Replace(text))
	core, logs := observer.New(zap.InfoLevel)
	s := Settings{Log: zap.New(core), Events: io.Discard}
	s.Files = Record(&s.Env)
	path := filepath.Join(dir, "router.yaml")
	cfg, err := config.Load([]string{path}, s.Env)
	if err != nil {
		t.Fatal(err)
	}
	in, err := Build(cfg, s) // it is never run: no server is there
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, stop := context.WithCancel(t.Context())
	watching := in.Watch(ctx, []string{path}, nil)
	defer func() { stop(); <-watching }()

	last := func() string {
		if err := in.reloads.figures().Last; err != nil {
			return err.Error()
		}
		return ""
	}
	write("n.creds", "new")
	eventually(t, "new credentials are told of", func() bool {
		return logs.FilterMessage("a file has changed; it is read at the next connection").
			FilterField(zap.String("key", "sinks.n.nats.creds")).Len() == 1
	})
	if got := last(); got != "" {
		t.Errorf("credentials that the client reads again are refused: %s", got)
	}
	writePair(t, dir, 2)
	eventually(t, "a new certificate is refused", func() bool { return strings.Contains(last(), "tls.crt has changed") })
	write("token", "new")
	eventually(t, "a new token is refused", func() bool { return strings.Contains(last(), "a change of sources needs a restart") })
}

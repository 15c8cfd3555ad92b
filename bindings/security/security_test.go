package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
)

const canary = "canary-9f3a"

// TestSecretNeverPrints prints a secret in every way that the standard library and the logger know.
func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(canary)
	holder := struct {
		Value   Secret
		Pointer *Secret
		List    []Secret
		Map     map[string]Secret
		Any     any
		hidden  Secret
	}{s, &s, []Secret{s}, map[string]Secret{"k": s}, s, s}
	var prints []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%f", "%o", "%p", "%w", "%T"} {
		prints = append(prints, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, holder))
	}
	prints = append(prints, fmt.Sprint(s), fmt.Errorf("wrapped: %v", s).Error(), s.String(), s.GoString())
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := s.MarshalText()
	prints = append(prints, string(text), string(plain))

	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("m", zap.Any("any", s), zap.Any("pointer", &s), zap.Any("holder", holder), zap.Object("object", s),
		zap.Stringer("stringer", s), zap.Reflect("reflect", s), zap.Any("list", holder.List), zap.Inline(s))
	for _, enc := range []zapcore.Encoder{
		zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.NewConsoleEncoder(zapcore.EncoderConfig{}),
	} {
		line, err := enc.EncodeEntry(zapcore.Entry{}, logs.All()[0].Context)
		if err != nil {
			t.Fatal(err)
		}
		prints = append(prints, line.String())
	}
	for _, p := range prints {
		if strings.Contains(p, canary) || strings.Contains(strings.ToLower(p), fmt.Sprintf("%x", canary)) {
			t.Errorf("the secret is shown: %s", p)
		}
	}
	if !strings.Contains(string(text), `"Value":"[redacted]"`) || !strings.Contains(prints[0], "[redacted]") {
		t.Errorf("nothing says that something is hidden: %s, %s", text, prints[0])
	}
}

func TestSecretKeepsItsText(t *testing.T) {
	var s Secret
	if !s.IsZero() || s.String() != "" || s.Reveal() != "" {
		t.Errorf("the zero secret is %q", s)
	}
	if err := json.Unmarshal([]byte(`"`+canary+`"`), &s); err != nil {
		t.Fatal(err)
	}
	if s.IsZero() || s.Reveal() != canary {
		t.Error("the text is lost")
	}
	if !reflect.DeepEqual(s, NewSecret(canary)) || reflect.DeepEqual(s, NewSecret("other")) {
		t.Error("secrets do not compare by their text")
	}
}

// authority is a certificate authority of the test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", der)}
}

// issue writes a certificate for name, and its key.
func (a *authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(a.file)
	return writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der),
		writePEM(t, filepath.Join(dir, name+".key"), "PRIVATE KEY", pkcs8)
}

// handshake lets a client and a server speak over a loopback connection and returns what each says of the other.
func handshake(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		if err = s.Handshake(); err == nil {
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := tls.Client(c, client)
	// With TLS 1.3 the client learns only by reading that the server refused its certificate.
	if clientErr = s.Handshake(); clientErr == nil {
		_, clientErr = io.ReadFull(s, make([]byte, 1))
	}
	c.Close()
	return clientErr, <-done
}

func mustTLS(t *testing.T, make func() (*tls.Config, error)) *tls.Config {
	t.Helper()
	c, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHandshakes(t *testing.T) {
	ours, theirs := newAuthority(t, t.TempDir()), newAuthority(t, t.TempDir())
	cert, key := ours.issue(t, "server.test")
	mine, myKey := ours.issue(t, "client.test")
	foreign, foreignKey := theirs.issue(t, "client.test")
	open := mustTLS(t, (&TLS{Cert: cert, Key: key}).Server)
	mutual := mustTLS(t, (&TLS{Cert: cert, Key: key, CA: ours.file}).Server)
	for _, c := range []struct {
		name   string
		client TLS
		server *tls.Config
		want   bool
	}{
		{"trusted", TLS{CA: ours.file, ServerName: "server.test"}, open, true},
		{"the system trusts no test authority", TLS{ServerName: "server.test"}, open, false},
		{"another authority", TLS{CA: theirs.file, ServerName: "server.test"}, open, false},
		{"another name", TLS{CA: ours.file, ServerName: "other.test"}, open, false},
		{"mutual", TLS{CA: ours.file, ServerName: "server.test", Cert: mine, Key: myKey}, mutual, true},
		{"mutual without a certificate", TLS{CA: ours.file, ServerName: "server.test"}, mutual, false},
		{"mutual with a foreign certificate", TLS{CA: ours.file, ServerName: "server.test", Cert: foreign, Key: foreignKey}, mutual, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			clientErr, serverErr := handshake(t, mustTLS(t, c.client.Client), c.server)
			if got := clientErr == nil && serverErr == nil; got != c.want {
				t.Errorf("client says %v, server says %v, want success %v", clientErr, serverErr, c.want)
			}
		})
	}
	old := mustTLS(t, (&TLS{CA: ours.file, ServerName: "server.test"}).Client)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if clientErr, _ := handshake(t, old, open); clientErr == nil {
		t.Error("TLS 1.1 is accepted")
	}
}

func TestAbsentTLS(t *testing.T) {
	var none *TLS
	if c, err := none.Client(); c != nil || err != nil {
		t.Errorf("Client of nothing = %v, %v", c, err)
	}
	if c, err := none.Server(); c != nil || err != nil {
		t.Errorf("Server of nothing = %v, %v", c, err)
	}
	c := mustTLS(t, (&TLS{}).Client)
	if c.RootCAs != nil || c.MinVersion != tls.VersionTLS12 || c.InsecureSkipVerify {
		t.Errorf("an empty block gives %+v, want the system's authorities", c)
	}
}

func TestTLSMistakes(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir)
	cert, key := ours.issue(t, "a.test")
	_, otherKey := ours.issue(t, "b.test")
	noPEM := filepath.Join(dir, "text")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		name        string
		tls         TLS
		field       string
		environment bool
		is          error
	}{
		{"no such ca", TLS{CA: none, Cert: cert, Key: key}, "tls.ca", true, fs.ErrNotExist},
		{"ca without a certificate", TLS{CA: noPEM, Cert: cert, Key: key}, "tls.ca", true, nil},
		{"no such cert", TLS{Cert: none, Key: key}, "tls.cert", true, fs.ErrNotExist},
		{"no such key", TLS{Cert: cert, Key: none}, "tls.key", true, fs.ErrNotExist},
		{"key of another cert", TLS{Cert: cert, Key: otherKey}, "tls.cert", true, nil},
		{"cert alone", TLS{Cert: cert}, "tls", false, nil},
		{"key alone", TLS{Key: key}, "tls", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for side, make := range map[string]func() (*tls.Config, error){"client": c.tls.Client, "server": c.tls.Server} {
				_, err := make()
				var f *bindings.FieldError
				if !errors.As(err, &f) || f.Field != c.field || f.Environment != c.environment {
					t.Errorf("%s: got %#v, want a FieldError of %s", side, err, c.field)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s: %v does not wrap %v", side, err, c.is)
				}
			}
		})
	}
	if _, err := (&TLS{}).Server(); err == nil {
		t.Error("a server without a certificate is accepted")
	}
}

// TestTLSFilesAreRegularFiles: a certificate authority that was a device filled the memory, and a pipe kept the start waiting.
func TestTLSFilesAreRegularFiles(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir)
	cert, key := a.issue(t, "localhost")
	large := filepath.Join(dir, "large.pem")
	if err := os.WriteFile(large, make([]byte, maxPEM+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tls         TLS
		field, want string
	}{
		{TLS{CA: "/dev/zero"}, "tls.ca", "is not a regular file but a device"},
		{TLS{Cert: dir, Key: key}, "tls.cert", "is not a regular file but a folder"},
		{TLS{Cert: cert, Key: "/dev/zero"}, "tls.key", "is not a regular file but a device"},
		{TLS{Cert: cert, Key: large}, "tls.key", "is larger than 4 MiB"},
		{TLS{Cert: cert, Key: filepath.Join(dir, "none")}, "tls.key", "no such file"},
		{TLS{Cert: cert, Key: a.file}, "tls.cert", "found a certificate"},
	} {
		_, err := c.tls.Client()
		var field *bindings.FieldError
		if !errors.As(err, &field) || field.Field != c.field || !field.Environment || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s: %s", c.tls, err, c.field, c.want)
		}
	}
}

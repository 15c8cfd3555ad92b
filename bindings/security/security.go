// Package security holds what the configurations of several bindings share: secrets that never print, and TLS.
package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"go.uber.org/zap/zapcore"

	"github.com/eventrouter/router/bindings"
)

// redacted is what a secret prints as.
const redacted = "[redacted]"

// Secret is a configuration value that no log, error, metric or page shows again. Reveal is the only way to its text.
// Secrets are compared with reflect.DeepEqual, not with ==.
type Secret struct {
	// text is a pointer because fmt calls no methods on the unexported fields of a struct, nor for %p: it prints what
	// is in the secret, and of a pointer that is the address.
	text *string
}

// NewSecret returns a secret with that text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the secret's text, for the client library that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Stated reports whether the configuration has the secret, be it empty.
func (s Secret) Stated() bool { return s.text != nil }

// UnmarshalText reads a secret.
func (s *Secret) UnmarshalText(text []byte) error { *s = NewSecret(string(text)); return nil }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String hides the secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// Format hides the secret from every verb: without it, one that is not for text, such as %d, would print the field.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalLogObject hides the secret from zap.
func (s Secret) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("secret", s.String())
	return nil
}

// TLS is how a binding authenticates its peer and itself. Its presence turns TLS on; an empty block uses the
// system's certificate authorities.
type TLS struct {
	// CA is a PEM file with the certificate authorities to trust instead of the system's.
	CA string `yaml:"ca,omitempty" file:"start"`
	// Cert and Key are PEM files with the own certificate and its private key.
	Cert string `yaml:"cert,omitempty" file:"start"`
	Key  string `yaml:"key,omitempty" file:"start"`
	// ServerName is the name to expect in the peer's certificate, when it is not the host that was dialled.
	ServerName string `yaml:"server_name,omitempty"`
}

// Client returns the settings of a TLS client. Errors are FieldErrors below "tls".
func (t *TLS) Client() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	pool, certs, err := t.load()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: certs, ServerName: t.ServerName,
	}, nil
}

// Server returns the settings of a TLS server. With a CA, clients must present a certificate it signed. Errors are
// FieldErrors below "tls".
func (t *TLS) Server() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	if t.Cert == "" || t.Key == "" {
		return nil, bindings.Invalid("tls", "a server needs cert and key")
	}
	pool, certs, err := t.load()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certs}
	if pool != nil {
		c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return c, nil
}

func (t *TLS) load() (*x509.CertPool, []tls.Certificate, error) {
	var pool *x509.CertPool
	if t.CA != "" {
		pem, err := readPEM(t.CA)
		if err != nil {
			return nil, nil, bindings.Missing("tls.ca", err)
		}
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, bindings.Missing("tls.ca", errors.New(t.CA+" holds no PEM certificate"))
		}
	}
	if t.Cert == "" && t.Key == "" {
		return pool, nil, nil
	}
	if t.Cert == "" || t.Key == "" {
		return nil, nil, bindings.Invalid("tls", "cert and key belong together")
	}
	chain, err := readPEM(t.Cert)
	if err != nil {
		return nil, nil, bindings.Missing("tls.cert", err)
	}
	key, err := readPEM(t.Key)
	if err != nil {
		return nil, nil, bindings.Missing("tls.key", err)
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, nil, bindings.Missing("tls.cert", err)
	}
	return pool, []tls.Certificate{cert}, nil
}

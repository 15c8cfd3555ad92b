package http

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// handshakeMemory is what a handshake may have without taking from the memory of all connections, in bytes as they come.
const handshakeMemory = 4 << 10

// handshakeConn counts what a connection sends before its handshake is over: crypto/tls keeps messages of up to 64 KiB.
type handshakeConn struct {
	net.Conn
	guard *guardConn
	n     int
}

var errHandshakeRoom = errors.New("http: the handshakes of all connections take as much memory as they may")

// Read counts until the handshake is over.
func (c *handshakeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.guard.begun {
		return n, err
	}
	before := max(c.n, handshakeMemory)
	if c.n += n; c.n > before && !c.guard.charge(2*(c.n-before)) {
		return 0, errHandshakeRoom
	}
	return n, err
}

// begin makes the handshake of a connection with TLS, before the first read. net/http has set the time for it.
func (c *guardConn) begin() error {
	if c.begun || c.tls == nil {
		return nil
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.ports.headerTime)) // a closed connection says so below
	err := c.tls.HandshakeContext(context.Background())
	c.release()
	if err != nil {
		if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			_, _ = io.WriteString(c.raw, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks HTTPS.\n") // the sender may have gone
		}
		return err
	}
	c.begun = true
	_ = c.raw.SetWriteDeadline(time.Time{})
	state := c.tls.ConnectionState()
	if c.state = &state; state.NegotiatedProtocol != "h2" {
		return nil
	}
	if state.Version < tls.VersionTLS13 && !slices.Contains(http2Suites, state.CipherSuite) {
		return errors.New("http: HTTP/2 forbids this cipher suite")
	}
	c.frames = newFrameGuard(c)
	return nil
}

// http2Suites are the suites of TLS 1.2 that HTTP/2 allows (RFC 9113 §9.2.2).
var http2Suites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// looksLikeHTTP reports whether a TLS record's header is the beginning of a plain request.
func looksLikeHTTP(h [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"}, string(h[:]))
}

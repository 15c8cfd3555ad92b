package http

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	nethttp "net/http"
	"net/netip"
	"syscall"
	"time"
)

// Times of a connection. A target's address can change behind its name, and a busy connection never looks it up again:
// so all are replaced from time to time.
const (
	dialTimeout     = 5 * time.Second
	idleTimeout     = 30 * time.Second
	transportMaxAge = 5 * time.Minute
)

// special are the networks that a public target cannot be in.
var special = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4",
		"::/128", "::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
		"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// public reports whether an address is one of the public internet. IPv4 inside IPv6 counts as what it holds.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

// refusePrivate is a net.Dialer's Control. It sees the address that is really dialled, after every look-up, so that a
// name which changes its meaning between a check and the connection gains nothing.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s cannot be checked: %w", address, err)
	}
	if !public(ap.Addr()) {
		return fmt.Errorf("%s is not a public address, and the sink says network: public", ap.Addr())
	}
	return nil
}

// newDialer returns the dialer of a sink.
func newDialer(publicOnly bool) *net.Dialer {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	if publicOnly {
		d.Control = refusePrivate
	}
	return d
}

// newTransport returns a transport of the sink's own. It knows no proxy, follows nothing, stores no cookies and asks for
// no compression.
func newTransport(d *net.Dialer, tlsConfig *tls.Config, timeout time.Duration, connections int) *nethttp.Transport {
	return &nethttp.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.DialContext(ctx, network, address)
		},
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  timeout,
		IdleConnTimeout:        idleTimeout,
		MaxConnsPerHost:        connections,
		MaxIdleConnsPerHost:    max(connections, 2),
		MaxIdleConns:           max(connections, 2),
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		HTTP2: &nethttp.HTTP2Config{
			SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second, WriteByteTimeout: 10 * time.Second,
		},
	}
}

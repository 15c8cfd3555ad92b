package http

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	nethttp "net/http"
	"net/netip"
	"slices"
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

// What a public target may be is an allow list: addresses that the registries give out for the internet, less what IANA
// keeps for special purposes (the IPv4 and IPv6 Special-Purpose Address Registries). Ranges that are assigned to nobody
// are refused too, because a network may use them inside.
var (
	globalUnicast = prefixes("1.0.0.0/8", "2.0.0.0/7", "4.0.0.0/6", "8.0.0.0/5", "16.0.0.0/4", "32.0.0.0/3", "64.0.0.0/2",
		"128.0.0.0/2", "192.0.0.0/3", "2000::/3")
	special = prefixes(
		"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24",
		"168.63.129.16/32", // Azure's platform services, which only its own machines reach
		"2001::/23",        // Teredo, which holds an IPv4 address, ORCHID and benchmarks
		"2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
		"2002::/16", // 6to4, which holds an IPv4 address
	)
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// public reports whether an address is one of the public internet. A mapped IPv4 address counts as what it holds. Every
// other way to put an IPv4 address into an IPv6 one is refused whatever it holds: the compatible form and the prefixes
// of NAT64 are not in 2000::/3, 6to4 and Teredo are special, and ISATAP can be below any prefix.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(globalUnicast, in) && !slices.ContainsFunc(special, in) && !isatap(a)
}

// isatap reports whether the interface part of an address is 0:5efe or 200:5efe before an IPv4 address (RFC 5214).
func isatap(a netip.Addr) bool {
	b := a.As16()
	return a.Is6() && b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
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

package config

import (
	"net"
	"net/netip"
	"strings"
)

// exposure warns of ports that other machines reach and that ask nobody who it is.
func (l *loader) exposure(c *Config) {
	if n := c.root.at("admin", "listen"); n != nil && exposed(c.Admin.Listen) {
		l.warn(n, "other machines reach the admin server, which has no authentication; listen on 127.0.0.1, or see to it that only "+
			"the right ones reach the port")
	}
	if n := c.root.at("embedded", "listen"); n != nil && exposed(c.Embedded.Listen) && !c.Embedded.Authenticates() {
		l.warn(n, "other machines reach the embedded server, which asks nobody who it is; set user and password, or token, or listen "+
			"on 127.0.0.1")
	}
	for _, name := range c.SourceNames() {
		h := c.Sources[name].HTTP
		if h == nil || !exposed(h.Listen) || h.Auth != nil || h.TLS != nil && h.TLS.CA != "" {
			continue
		}
		l.warn(c.root.at("sources", name, "http", "listen"), "other machines reach this port, and everybody who does can send events; "+
			"set auth, or tls with ca, or listen on 127.0.0.1")
	}
}

// exposed reports whether other machines may reach an address that is listened on.
func exposed(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return false // which is reported
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(name); err == nil {
		return !ip.Unmap().IsLoopback()
	}
	return name != "localhost" && !strings.HasSuffix(name, ".localhost")
}

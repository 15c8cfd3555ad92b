package sqs

import (
	"cmp"
	"net"
	"net/url"
	"strings"
)

// Meets reports whether a sink may write to the queue that a source reads: their names are the same, and nothing that both
// say of the region, the account and the service differs. A name, a URL and an ARN may stand for the same queue.
func (c SinkConfig) Meets(from SourceConfig) bool {
	to, err := parseQueue(c.Queue)
	if err != nil {
		return false
	}
	read, err := parseQueue(from.Queue)
	if err != nil {
		return false
	}
	agree := func(a, b string) bool { return a == "" || b == "" || a == b }
	return to.name == read.name && agree(to.account, read.account) &&
		agree(cmp.Or(c.Region, to.region), cmp.Or(from.Region, read.region)) &&
		service(cmp.Or(c.Endpoint, to.endpoint)) == service(cmp.Or(from.Endpoint, read.endpoint))
}

// service names the service of an endpoint: empty for that of AWS, which has many addresses, and host and port for others.
func service(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return endpoint
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") {
		return ""
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	return net.JoinHostPort(host, cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme]))
}

package config

import (
	"maps"
	"slices"
	"strings"
)

// transportWords are the keys of transports that take one of a few words. The bindings check them, but take no word at
// all for the default, and so cannot tell an empty one from a key that is not there.
var transportWords = map[string][]string{
	"kafka.start":           {"earliest", "latest"},
	"kafka.isolation_level": {"read_committed", "read_uncommitted"},
	"kafka.compression":     {"snappy", "lz4", "zstd", "gzip", "none"},
	"kafka.acks":            {"all", "leader", "none"},
	"kafka.timestamp":       {"keep", "now", "event"},
	"nats.start":            {"all", "new"},
	"nats.create.storage":   {"file", "memory"},
	"nats.create.retention": {"limits", "workqueue", "interest"},
	"nats.create.discard":   {"new", "old"},
	"sqs.dedup":             {"id", "content", "none"},
	"http.header_encoding":  {"strict", "lenient", "raw"},
	"http.network":          {"any", "public"},
	"http.sign.attributes":  {"signed", "unsigned"},

	"http.auth.hmac.attributes": {"signed", "unsigned"},
}

// emptyWords refuses words of a transport that are stated and empty. A variable that is empty asks for the default.
func (l *loader) emptyWords(transport *node) {
	for _, key := range slices.Sorted(maps.Keys(transportWords)) {
		path := strings.Split(key, ".")
		n := transport.at(path[1:]...)
		if path[0] == transport.key && n != nil && n.value == "" && len(n.replaced) == 0 && !n.bad && !n.wrong {
			l.add(n, "expected %s, got %s; remove the key for the default", list(transportWords[key]), n.quote())
		}
	}
}

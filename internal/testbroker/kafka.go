package testbroker

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// NewKafkaProxy starts a proxy to a Kafka broker. A Kafka client goes on to the address that the broker advertises, and
// so past an ordinary proxy; this one puts its own address where an answer has that of the broker. The broker must
// advertise the address in dotted decimals, and must not want TLS.
func NewKafkaProxy(tb testing.TB, broker string) *Proxy {
	tb.Helper()
	host, _, err := net.SplitHostPort(broker)
	if err != nil {
		tb.Fatalf("proxy: %v", err)
	}
	if host != "127.0.0.1" {
		tb.Fatalf("proxy: the broker is at %s, want 127.0.0.1: the addresses must be of the same length", host)
	}
	return newProxy(tb, broker, func(own net.Addr, answers io.Reader) io.Reader {
		return &advertised{answers: answers, broker: onWire(tb, broker), own: onWire(tb, own.String())}
	})
}

// onWire writes an address as Kafka's answers have it: the host, then the port in four bytes.
func onWire(tb testing.TB, addr string) []byte {
	host, port, ok := strings.Cut(addr, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil {
		tb.Errorf("proxy: address %q: %v", addr, err)
	}
	return binary.BigEndian.AppendUint32([]byte(host), uint32(n))
}

// advertised reads a broker's answers with its address replaced. It hands on whole answers, so that no address is
// overlooked because it arrived in two pieces.
type advertised struct {
	answers     io.Reader
	broker, own []byte
	rest        []byte // of the present answer
}

func (a *advertised) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		var length [4]byte
		if _, err := io.ReadFull(a.answers, length[:]); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(a.answers, body); err != nil {
			return 0, err
		}
		a.rest = append(length[:], bytes.ReplaceAll(body, a.broker, a.own)...)
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

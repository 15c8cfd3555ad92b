package http

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// header is a request header without its end, of about n bytes in lines of a few bytes each.
func tinyHeaders(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	b.WriteString("POST / HTTP/1.1\r\nHost: x\r\n")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%c%c%c:\r\n", letters[i/36/36%36], letters[i/36%36], letters[i%36])
	}
	return b.String()
}

// mostMemory is what an attack may take over idle. The aim is 150 MiB, which holds on a machine with nothing else to do; on
// one that is busy the collector lags.
const mostMemory = 200 << 20

// 640 unfinished requests of 250 KiB in six-byte headers took 2.2 GiB: net/http builds the whole map before anybody can look
// at it. Whatever comes before a request is whole is bounded now, over all connections.
func TestHeadersOfAllConnectionsAreBounded(t *testing.T) {
	for _, tt := range []struct {
		name        string
		connections int
		text        string
	}{
		{"640 of 250 KiB in six-byte headers", 640, tinyHeaders(250 << 10)},
		{"4096 of 250 KiB in six-byte headers", 4096, tinyHeaders(250 << 10)},
		{"4096 with one line of 250 KiB", 4096, "POST / HTTP/1.1\r\nHost: x\r\na: " + strings.Repeat("x", 250<<10)},
		{"4096 with a request line of 250 KiB", 4096, "POST /" + strings.Repeat("x", 250<<10)},
		{"4096 with 4 KiB", 4096, tinyHeaders(250) + "a: " + strings.Repeat("x", 4000)},
		{"4096 with 1,000 bytes", 4096, tinyHeaders(1000)},
		{
			"4096 with a large request and the beginning of another", 4096, "GET / HTTP/1.1\r\nHost: x\r\na: " +
				strings.Repeat("x", 200<<10) + "\r\n\r\nG",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t, false)
			v.attack(tt.connections, func(c net.Conn) { io.WriteString(c, tt.text) })
			v.cost(tt.name, mostMemory)
		})
	}
}

// Over TLS the guard saw nothing, and a chunked request had to end its connection.
func TestHeadersOfAllConnectionsAreBoundedOverTLS(t *testing.T) {
	for _, tt := range []struct {
		name        string
		connections int
		text        string
	}{
		{"640 of 250 KiB in six-byte headers", 640, tinyHeaders(250 << 10)},
		{"4096 with one line of 250 KiB", 4096, "POST / HTTP/1.1\r\nHost: x\r\na: " + strings.Repeat("x", 250<<10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t, true)
			v.attack(tt.connections, func(c net.Conn) { io.WriteString(c, tt.text) })
			v.cost(tt.name, mostMemory)
		})
	}
	t.Run("2048 with a record without end", func(t *testing.T) {
		v := newVictim(t, true)
		v.attack(2048, func(c net.Conn) {
			c.(*tls.Conn).NetConn().Write([]byte("\x17\x03\x03\x40\x00x"))
		})
		v.cost("records", mostMemory)
	})
}

// A handshake that does not end held what crypto/tls keeps of it, up to 64 KiB, and its connection for 5 s.
func TestHandshakesAreBounded(t *testing.T) {
	record := "\x16\x03\x01\x40\x00\x01\x00\xff\xff" + strings.Repeat("x", 16<<10-4)
	more := "\x16\x03\x01\x40\x00" + strings.Repeat("x", 16<<10)
	for _, tt := range []struct{ name, text string }{
		{"4096 with a ClientHello of 64 KiB without end", record + more + more + more[:8<<10]},
		{"4096 that announce a record", record[:9]},
		{"4096 that send nothing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t, true)
			v.raw = true
			v.attack(4096, func(c net.Conn) { io.WriteString(c, tt.text) })
			v.cost(tt.name, mostMemory)
		})
	}
}

// frame returns an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	b = binary.BigEndian.AppendUint32(b, stream)
	return append(b, payload...)
}

// block returns a header block of a request, and fields beside it that are not kept in a table.
func block(method byte, fields ...string) []byte {
	b := []byte{method, 0x87, 0x84, 0x41, 1, 'x'} // :method, :scheme https, :path /, :authority x
	for i := 0; i < len(fields); i += 2 {
		b = append(b, 0)
		for _, s := range fields[i : i+2] {
			if len(s) < 127 {
				b = append(b, byte(len(s)))
			} else {
				b = append(b, 127)
				b = binary.AppendUvarint(b, uint64(len(s)-127))
			}
			b = append(b, s...)
		}
	}
	return b
}

const (
	hpackGET, hpackPOST = 0x82, 0x83
	framePing           = 0x6
	frameSettings       = 0x4
)

// hello is how an HTTP/2 connection begins. The window for answers is 0.
func hello() []byte {
	window := []byte{0, 4, 0, 0, 0, 0}
	return append([]byte(clientPreface), frame(frameSettings, 0, 0, window)...)
}

// Over HTTP/2 each connection could make net/http set 1 MiB aside for a frame, keep a header block that never ends, or have
// it queue answers that nobody reads; and a window of 0 held every refused stream with its header for good.
func TestHTTP2ConnectionsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 15<<10)
	continuation := bytes.Join([][]byte{
		hello(), frame(frameHeaders, 0, 1, block(hpackPOST, "a", long)), bytes.Repeat(frame(frameContinuation, 0, 1, block(hpackPOST, "b", long)[6:]), 14),
	}, nil)
	// One entry in the table, and then one byte for each time that it is a field.
	bomb := append(block(hpackGET), 0x40, 1, 'a', 127)
	bomb = append(append(binary.AppendUvarint(bomb, 3000-127), bytes.Repeat([]byte("v"), 3000)...), bytes.Repeat([]byte{0xbe}, 80)...)
	stalled := hello()
	for i := range uint32(100) {
		stalled = append(stalled, frame(frameHeaders, flagEndStream|flagEndHeaders, 2*i+1, bomb)...)
	}
	large := hello()
	for i := range uint32(100) {
		large = append(large, frame(frameHeaders, flagEndStream|flagEndHeaders, 2*i+1, block(hpackGET, "a", long))...)
	}
	open := hello()
	for i := range uint32(100) {
		open = append(open, frame(frameHeaders, flagEndHeaders, 2*i+1, block(hpackPOST, "ce-id", "1"))...)
	}
	reset := hello()
	for i := range uint32(2000) {
		reset = append(reset, frame(frameHeaders, flagEndHeaders, 2*i+1, block(hpackPOST, "a", long[:1000]))...)
		reset = append(reset, frame(frameReset, 0, 2*i+1, []byte{0, 0, 0, 8})...)
	}
	for _, tt := range []struct {
		name        string
		connections int
		data        []byte
	}{
		{"1024 that announce a frame of 1 MiB", 1024, append(hello(), 0x10, 0, 0, frameData, 0, 0, 0, 0, 1)},
		{"1024 with a header block without end", 1024, continuation},
		{"1024 with 100 stalled streams each", 1024, stalled},
		{"1024 with 100 stalled streams of 15 KiB header each", 1024, large},
		{"1024 with 100 bodies that do not come", 1024, open},
		{"1024 that are idle", 1024, hello()},
		{"1024 with a record that does not end", 1024, append(hello(), 0, 0x40, 0, frameData, 0, 0, 0, 0, 1, 2)},
		{"1024 that send pings and read nothing", 1024, append(hello(), bytes.Repeat(frame(framePing, 0, 0, make([]byte, 8)), 20_000)...)},
		{"1024 that send settings and read nothing", 1024, append(hello(), bytes.Repeat(frame(frameSettings, 0, 0, nil), 20_000)...)},
		{"1024 that reset what they begin", 1024, reset},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVictim(t, true)
			v.h2 = true
			v.attack(tt.connections, func(c net.Conn) { c.Write(tt.data) })
			v.cost(tt.name, mostMemory)
		})
	}
}

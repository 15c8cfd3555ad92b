package http

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A header of more than 256 KiB was answered by a reset behind the 431: the connection's wrapper hid from net/http that it
// can be closed for writing alone.
func TestTooLargeHeaderIsAnsweredBeforeTheConnectionEnds(t *testing.T) {
	p := startSource(t, SourceConfig{})
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text := "POST / HTTP/1.1\r\nHost: x\r\nce-note: " + strings.Repeat("x", 300<<10) + "\r\n\r\n"
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 431 ") {
		t.Errorf("got %q and %v, want 431 and the connection's end", got, err)
	}
}

package http

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// serverProcess, when set, makes the test binary an ingress instead: what an attack costs can be measured only in a process
// of its own. Its value is the folder of a certificate, or "plain".
const serverProcess = "ROUTER_TEST_INGRESS"

// runServerProcess serves until standard input ends, and answers each line there with its memory.
func runServerProcess(folder string) int {
	cfg := SourceConfig{Listen: "127.0.0.1:0"}
	if folder != "plain" {
		cfg.TLS = &security.TLS{Cert: folder + "/server.pem", Key: folder + "/server.key"}
	}
	src, err := NewSource(cfg, bindings.SourceSettings{Name: "in", Log: zap.NewNop(), Window: bindings.NewWindow(16_384, 64<<20), MaxEvent: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- src.Run(ctx, func(b *bindings.Batch) {
			if len(b.Events) == 1 && b.Events[0].Type != "slow" {
				confirm(b)
				return
			}
			time.AfterFunc(time.Second, func() { confirm(b) })
		})
	}()
	fmt.Println(src.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(resident("VmRSS"), resident("VmHWM"))
	}
	cancel()
	<-done
	return 0
}

// resident returns a figure of /proc/self/status in bytes.
func resident(key string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key+":" {
			kib, _ := strconv.Atoi(fields[1])
			return kib << 10
		}
	}
	return 0
}

// victim is an ingress in a process of its own.
type victim struct {
	t    *testing.T
	addr string
	tls  *tls.Config // nil for a plain port
	h2   bool        // attacks are made over HTTP/2
	raw  bool        // attacks are made without TLS
	in   io.WriteCloser
	out  *bufio.Reader
	idle int // resident bytes before the attack
}

func newVictim(t *testing.T, secure bool) *victim {
	t.Helper()
	if raceDetector {
		t.Skip("NOT TESTED here: the memory of a process, because the race detector is on; the same test without it measures that")
	}
	if testing.Short() {
		t.Skip("NOT TESTED: thousands of connections take a while, and -short was given")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("NOT TESTED: there is no /proc that tells what memory a process has")
	}
	v, folder := &victim{t: t}, "plain"
	if secure {
		a := newAuthority(t)
		a.make(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
		folder = a.dir
		var err error
		if v.tls, err = a.tls("").Client(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), serverProcess+"="+folder)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	v.in, v.out = in, bufio.NewReader(out)
	addr, err := v.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	v.addr = strings.TrimSpace(addr)
	if got := v.post(goodAddress); got != 204 {
		t.Fatalf("before the attack a good event got %d", got)
	}
	v.idle, _ = v.memory()
	return v
}

// goodAddress is where good events come from during an attack.
const goodAddress = "127.0.0.2"

// memory returns what the process has resident, now and at most.
func (v *victim) memory() (now, most int) {
	v.t.Helper()
	fmt.Fprintln(v.in)
	if _, err := fmt.Fscanln(v.out, &now, &most); err != nil {
		v.t.Fatal(err)
	}
	return now, most
}

// dial connects from an address of the loopback network, "" for any.
func (v *victim) dial(from string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.DialContext(v.t.Context(), "tcp", v.addr)
	if err != nil || v.tls == nil || v.raw && from != goodAddress {
		return c, err
	}
	config := v.tls.Clone()
	config.ServerName = "127.0.0.1"
	if config.NextProtos = []string{"http/1.1"}; v.h2 && from != goodAddress {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	s := tls.Client(c, config)
	s.SetDeadline(time.Now().Add(20 * time.Second))
	if err := s.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	s.SetDeadline(time.Time{})
	return s, nil
}

// post sends a good event over a connection of its own and returns the status, 0 for no answer within 10 s.
func (v *victim) post(from string) int {
	c, err := v.dial(from)
	if err != nil {
		return 0
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: 1\r\n\r\nx", strings.ReplaceAll(minimal, "\n", "\r\n"))
	line, _ := bufio.NewReader(c).ReadString('\n')
	status := 0
	fmt.Sscanf(line, "HTTP/1.1 %d", &status)
	return status
}

// attack opens connections from several addresses, runs send on each, and keeps them open until the test ends. It returns
// when all have sent.
func (v *victim) attack(connections int, send func(c net.Conn)) {
	v.t.Helper()
	needFiles(v.t, connections+100)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	next := make(chan int, connections)
	for i := range connections {
		next <- i
	}
	close(next)
	for range min(connections, 256) {
		wg.Go(func() {
			for i := range next {
				c, err := v.dial(fmt.Sprintf("127.0.0.%d", 10+i%4))
				if err != nil {
					continue
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
				c.SetWriteDeadline(time.Now().Add(3 * time.Second))
				send(c)
			}
		})
	}
	wg.Wait()
	v.t.Cleanup(func() {
		for _, c := range open {
			c.Close()
		}
	})
}

func needFiles(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(n) {
		t.Skipf("NOT TESTED: the process may open %d files, and %d are needed", limit.Cur, n)
	}
}

// cost holds what the attack took at most beyond idle, and that good events pass meanwhile.
func (v *victim) cost(what string, most int) {
	v.t.Helper()
	began := time.Now()
	status := v.post(goodAddress)
	took := time.Since(began)
	_, peak := v.memory()
	v.t.Logf("%s: %d MiB over idle at most; a good event got %d after %v", what, (peak-v.idle)>>20, status, took.Round(time.Millisecond))
	if peak-v.idle > most {
		v.t.Errorf("%s: %d MiB over idle, want %d at most", what, (peak-v.idle)>>20, most>>20)
	}
	if status != 204 {
		v.t.Errorf("%s: a good event got %d", what, status)
	}
}

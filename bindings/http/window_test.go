package http

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
)

// taken waits until the window holds that many bytes at least, and returns them.
func (p *ingress) taken(t *testing.T, least int) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, size := p.window.InFlight(); size >= least {
			return size
		}
		if time.Now().After(end) {
			t.Fatalf("the window does not hold %d bytes", least)
		}
	}
}

// A body of unknown length was read into four times as much memory as it needed, which its event kept: one of 300 KiB had
// 1 MiB and counted as 300 KiB, one of max_body had 4 MiB.
func TestBodyOfUnknownLengthCountsWhatItHolds(t *testing.T) {
	for _, size := range []int{10, 5000, 300 << 10, 1 << 20} {
		p := build(t, SourceConfig{}, nil)
		held := make(chan *bindings.Batch, 1)
		p.settle = func(b *bindings.Batch) { b.Expect(1); held <- b }
		p.start(t)
		c := connect(t, p.Addr())
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n%x\r\n%s\r\n",
			strings.ReplaceAll(minimal, "\n", "\r\n"), size, strings.Repeat("x", size))
		most := min(2*size, 1<<20) + 2*firstRead
		if got := p.taken(t, size); got > most {
			t.Errorf("%d bytes: %d are taken while they arrive", size, got)
		}
		time.Sleep(10 * time.Millisecond) // until the last byte that is there was read
		if got := p.taken(t, size); got > most {
			t.Errorf("%d bytes: %d are taken when they have arrived", size, got)
		}
		fmt.Fprint(c, "0\r\n\r\n")
		b := <-held
		_, got := p.window.InFlight()
		if has := cap(b.Events[0].Data) + eventSize + 200; got < has-200 || got > has || got > 2*size+2*smallRoom {
			t.Errorf("%d bytes: %d are in flight, and the event holds %d", size, got, cap(b.Events[0].Data))
		}
		b.Done(1)
	}
}

// smallRoom is what an event and a few bytes take.
const smallRoom = 1 << 10

// A request that alone was larger than what one address may have arriving got 429 whenever it was sent.
func TestOneRequestMayBeLargerThanItsShare(t *testing.T) {
	p := startSource(t, SourceConfig{MaxArrivingPerAddress: new(bindings.Size(64 << 10))})
	batch := "Content-Type: application/cloudevents-batch+json"
	large, many := strings.Repeat("x", 300<<10), "["+strings.Repeat(minimalJSON+",", 2000)+minimalJSON+"]"
	for range 2 {
		if got := post(t, p.url(), minimal, large); got.status != 204 {
			t.Errorf("300 KiB alone got %d", got.status)
		}
		if got := post(t, p.url(), batch, many); got.status != 204 {
			t.Errorf("a batch alone got %d", got.status)
		}
	}
	c := connect(t, p.Addr())
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n%s\r\n%s", strings.ReplaceAll(minimal, "\n", "\r\n"), large[:30<<10])
	p.taken(t, 30<<10)
	if got := post(t, p.url(), minimal, large); got.status != 429 {
		t.Errorf("300 KiB beside another got %d, want 429", got.status)
	}
}

// Adapters made all the events of a message before the window had room for one of them.
func TestAdaptedMessageCountsItsEvents(t *testing.T) {
	p := adapting(t, "s3")
	p.window = bindings.NewWindow(10_000, 300<<10)
	p.settings.Window = p.window
	p.start(t)
	body := []byte(bindingtest.S3Notification("R", 1000))
	if !p.window.TryAcquire(1, 1000) { // beside which no request may take more than there is
		t.Fatal("no room")
	}
	defer p.window.Release(1, 1000)
	x := newExchange(p.Source)
	if a := x.reserve(request(t, nethttp.MethodPost, p.url(), "", nil)); a != nil {
		t.Fatal(a)
	}
	x.bodySize = len(body)
	a := p.decodeInto(x, message{nethttp.Header{"Content-Type": {"application/json"}}, body})
	if a == nil || a.status != 429 || len(x.batch.Events) > 500 {
		t.Errorf("%d events were made, and the answer is %v", len(x.batch.Events), a)
	}
	x.arrived()
	x.cancel()
}

// The room of a request's events came back when the last of them had ended: one that waits for a sink that is down held
// that of a whole batch.
func TestRoomOfAnEventComesBackBeforeThatOfItsRequest(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	held := make(chan *bindings.Batch, 1)
	sink := bindings.NewSinkID("out")
	legs := []bindings.Leg{{Event: 0, Sink: sink}, {Event: 1, Sink: sink}, {Event: 2, Sink: sink}}
	p.settle = func(b *bindings.Batch) {
		b.Stage(legs)
		b.Expect(len(legs))
		held <- b
	}
	p.start(t)
	first := make(chan reply, 1)
	go func() {
		first <- post(t, p.url(), "Content-Type: application/cloudevents-batch+json", "["+minimalJSON+","+minimalJSON+","+minimalJSON+"]")
	}()
	b := <-held
	n, size := p.window.InFlight()
	if n != 3 || size < 3*(eventSize+len(minimalJSON)) {
		t.Errorf("%d events and %d bytes are in flight", n, size)
	}
	b.Ended(legs[:2])
	b.Done(2)
	if n, now := p.window.InFlight(); n != 1 || now != size {
		t.Errorf("%d events and %d bytes are in flight when two have ended, want 1 and %d: the message is kept", n, now, size)
	}
	b.Fail(2, errors.New("down"))
	b.Done(1)
	if got := <-first; got.status != 503 {
		t.Errorf("got %d", got.status)
	}
}

// What a large header took comes back with the answer, and not with the connection's end.
func TestHeaderMemoryComesBackWithTheAnswer(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.start(t)
	c := connect(t, p.Addr())
	for _, first := range []string{"POST", "GET"} {
		fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: x\r\na: %s\r\n%s\r\n", first, strings.Repeat("x", 100<<10), strings.ReplaceAll(minimal, "\n", "\r\n"))
		if _, err := io.ReadAtLeast(c, make([]byte, 4096), 20); err != nil {
			t.Fatal(err)
		}
		q := p.server.pool.memory
		used := 1
		for end := time.Now().Add(5 * time.Second); used != 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			q.mu.Lock()
			used = q.used
			q.mu.Unlock()
		}
		if used != 0 {
			t.Errorf("%s: %d bytes are kept", first, used)
		}
	}
}

// Requests that end anywhere, by either side, leave nothing taken: neither of the window nor of what senders share (see
// start), and no goroutine.
func TestAbortedRequestsGiveEverythingBack(t *testing.T) {
	p := build(t, SourceConfig{}, nil)
	p.limits.refuse = 20 * time.Millisecond
	p.start(t)
	head := "POST / HTTP/1.1\r\nHost: x\r\n" + strings.ReplaceAll(minimal, "\n", "\r\n")
	big := "a: " + strings.Repeat("x", 20<<10) + "\r\n"
	many := "[" + strings.Repeat(minimalJSON+",", 500) + minimalJSON + "]"
	batch := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents-batch+json\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(many))
	texts := []string{
		head + "Content-Length: 1000\r\n\r\nabc", head + big + "Content-Length: 1000\r\n\r\nabc", head + big,
		head + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n4000\r\n" + strings.Repeat("y", 9000),
		head + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n",
		head + "Content-Length: 1\r\n\r\nx" + head + big, head + "Content-Length: 1\r\n\r\nx" + head + "Content-Length: 1\r\n\r\nx" + head,
		batch + many, batch + many[:len(many)-2] + "xx", batch + many[:1000], head + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
		"GET / HTTP/1.1\r\nHost: x\r\n" + big + "\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n" + big + "\r\n",
		"POST / HTTP/1.1\r\n" + big + "\r\n", head + "Expect: x\r\n" + big + "\r\n", "\r\n\r\n", "x", "POST / HTTP/9.9\r\n\r\n",
	}
	requests := 10_000
	if testing.Short() {
		requests = 2000
	}
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for worker := range 50 {
		r := rand.New(rand.NewPCG(1, uint64(worker)))
		wg.Go(func() {
			for range requests / 50 {
				c, err := net.Dial("tcp", p.Addr())
				if err != nil {
					t.Error(err)
					return
				}
				text := texts[r.IntN(len(texts))]
				if r.IntN(3) == 0 {
					text = text[:r.IntN(len(text)+1)]
				}
				_, _ = io.WriteString(c, text) // the other side may have ended it
				if r.IntN(2) == 0 {
					_ = c.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(20)) * time.Millisecond))
					_, _ = io.Copy(io.Discard, c)
				}
				if r.IntN(2) == 0 {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	if n, size := p.window.InFlight(); n != 0 || size != 0 {
		t.Errorf("%d events and %d bytes are in flight", n, size)
	}
	p.settled(t) // before the port closes, which ends what is left
}

package nats

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// A pull lives at most pullExpires; while it waits, the server shows every pullHeartbeat that it is still known. Without
// a sign for pullSilence, it is taken for lost.
const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	pullSilence   = 12 * time.Second
	drainWait     = 2 * time.Second
)

// errElsewhere breaks off a pull when deliveries are missing: the server has given messages to a process that is gone.
var errElsewhere = errors.New("nats: pull: messages of the durable were delivered to somebody else")

// puller keeps pull requests open at a consumer and gathers what comes. At most two requests are open, each for half
// of the prefetch, so that messages flow while the next request travels.
type puller struct {
	nc      *natsgo.Conn
	leases  *leases
	done    *doneSet
	again   func(token) // acknowledges a message that was done before
	subject string      // of the consumer's next-message API
	events  int         // most messages asked for but not taken
	bytes   int         // most bytes of those
	wake    chan struct{}
	sub     *natsgo.Subscription
	closed  chan struct{} // after stop: no callback runs any more
	gone    chan struct{} // closed when the connection is lost

	mu       sync.Mutex // guards what follows
	gathered []*natsgo.Msg
	gap      bool          // deliveries are missing
	late     []*natsgo.Msg // what came after them
	asked    int           // messages the server still owes
	huge     bool          // the next message is larger than bytes: ask for it alone
	alive    bool          // something came since the last look
	broken   error         // the pull must start anew
	stopped  bool
}

// open starts a puller on an inbox of its own, so that answers to the pulls of an earlier one reach nobody.
func (p *puller) open() error {
	p.closed, p.gone = make(chan struct{}), make(chan struct{})
	sub, err := p.nc.Subscribe(p.nc.NewInbox(), p.receive)
	if err != nil {
		return fmt.Errorf("nats: inbox: %w", err)
	}
	sub.SetClosedHandler(func(string) { close(p.closed) })
	// What may come is bounded by what was asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fmt.Errorf("nats: inbox: %w", err)
	}
	p.sub = sub
	return nil
}

// receive runs on the client's goroutine.
func (p *puller) receive(m *natsgo.Msg) {
	defer p.signal()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alive = true
	if status := statusOf(m); status != "" {
		p.control(status, m)
		return
	}
	got, ok := parseReply(m.Reply)
	if !ok || p.stopped {
		return
	}
	p.asked = max(0, p.asked-1)
	if p.done.gap(got.order) {
		p.gap, p.broken = true, errElsewhere
	}
	switch {
	case !p.leases.take(got.token, m.Reply, p.done.delivered(got.token, got.order)):
	case p.done.has(got.seq):
		p.again(got.token)
	case p.gap:
		p.late = append(p.late, m)
	default:
		p.gathered = append(p.gathered, m)
	}
}

// control handles a message of the server about a pull; p.mu is held.
func (p *puller) control(status string, m *natsgo.Msg) {
	text := strings.ToLower(header(m, "Description"))
	switch {
	case status == "100":
		return
	case status == "404", status == "408", status == "409" && strings.Contains(text, "batch completed"):
		p.asked = max(0, p.asked-unused(m, "Nats-Pending-Messages", p.asked))
	case status == "409" && strings.Contains(text, "exceeds maxbytes"):
		p.asked = max(0, p.asked-unused(m, "Nats-Pending-Messages", p.asked))
		p.huge = p.huge || unused(m, "Nats-Pending-Bytes", 0) >= p.bytes/2
	default:
		// Consumer deleted, leadership changed, server shut down, nobody there, or a limit of the consumer.
		p.broken = fmt.Errorf("nats: pull: %s %s", status, header(m, "Description"))
	}
}

// unused reads how much of a pull the server did not use.
func unused(m *natsgo.Msg, name string, otherwise int) int {
	n, err := strconv.Atoi(header(m, name))
	if err != nil {
		return otherwise
	}
	return n
}

func (p *puller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// ask opens pull requests as long as less than half of the prefetch is owed.
func (p *puller) ask() error {
	for {
		p.mu.Lock()
		want, limit := max(1, p.events/2), max(1, p.bytes/2)
		if p.asked > p.events-want {
			p.mu.Unlock()
			return nil
		}
		if p.huge {
			want, limit, p.huge = 1, 0, false
		}
		p.asked += want
		p.mu.Unlock()
		body := fmt.Appendf(nil, `{"expires":%d,"batch":%d,"idle_heartbeat":%d`, pullExpires, want, pullHeartbeat)
		if limit > 0 {
			body = fmt.Appendf(body, `,"max_bytes":%d`, limit)
		}
		if err := p.nc.PublishRequest(p.subject, p.sub.Subject, append(body, '}')); err != nil {
			return fmt.Errorf("nats: pull: %w", err)
		}
	}
}

// swap takes what has gathered and leaves the emptied spare. The error says that the puller has to be replaced.
func (p *puller) swap(spare []*natsgo.Msg) ([]*natsgo.Msg, error) {
	clear(spare)
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.gathered
	p.gathered = spare[:0]
	return got, p.broken
}

// disconnected says that the puller has to be replaced. It is called once for each loss.
func (p *puller) disconnected() {
	p.mu.Lock()
	if !errors.Is(p.broken, errDisconnected) {
		close(p.gone)
	}
	p.broken = errDisconnected
	p.mu.Unlock()
	p.signal()
}

// silent reports whether the server owes messages and gave no sign since the last call.
func (p *puller) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.alive
	p.alive = false
	return !was && p.asked > 0
}

// stop ends the pulls and returns what has gathered, and what may have come too early. It waits until the server has
// answered that it sends nothing more.
func (p *puller) stop() (gathered, late []*natsgo.Msg) {
	p.drain()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	return p.gathered, p.late
}

func (p *puller) drain() {
	if !p.nc.IsConnected() {
		// There is nobody to wait for. The error is that of a subscription which is gone already.
		_ = p.sub.Unsubscribe()
		return
	}
	if err := p.sub.Drain(); err != nil {
		return
	}
	t := time.NewTimer(drainWait)
	defer t.Stop()
	select {
	case <-p.closed:
	case <-p.gone: // the server finds out by itself
	case <-t.C:
	}
}

func header(m *natsgo.Msg, name string) string {
	if v := m.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// statusOf returns the status of a control message, empty for a message of the stream. Those have a reply subject, so
// that a producer's header of that name cannot pass for a status.
func statusOf(m *natsgo.Msg) string {
	if len(m.Data) > 0 || strings.HasPrefix(m.Reply, ackPrefix) {
		return ""
	}
	return header(m, "Status")
}

package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

// Error codes of the server that the client has no name for.
const (
	codeHeaderTooLarge jetstream.ErrorCode = 10097
	codeOtherStream    jetstream.ErrorCode = 10060
)

var (
	// errNoAnswer is an unknown outcome (invariant 8).
	errNoAnswer = &bindings.CodeError{Code: "timeout", Err: errors.New("nats: the stream did not answer in time, the outcome is unknown")}
	errNoStream = &bindings.CodeError{Code: "no_responders", Err: errors.New("nats: no stream takes this subject, or JetStream is not available")}
	errOther    = &bindings.CodeError{Code: strconv.Itoa(int(codeOtherStream)), Err: errors.New("nats: another stream takes this subject")}
)

// sendStream publishes everything and waits for the stream's answer to each.
func (k *Sink) sendStream(ctx context.Context, nc *natsgo.Conn, x *encoder, events []*envelope.Event) error {
	a := k.answers
	f := a.open(len(events))
	b := k.snapshot(nc, x)
	for i, e := range events {
		err := k.prepare(x, e)
		if err == nil {
			err = b.admitSubject(ctx)
		}
		if err == nil {
			k.stamp(x, e)
			x.reply = a.appendReply(x.reply[:0], f.id, i)
			x.msg.Reply = envelope.String(x.reply)
			if err = b.admit(ctx); err == nil {
				err = k.publish(nc, x)
			}
		}
		if err != nil {
			a.resolve(f.id, i, err, false)
		}
	}
	b.await(ctx, f, events)
	errs, duplicates := a.close(f)
	k.duplicates.Add(int64(duplicates))
	b.learn(events, errs)
	if errs == nil {
		return nil
	}
	b.explain(ctx, events, errs)
	b.judge(ctx, events, errs)
	return errs
}

// stamp adds what JetStream reads: the id that makes repeated attempts one message, and the stream that has to take it.
func (k *Sink) stamp(x *encoder, e *envelope.Event) {
	x.id = bindings.AppendDeliveryID(x.id[:0], k.name, e)
	x.set(jetstream.MsgIDHeader, envelope.String(x.id))
	x.set(jetstream.ExpectedStreamHeader, k.cfg.Stream)
}

// answers receives the stream's answers for all Sends of a sink. Every Send is a flight with a number of its own, so
// that an answer which comes late finds nobody (it must not confirm a later attempt).
type answers struct {
	stream string
	plain  []byte // how an answer of this stream begins
	inbox  string // with its final dot

	mu      sync.Mutex // guards what follows
	flights map[uint64]*flight
	last    uint64
	free    []*flight
}

// flight is one Send under way.
type flight struct {
	id         uint64
	outcomes   []error
	left       int // without an outcome
	failed     int
	duplicates int
	done       chan struct{} // capacity 1
	timer      *time.Timer
}

// wait waits until every event of the flight has an outcome, ctx is done, or limit has passed, which 0 never does. It
// reports whether there is nothing left to wait for.
func (f *flight) wait(ctx context.Context, limit time.Duration) bool {
	var late <-chan time.Time
	if limit > 0 {
		f.timer.Reset(limit)
		defer f.timer.Stop()
		late = f.timer.C
	}
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return true
	case <-late:
		return false
	}
}

func newAnswers(stream string) *answers {
	return &answers{stream: stream, plain: []byte(`{"stream":"` + stream + `"`), flights: map[uint64]*flight{}}
}

// listen subscribes to the answers of a new connection.
func (a *answers) listen(nc *natsgo.Conn) error {
	a.inbox = nc.NewInbox() + "."
	sub, err := nc.Subscribe(a.inbox+"*.*", a.receive)
	if err == nil {
		// What may come is bounded by what was published.
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return fmt.Errorf("nats: inbox: %w", err)
	}
	return nil
}

// open begins a flight of n events.
func (a *answers) open(n int) *flight {
	a.mu.Lock()
	defer a.mu.Unlock()
	var f *flight
	if last := len(a.free) - 1; last >= 0 {
		f, a.free = a.free[last], a.free[:last]
	} else {
		f = &flight{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
		f.timer.Stop()
	}
	a.last++
	f.id, f.left, f.failed, f.duplicates = a.last, n, 0, 0
	f.outcomes = slices.Grow(f.outcomes[:0], n)[:n]
	for i := range f.outcomes {
		f.outcomes[i] = errNoAnswer
	}
	a.flights[f.id] = f
	return f
}

// close ends a flight; what has no outcome keeps errNoAnswer. The result is nil if everything was confirmed.
func (a *answers) close(f *flight) (errs bindings.BatchError, duplicates int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.flights, f.id)
	select {
	case <-f.done:
	default:
	}
	if f.left > 0 || f.failed > 0 {
		errs = slices.Clone(f.outcomes)
	}
	clear(f.outcomes)
	a.free = append(a.free, f)
	return errs, f.duplicates
}

// missing returns the events of a flight that have no outcome.
func (a *answers) missing(f *flight) (events []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, err := range f.outcomes {
		if errors.Is(err, errNoAnswer) {
			events = append(events, i)
		}
	}
	return events
}

// resolve gives event i of a flight its outcome, once.
func (a *answers) resolve(id uint64, i int, err error, duplicate bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := a.flights[id]
	if f == nil || i >= len(f.outcomes) || !errors.Is(f.outcomes[i], errNoAnswer) {
		return
	}
	f.outcomes[i] = err
	if err != nil {
		f.failed++
	}
	if duplicate {
		f.duplicates++
	}
	a.settle(f, 1)
}

// settle counts n outcomes; a.mu is held.
func (a *answers) settle(f *flight, n int) {
	if f.left -= n; f.left == 0 {
		select {
		case f.done <- struct{}{}:
		default:
		}
	}
}

// lost fails everything under way: the answers went to a connection that is gone. Some of it is stored; the message id
// keeps the next attempt from storing it again.
func (a *answers) lost() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.flights {
		for i, err := range f.outcomes {
			if errors.Is(err, errNoAnswer) {
				f.outcomes[i] = errDisconnected
				f.failed++
			}
		}
		a.settle(f, f.left)
	}
}

// appendReply appends where the answer to event i of a flight goes.
func (a *answers) appendReply(dst []byte, id uint64, i int) []byte {
	dst = append(dst, a.inbox...)
	dst = strconv.AppendUint(dst, id, 36)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(i), 36)
}

// receive runs on the client's goroutine.
func (a *answers) receive(m *natsgo.Msg) {
	flight, index, ok := strings.Cut(m.Subject[len(a.inbox):], ".")
	if !ok {
		return
	}
	id, err1 := strconv.ParseUint(flight, 36, 64)
	i, err2 := strconv.ParseUint(index, 36, 31)
	if err1 != nil || err2 != nil {
		return
	}
	duplicate, err := a.read(m)
	a.resolve(id, int(i), err, duplicate)
}

// read tells what an answer says. Only a positive answer of the very stream is a nil error.
func (a *answers) read(m *natsgo.Msg) (duplicate bool, err error) {
	if len(m.Data) == 0 {
		if header(m, "Status") == "503" {
			return false, errNoStream
		}
		return false, &bindings.CodeError{Code: "bad_ack", Err: errors.New("nats: an empty answer in place of an acknowledgement")}
	}
	if a.isPlain(m.Data) {
		return false, nil
	}
	var ack struct {
		Error *jetstream.APIError `json:"error"`
		jetstream.PubAck
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		return false, &bindings.CodeError{Code: "bad_ack", Err: fmt.Errorf("nats: an answer that is no acknowledgement: %w", err)}
	case ack.Error != nil:
		return false, apiError(ack.Error)
	case ack.Stream != a.stream:
		return false, errOther
	case ack.Sequence == 0 && !ack.Duplicate:
		return false, &bindings.CodeError{Code: "bad_ack", Err: errors.New("nats: an acknowledgement without a sequence")}
	}
	return ack.Duplicate, nil
}

// isPlain reports whether data is exactly what the server answers when all is well, {"stream":"S", "seq":N}, which saves
// parsing nearly every answer.
func (a *answers) isPlain(data []byte) bool {
	rest, ok := bytes.CutPrefix(data, a.plain)
	if !ok {
		return false
	}
	rest, ok = bytes.CutPrefix(rest, []byte(`, "seq":`))
	if !ok {
		if rest, ok = bytes.CutPrefix(rest, []byte(`,"seq":`)); !ok {
			return false
		}
	}
	digits := len(rest) - 1
	if digits < 1 || rest[digits] != '}' || rest[0] == '0' {
		return false
	}
	for _, c := range rest[:digits] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// apiError classes an error of the server. Only the event's own size is permanent: a full stream, a sealed one, or a
// missing leader can be mended while the event waits.
func apiError(e *jetstream.APIError) error {
	code := strconv.Itoa(int(e.ErrorCode))
	switch e.ErrorCode {
	case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge:
		return bindings.Permanent(bindings.ReasonTooLarge, code, fmt.Errorf("nats: stream refused the event: %s", e.Description))
	case codeOtherStream:
		return errOther
	default:
		return &bindings.CodeError{Code: code, Err: fmt.Errorf("nats: stream refused the event: %s", e.Description)}
	}
}

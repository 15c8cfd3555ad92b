package pipeline

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
	"github.com/eventrouter/router/envelope"
)

var (
	errUnmatched = errors.New("no route matches the event")
	// errBatchRefused fails the good events of a request that is refused as a whole.
	errBatchRefused = bindings.Permanent(bindings.ReasonUnmatched, "", errors.New("another event of the batch matches no route"))
)

// maxDeadLetterError bounds the error text of a dead letter in bytes.
const maxDeadLetterError = 1024

// deadLetter turns a delivery that failed for good into one of its dead letter: the original event with the reason
// as extension attributes. A message that could not be decoded becomes the data of an event, byte for byte, with its
// headers as an attribute.
func deadLetter(p *Pipeline, d delivery, from *lane, cause error) delivery {
	variant := ""
	if d.own {
		variant = d.event.Variant
	}
	p.release(&d)
	original := &d.batch.Events[d.index]
	e := p.newEvent()
	original.CopyTo(e)
	e.Touch()
	if original.Malformed != nil {
		wrapMalformed(e)
	}
	e.Meta.Timestamp = 0 // a new message: with the old time a target's retention could delete it at once
	now := time.Now().UTC()
	first := now
	if d.first != 0 {
		first = time.Unix(0, d.first).UTC()
	}
	set := func(name, value string, kind envelope.Kind) {
		if value != "" {
			e.Set(name, value, kind)
		}
	}
	set("dlqreason", string(reasonFor(cause)), envelope.KindString)
	set("dlqcode", cleanText(codeOf(cause)), envelope.KindString)
	set("dlqerror", cleanText(cause.Error()), envelope.KindString)
	set("dlqattempts", strconv.Itoa(int(d.attempts)), envelope.KindInteger)
	set("dlqfirst", first.Format(time.RFC3339Nano), envelope.KindTimestamp)
	set("dlqlast", now.Format(time.RFC3339Nano), envelope.KindTimestamp)
	if d.rule >= 0 {
		set("dlqroute", d.plan.rules[d.rule].name, envelope.KindString)
	}
	e.Variant = "dead letter"
	if from != nil {
		set("dlqsink", from.sink.Name, envelope.KindString)
		// Two routes may have made different events of this one; their dead letters are two.
		e.Variant = "dead letter of " + from.sink.Name + " by " + variant
	}
	set("dlqorigin", printable(origin(original)), envelope.KindString)
	if original.Malformed != nil {
		addHeaders(e, d.deadLane(from).sink.Sink)
	}
	return delivery{
		batch: d.batch, event: e, own: true, plan: d.plan, index: d.index, rule: d.rule, counts: d.counts, dead: true,
	}
}

// origin tells where a dead letter's message came from.
func origin(e *envelope.Event) string {
	kind := e.Meta.Transport
	if e.Meta.Stream != "" {
		return "js:" + e.Meta.Stream + "#" + strconv.FormatInt(e.Meta.Position, 10)
	}
	return kind + ":" + string(template.AppendPosition(nil, e))
}

// deadLane is where the dead letter of a delivery goes that failed in a lane, or before it had one.
func (d *delivery) deadLane(from *lane) *lane {
	if from != nil {
		return from.dead.lane
	}
	return d.plan.dead.lane
}

// printable makes a text fit for an attribute: valid UTF-8 without control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r <= 0x9f || r == utf8.RuneError || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef {
			return ' '
		}
		return r
	}, s)
}

// cleanText makes a text fit for an attribute, and short.
func cleanText(s string) string {
	s = printable(s)
	if len(s) <= maxDeadLetterError {
		return s
	}
	cut := maxDeadLetterError
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// heldBatches are batches with an event that a policy holds although no lane has it: a malformed message, an
// unmatched event, a set that cannot be applied. They go back when the router stops.
type heldBatches struct {
	mu      sync.Mutex // guards what follows
	batches map[*bindings.Batch][]*sinkCounts
	closed  bool
}

// add keeps a batch; counts are those of its held events, one for each.
func (h *heldBatches) add(b *bindings.Batch, counts []*sinkCounts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		giveBack(b, counts)
		return
	}
	if h.batches == nil {
		h.batches = map[*bindings.Batch][]*sinkCounts{}
	}
	h.batches[b] = slices.Clone(counts)
}

func giveBack(b *bindings.Batch, counts []*sinkCounts) {
	for _, c := range counts {
		c.returned.Add(1)
	}
	b.Done(len(counts))
}

// releaseHeld gives back everything that a policy holds, so that a stop need not wait for it.
func (p *Pipeline) releaseHeld() {
	p.draining.Store(true)
	p.held.mu.Lock()
	p.held.closed = true
	for b, counts := range p.held.batches {
		giveBack(b, counts)
	}
	p.held.batches = nil
	p.held.mu.Unlock()
	for _, l := range p.lanes {
		l.wakeAll()
	}
}

// handsBack reports whether a held event is better given back at once: whoever posted it over HTTP waits for the answer
// and holds it himself.
func handsBack(d *delivery) bool { return d.batch.Events[d.index].Meta.Transport == "http" }

// reportHeld tells the operator of an event that now blocks its place at the source.
func (p *Pipeline) reportHeld(l *lane, d *delivery, cause error) {
	fields := []zap.Field{zap.String("origin", origin(&d.batch.Events[d.index])), zap.Error(cause)}
	if l != nil {
		fields = append(fields, zap.String("sink", l.sink.Name))
	}
	p.log.Error("event is held: it failed for good and the dead-letter policy says hold", fields...)
}

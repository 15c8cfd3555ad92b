package kafka

import (
	"math/bits"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// ledgersEvery is how often the ledger of a position that does not move is stored at most, if it is longer than
	// shortLedger: brokers keep all of them for a while.
	ledgersEvery = time.Second
	shortLedger  = 1024
	// runsAtMost bounds the runs of one sink that are looked at: fewer fit into a ledger.
	runsAtMost = metadataLimit / 2
)

// commitment is what is to be stored for a partition.
type commitment struct {
	position kgo.EpochOffset
	note     ledgerNote
	left     int64 // offsets of done records that the ledger has no place for
}

// ledgerNote is a stored ledger: its text, and the tracker's count of changes when it was written.
type ledgerNote struct {
	text    string
	changes uint64
	at      time.Time
}

// ledgerWriter writes the ledgers of trackers, one after the other.
type ledgerWriter struct {
	sinks *sinkSet
	limit int // in characters
	runs  [64][]doneRun
}

// commitment returns what to store for the partition, and false if that is nothing new. A long ledger of a position that
// does not move is stored once in a while only, unless it is the last time.
func (t *tracker) commitment(w *ledgerWriter, now time.Time, last bool) (commitment, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	moved := t.reached != t.committed
	if t.state == parked || t.state == void || t.reached == none || !moved && t.changes == t.stored.changes {
		return commitment{}, false
	}
	c := commitment{position: t.reached, note: ledgerNote{changes: t.changes, at: now}}
	c.note.text, c.left = w.write(t)
	switch {
	case moved:
	case c.note.text == t.stored.text:
		t.stored = c.note
		return commitment{}, false
	case !last && len(c.note.text) > shortLedger && now.Sub(t.stored.at) < ledgersEvery:
		return commitment{}, false
	}
	return c, true
}

// confirm notes that the broker has stored it.
func (t *tracker) confirm(c commitment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.committed, t.stored = c.position, c.note
}

// write returns the ledger of a tracker as text. The caller holds the tracker's mu.
func (w *ledgerWriter) write(t *tracker) (text string, left int64) {
	if !w.sinks.known || t.head == t.tail && t.prior == nil {
		return "", 0
	}
	l := &doneLedger{fingerprint: w.sinks.fingerprint ^ t.id, epoch: -1}
	for bit := range w.runs {
		w.runs[bit] = w.runs[bit][:0]
	}
	behind := t.reached.Offset
	if t.head != t.tail {
		newest := t.at(t.tail - 1)
		l.epoch, behind = newest.epoch, newest.offset+1
		w.scan(t)
	}
	// What was stored before and is not read yet stays known. Not so if its records are those of a later epoch.
	if p := t.prior; p != nil && p.ledger.fingerprint == l.fingerprint && l.epoch <= p.ledger.epoch {
		l.epoch = p.ledger.epoch
		w.carry(p.ledger, behind)
	}
	w.lists(l)
	return l.encode(t.reached.Offset, w.limit)
}

// scan collects the runs of done records in the ring, by sink.
func (w *ledgerWriter) scan(t *tracker) {
	open, look := uint64(0), w.sinks.mask // sinks with an open run; sinks with room for more runs
	end := int64(0)
	strange := uint64(0) // pending for a sink that the plan did not have then, and may have now
	if len(w.sinks.sinks[sharedBit]) == 0 {
		strange = 1 << sharedBit
	}
	for n := t.head; n != t.tail && look != 0; n++ {
		m := t.at(n)
		done := ^m.pending & look
		if m.pending&strange != 0 || m.pending != 0 && m.plan != w.sinks.number {
			done = 0
		}
		for begin := done &^ open; begin != 0; begin &= begin - 1 {
			bit := bits.TrailingZeros64(begin)
			w.runs[bit] = append(w.runs[bit], doneRun{from: m.offset})
		}
		for stop := open &^ done; stop != 0; stop &= stop - 1 {
			bit := bits.TrailingZeros64(stop)
			w.close(bit, end)
			if len(w.runs[bit]) == runsAtMost {
				look &^= 1 << bit
			}
		}
		open, end = done&look, m.offset+1
	}
	for ; open != 0; open &= open - 1 {
		w.close(bits.TrailingZeros64(open), end)
	}
}

func (w *ledgerWriter) close(bit int, end int64) { w.runs[bit][len(w.runs[bit])-1].to = end }

// carry adds what an earlier ledger has from an offset on. A bit that several sinks share is left out.
func (w *ledgerWriter) carry(earlier *doneLedger, from int64) {
	for i := range earlier.lists {
		rest := earlier.lists[i].after(from)
		if len(rest) == 0 {
			continue
		}
		for _, id := range earlier.lists[i].sinks {
			if bit, ok := w.sinks.bits[id]; ok && len(w.sinks.sinks[bit]) == 1 && len(w.runs[bit]) < runsAtMost {
				w.append(int(bit), rest)
			}
		}
	}
}

// append adds runs that come after those of the bit.
func (w *ledgerWriter) append(bit int, runs []doneRun) {
	if n := len(w.runs[bit]); n == 0 || w.runs[bit][n-1].to <= runs[0].from {
		w.runs[bit] = append(w.runs[bit], runs...)
	}
}

// lists makes a list of each distinct set of runs.
func (w *ledgerWriter) lists(l *doneLedger) {
	for bit, runs := range w.runs {
		if len(runs) == 0 || len(w.sinks.sinks[bit]) == 0 {
			continue
		}
		same := slices.IndexFunc(l.lists, func(have doneList) bool { return slices.Equal(have.runs, runs) })
		if same < 0 {
			l.lists = append(l.lists, doneList{runs: runs})
			same = len(l.lists) - 1
		}
		l.lists[same].sinks = append(l.lists[same].sinks, w.sinks.sinks[bit]...)
	}
}

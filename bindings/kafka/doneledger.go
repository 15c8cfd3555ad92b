package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	"strings"

	"github.com/eventrouter/router/bindings"
)

const (
	// ledgerPrefix begins the text of a ledger. What begins otherwise is none: clients store their member id there.
	ledgerPrefix = "d1."
	// metadataLimit is the brokers' default of offset.metadata.max.bytes, in UTF-16 units.
	metadataLimit = 4096
	// maxLists bounds the lists of a ledger: one for each bit of a mark.
	maxLists = 64
	// sumBytes is the length of the checksum.
	sumBytes = 4
)

// doneLedger is what is done beyond a stored position. It is stored with the position, in the commit's metadata, so that
// a restart or the next owner of the partition does not deliver that again.
type doneLedger struct {
	// fingerprint is that of the routes by which the records were dispatched, because "done for a sink" includes what was
	// not for it, and of the topic's id.
	fingerprint uint64
	// epoch is the leader epoch of the last record when the ledger was written. A record of a later one is another
	// record, which an unclean election put at the same offset.
	epoch int32
	lists []doneList
}

// doneList is what is done for each of some sinks.
type doneList struct {
	sinks []bindings.SinkID
	runs  []doneRun // ascending, without overlaps
}

// doneRun is a run of records that are done, from the offset of the first to behind that of the last. Offsets between
// them that were never delivered (compacted, aborted, transaction markers) are part of it.
type doneRun struct{ from, to int64 }

// encode returns the ledger as text of at most limit characters, relative to the position base, and how many offsets of
// its runs had no place. It keeps the runs nearest the position, one of each list in turn. Without any run the text is
// empty.
func (l *doneLedger) encode(base int64, limit int) (text string, left int64) {
	kept, left := l.fit(base, (limit-len(ledgerPrefix))*3/4-sumBytes)
	body := binary.LittleEndian.AppendUint64(nil, l.fingerprint)
	body = binary.AppendUvarint(body, uint64(l.epoch)+1)
	lists := 0
	for _, n := range kept {
		lists += min(n, 1)
	}
	if lists == 0 {
		return "", left
	}
	body = binary.AppendUvarint(body, uint64(lists))
	for i, list := range l.lists {
		if kept[i] > 0 {
			body = list.append(body, base, kept[i])
		}
	}
	body = binary.LittleEndian.AppendUint32(body, checksum(base, body))
	return ledgerPrefix + base64.RawURLEncoding.EncodeToString(body), left
}

// fit returns how many runs of each list have a place in that many bytes, and how many offsets of runs have none.
func (l *doneLedger) fit(base int64, budget int) (kept []int, left int64) {
	used := 8 + binary.MaxVarintLen32 + 1
	kept = make([]int, len(l.lists))
	full := make([]bool, len(l.lists))
	for i, list := range l.lists {
		used += binary.MaxVarintLen16 + 4*len(list.sinks) + binary.MaxVarintLen16
		full[i] = used > budget
	}
	for more := true; more; {
		more = false
		for i, list := range l.lists {
			if full[i] || kept[i] == len(list.runs) {
				continue
			}
			n := list.cost(base, kept[i])
			if full[i] = used+n > budget; full[i] {
				continue
			}
			used += n
			kept[i]++
			more = true
		}
	}
	for i, list := range l.lists {
		for _, r := range list.runs[kept[i]:] {
			left += r.to - r.from
		}
	}
	return kept, left
}

// cost is how many bytes run i takes.
func (l *doneList) cost(base int64, i int) int {
	if i > 0 {
		base = l.runs[i-1].to
	}
	var b [2 * binary.MaxVarintLen64]byte
	n := binary.PutUvarint(b[:], uint64(l.runs[i].from-base))
	return n + binary.PutUvarint(b[n:], uint64(l.runs[i].to-l.runs[i].from))
}

// append writes the list with its first n runs.
func (l *doneList) append(body []byte, base int64, n int) []byte {
	body = binary.AppendUvarint(body, uint64(len(l.sinks)))
	for _, s := range l.sinks {
		body = binary.LittleEndian.AppendUint32(body, uint32(s))
	}
	body = binary.AppendUvarint(body, uint64(n))
	for _, r := range l.runs[:n] {
		body = binary.AppendUvarint(body, uint64(r.from-base))
		body = binary.AppendUvarint(body, uint64(r.to-r.from))
		base = r.to
	}
	return body
}

// checksum covers the position too: metadata that somebody copied to another one must not count there.
func checksum(base int64, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the package
	return crc32.Update(crc32.Checksum(binary.LittleEndian.AppendUint64(nil, uint64(base)), table), table, body)
}

// decodeLedger reads a ledger that was stored with the position base. It returns nil for what is none, is damaged, or
// belongs to another position: without a ledger events are only repeated.
func decodeLedger(text string, base int64) *doneLedger {
	encoded, ok := strings.CutPrefix(text, ledgerPrefix)
	if !ok || base < 0 {
		return nil
	}
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(body) < sumBytes {
		return nil
	}
	body, sum := body[:len(body)-sumBytes], binary.LittleEndian.Uint32(body[len(body)-sumBytes:])
	if checksum(base, body) != sum {
		return nil
	}
	return parseLedger(body, base)
}

// parseLedger reads the body of a ledger, nil if it is malformed.
func parseLedger(body []byte, base int64) *doneLedger {
	r := ledgerReader{body: body}
	l := &doneLedger{fingerprint: binary.LittleEndian.Uint64(r.take(8))}
	l.epoch = int32(r.uvarint(math.MaxUint32) - 1)
	for range r.uvarint(maxLists) {
		list := doneList{}
		for range r.uvarint(uint64(len(r.body) / 4)) {
			list.sinks = append(list.sinks, bindings.SinkID(binary.LittleEndian.Uint32(r.take(4))))
		}
		at := base
		for range r.uvarint(uint64(len(r.body) / 2)) {
			from := at + int64(r.uvarint(uint64(math.MaxInt64-at)))
			at = from + int64(r.uvarint(uint64(math.MaxInt64-from)))
			list.runs = append(list.runs, doneRun{from, at})
		}
		l.lists = append(l.lists, list)
	}
	if r.bad || len(r.body) > 0 {
		return nil
	}
	return l
}

// ledgerReader reads a body; bad is set by what is not in it, and everything is zero from then on.
type ledgerReader struct {
	body []byte
	bad  bool
}

func (r *ledgerReader) take(n int) []byte {
	if len(r.body) < n {
		r.body, r.bad = nil, true
		return make([]byte, n)
	}
	b := r.body[:n]
	r.body = r.body[n:]
	return b
}

// uvarint reads a number of at most most.
func (r *ledgerReader) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(r.body)
	if n <= 0 || v > most {
		r.body, r.bad = nil, true
		return 0
	}
	r.body = r.body[n:]
	return v
}

// done returns for which lists, as a mask, the record at an offset is done.
func (l *doneLedger) done(offset int64) uint64 {
	var mask uint64
	for i := range l.lists {
		if l.lists[i].has(offset) {
			mask |= 1 << i
		}
	}
	return mask
}

// has reports whether an offset is within a run.
func (l *doneList) has(offset int64) bool {
	low, high := 0, len(l.runs)
	for low < high {
		if mid := (low + high) / 2; l.runs[mid].to <= offset {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low < len(l.runs) && l.runs[low].from <= offset
}

// end returns the offset behind the last run.
func (l *doneLedger) end() int64 {
	end := int64(0)
	for i := range l.lists {
		if n := len(l.lists[i].runs); n > 0 {
			end = max(end, l.lists[i].runs[n-1].to)
		}
	}
	return end
}

// after returns the runs from an offset on.
func (l *doneList) after(offset int64) []doneRun {
	for i, r := range l.runs {
		if r.to <= offset {
			continue
		}
		rest := append([]doneRun(nil), l.runs[i:]...)
		rest[0].from = max(r.from, offset)
		return rest
	}
	return nil
}

//go:build brokers

package matrix

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// message is an event as the far side sees it: attributes as text, data as bytes, nil for none.
type message struct {
	attributes map[string]string
	data       []byte
}

// sent is an event of a run, with its place in the order of its key.
type sent struct {
	message
	uid, key   string
	seq        int
	structured bool
}

// makeEvents returns n events over the given number of keys. They alternate between binary and structured, and
// between JSON, text and binary data, and carry attributes that are easily bent on the way.
func makeEvents(run string, n, keys int) []sent {
	events := make([]sent, n)
	for i := range events {
		events[i] = makeEvent(run, i, keys)
	}
	return events
}

// makeEvent returns the event number i of a run.
func makeEvent(run string, i, keys int) sent {
	key := fmt.Sprintf("k%d", i%keys)
	uid := fmt.Sprintf("%s-%d", run, i)
	e := sent{uid: uid, key: key, seq: i, structured: i%2 == 1}
	e.attributes = map[string]string{
		"specversion": "1.0", "id": uid, "source": "/matrix/a%20b?x=1#frag", "type": "com.example.matrix.v1",
		"subject": `say "100%" — Grüße, €😀`, "time": "2026-04-05T17:31:00.120+02:00",
		"dataschema": "https://example.com/schema", "partitionkey": key, "seq": fmt.Sprint(i), "empty": "",
	}
	switch i % 3 {
	case 0:
		e.attributes["datacontenttype"] = "application/json; charset=utf-8"
		e.data = fmt.Appendf(nil, `{"n": %d, "big":12345678901234567890,"f":1.0, "s":"<&> é","n":2}`, i)
	case 1:
		e.attributes["datacontenttype"] = "text/plain"
		e.data = fmt.Appendf(nil, "line %d\r\n\ttab € end ", i)
	default:
		e.attributes["datacontenttype"] = "application/octet-stream"
		e.data = append([]byte{0, 0xff, 0xfe, byte(i)}, uid...)
	}
	return e
}

// structuredJSON writes an event in the JSON format, by the standard library.
func (s *sent) structuredJSON() []byte {
	members := map[string]any{}
	for k, v := range s.attributes {
		members[k] = v
	}
	switch s.seq % 3 {
	case 0:
		members["data"] = json.RawMessage("0") // replaced below, because Marshal would compact it
	case 1:
		members["data"] = string(s.data)
	default:
		members["data_base64"] = s.data
	}
	out, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	if s.seq%3 == 0 {
		out = bytes.Replace(out, []byte(`"data":0`), append([]byte(`"data":`), s.data...), 1)
	}
	return out
}

// parseStructured reads an event in the JSON format.
func parseStructured(text []byte) (message, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return message{}, err
	}
	m := message{attributes: map[string]string{}}
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			s = string(raw)
		}
		m.attributes[name] = s
	}
	if raw, ok := members["data_base64"]; ok {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return m, err
		}
		var err error
		m.data, err = base64.StdEncoding.DecodeString(s)
		return m, err
	}
	raw, ok := members["data"]
	if !ok {
		return m, nil
	}
	media, _, _ := mime.ParseMediaType(m.attributes["datacontenttype"])
	if media == "" || strings.HasSuffix(media, "/json") || strings.HasSuffix(media, "+json") {
		m.data = raw
		return m, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return m, err
	}
	m.data = []byte(s)
	return m, nil
}

// ledger compares what a target received with what was sent.
type ledger struct {
	mu         sync.Mutex // guards what follows
	want       map[string]*sent
	seen       map[string]int
	last       map[string]int // by key, of first deliveries
	invented   int
	corrupted  int
	duplicates int
	reordered  int
	examples   []string
	progress   time.Time
	mark       int           // how many events close reached
	reached    chan struct{} // nil for nobody waiting
	flow       flow
}

func newLedger(events []sent) *ledger {
	l := &ledger{want: map[string]*sent{}, seen: map[string]int{}, last: map[string]int{}, progress: time.Now()}
	for i := range events {
		l.want[events[i].uid] = &events[i]
	}
	return l
}

// expect adds events that are about to be sent to those that must arrive.
func (l *ledger) expect(events []sent) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		l.want[events[i].uid] = &events[i]
		l.flow.sent(events[i].uid, now)
	}
}

// restarted says that a router has ended and the next one begins: it may begin again at an older event of each key.
func (l *ledger) restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flow.life++
	l.flow.began = time.Now()
}

// receive books one message in the order of its arrival.
func (l *ledger) receive(m message, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = time.Now()
	uid := m.attributes["id"]
	want := l.want[uid]
	switch {
	case strings.HasPrefix(uid, "probe-"):
		return
	case err != nil || want == nil:
		l.invented++
		l.example("invented %q: %v", uid, err)
		return
	}
	if !maps.Equal(m.attributes, want.attributes) || !bytes.Equal(m.data, want.data) {
		l.corrupted++
		l.example("corrupted %s:\n got %q %q\nwant %q %q", uid, m.attributes, m.data, want.attributes, want.data)
	}
	l.seen[uid]++
	if text := l.flow.arrived(want, l.seen[uid] == 1, l.progress); text != "" {
		l.example("%s", text)
	}
	if l.seen[uid] > 1 {
		l.duplicates++
		return
	}
	l.signal()
	if last, ok := l.last[want.key]; ok && last > want.seq {
		l.reordered++
		l.example("reordered: key %s, %d after %d", want.key, want.seq, last)
		return
	}
	l.last[want.key] = want.seq
}

// reach returns a channel that is closed once n events have arrived, duplicates not counted.
func (l *ledger) reach(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark, l.reached = n, make(chan struct{})
	reached := l.reached
	l.signal()
	return reached
}

// signal closes reached when it is time; the caller holds mu.
func (l *ledger) signal() {
	if l.reached != nil && len(l.seen) >= l.mark {
		close(l.reached)
		l.reached = nil
	}
}

func (l *ledger) example(format string, args ...any) {
	if len(l.examples) < 5 {
		l.examples = append(l.examples, fmt.Sprintf(format, args...))
	}
}

func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.want) - len(l.seen)
}

// await waits until every event has arrived, or nothing has for as long as patience.
func (l *ledger) await(t *testing.T, patience time.Duration) {
	t.Helper()
	l.mu.Lock()
	l.progress = time.Now()
	l.mu.Unlock()
	for l.missing() > 0 {
		l.mu.Lock()
		idle := time.Since(l.progress)
		l.mu.Unlock()
		if idle > patience {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// lost names the events that never came, in the order in which they were sent, as ranges: whether the first ones are
// missing or the last ones tells where to look.
func (l *ledger) lost() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var seqs []int
	for uid, e := range l.want {
		if l.seen[uid] == 0 {
			seqs = append(seqs, e.seq)
		}
	}
	slices.Sort(seqs)
	return ranges(seqs)
}

// ranges writes ascending numbers as "0-45, 512, 9990-9999", and only the first and the last few of many.
func ranges(numbers []int) string {
	const shown = 20
	var parts []string
	for i := 0; i < len(numbers); {
		first := i
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		part := fmt.Sprint(numbers[first])
		if i > first+1 {
			part += fmt.Sprintf("-%d", numbers[i-1])
		}
		parts = append(parts, part)
	}
	if len(parts) > 2*shown {
		middle := fmt.Sprintf("(%d more ranges)", len(parts)-2*shown)
		parts = slices.Concat(parts[:shown], []string{middle}, parts[len(parts)-shown:])
	}
	return strings.Join(parts, ", ")
}

// A loss that cannot be placed cannot be explained.
func TestRanges(t *testing.T) {
	var odd []int
	for i := range 50 {
		odd = append(odd, 2*i+1)
	}
	for _, c := range []struct {
		in   []int
		want string
	}{
		{nil, ""},
		{[]int{7}, "7"},
		{[]int{0, 1, 2, 5, 8, 9}, "0-2, 5, 8-9"},
		{odd, "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, (10 more ranges), " +
			"61, 63, 65, 67, 69, 71, 73, 75, 77, 79, 81, 83, 85, 87, 89, 91, 93, 95, 97, 99"},
	} {
		if got := ranges(c.in); got != c.want {
			t.Errorf("%v: got %s, want %s", c.in, got, c.want)
		}
	}
}

// verdict are the figures of a ledger.
type verdict struct {
	sent, lost, invented, corrupted, duplicates, reordered, stale int

	slowest, silence time.Duration
}

func (l *ledger) verdict() verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return verdict{
		len(l.want), len(l.want) - len(l.seen), l.invented, l.corrupted, l.duplicates, l.reordered, l.flow.stale,
		l.flow.slowest, l.flow.silence,
	}
}

func (v verdict) String() string {
	return fmt.Sprintf("sent %d, lost %d, invented %d, corrupted %d, duplicated %d, reordered %d",
		v.sent, v.lost, v.invented, v.corrupted, v.duplicates, v.reordered)
}

// check fails the test for everything that must not be.
func (l *ledger) check(t *testing.T, name string, ordered, once bool) {
	t.Helper()
	v := l.verdict()
	t.Logf("LEDGER %-34s %s", name, v)
	if v.lost+v.invented+v.corrupted > 0 || ordered && v.reordered > 0 || once && v.duplicates > 0 {
		t.Errorf("%s: %s\nlost, in the order of sending: %s\n%s", name, v, l.lost(), strings.Join(l.examples, "\n"))
	}
}

package kafka

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/adapter"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

func raw(value string) *kgo.Record {
	return &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(value), Headers: headers("content-type", "application/json", "trace", "x")}
}

// line prints what matters of an event that an adapter made.
func line(e *envelope.Event) string {
	if e.Malformed != nil {
		return fmt.Sprintf("%d malformed", e.Meta.Position)
	}
	return fmt.Sprintf("%d %s %s %s %s", e.Meta.Position, e.ID, e.Source, e.Type, e.Data[:min(9, len(e.Data))])
}

func TestAdapters(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	produce(t, client(t, c), ceRecord("in", 0, "plain"), raw(bindingtest.EventBridgeEvent), raw(bindingtest.S3Notification("R", 2)), raw(bindingtest.S3TestMessage),
		raw(bindingtest.SNSNotification(structuredEvent)), raw(bindingtest.SNSNotification("hello")), raw(bindingtest.SNSNotification(bindingtest.S3Notification("S", 1))), raw("hello"))
	s := settings("orders")
	s.Adapters = []string{"sns", "eventbridge", "s3"}
	var mu sync.Mutex
	var got []string
	d := &desk{judge: func(e *envelope.Event) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, line(e))
		headers := 1
		if e.Malformed != nil {
			headers = 2 // all of them, the content type too, so that the dead letter has them
		}
		if e.ID != "plain" && (string(e.Key) != "k" || e.Meta.Channel != "in" || e.Meta.Transport != kind || len(e.Meta.Headers) != headers) {
			t.Errorf("%s has key %q and %+v", line(e), e.Key, e.Meta)
		}
		return nil
	}}
	stop := start(t, newSource(t, c, s), d)
	eventually(t, "all events", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 9 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if p := position(t, c, 0); p != 8 {
		t.Errorf("position %d, want 8", p)
	}
	var inner envelope.Event
	if err := envelope.ParseJSON(&inner, []byte(structuredEvent), envelope.Options{}); err != nil {
		t.Fatal(err)
	}
	inner.Meta.Position = 4
	const s3 = "aws:s3.eu-west-1.pics com.amazonaws.s3.ObjectCreated:Put " + `{"eventSo`
	want := []string{
		got[0], `1 7bf7 aws.ec2 State Change {"n": 1.0`, "2 R.x.0.k0 " + s3, "2 R.x.1.k1 " + s3, "3 malformed", line(&inner),
		`5 sns-1 arn:aws:sns:eu-west-1:1:orders com.amazonaws.sns.Notification {"Type":"`, "6 S.x " + s3, "7 malformed",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if events, bytes := s.Window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("window holds %d events, %d bytes", events, bytes)
	}
}

// A record that is several events is done when all of them are: one that fails holds the position, and a restart delivers
// the record again, all of it. The window is smaller than the record's events.
func TestRecordOfSeveralEventsIsDoneWhenAllAre(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	produce(t, client(t, c), ceRecord("in", 0, "before"), raw(bindingtest.S3Notification("R", 5)), ceRecord("in", 0, "after"), raw(bindingtest.S3Notification("S", 3)))
	source := func() (*Source, *bindings.Window) {
		s := settings("a")
		s.Adapters, s.Window = []string{"s3"}, bindings.NewWindow(4, 0)
		return newSource(t, c, s), s.Window
	}
	run := func(d *desk, events int) {
		t.Helper()
		src, window := source()
		stop := start(t, src, d)
		eventually(t, "all events", func() bool { return d.count() == events })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n, bytes := window.InFlight(); n != 0 || bytes != 0 {
			t.Errorf("window holds %d events, %d bytes", n, bytes)
		}
	}
	run(&desk{judge: func(e *envelope.Event) error {
		if e.ID == "R.x.3.k3" {
			return errSink
		}
		return nil
	}}, 10)
	if got := position(t, c, 0); got != 1 {
		t.Errorf("position %d with one of five events failed, want 1", got)
	}
	again := &desk{judge: fine}
	run(again, 9)
	if again.times("before") != 0 || again.times("R.x.0.k0") != 1 || again.times("R.x.3.k3") != 1 || again.times("S.x.2.k2") != 1 {
		t.Errorf("delivered again: %v", again.seen)
	}
	if got := position(t, c, 0); got != 4 {
		t.Errorf("position %d, want 4", got)
	}
}

// Records that are many events do not make a batch larger than the window.
func TestFillStopsAtTheBounds(t *testing.T) {
	adapters, err := adapter.Parse([]string{"s3"})
	if err != nil {
		t.Fatal(err)
	}
	small, big := ceRecord("in", 0, "1"), raw(bindingtest.S3Notification("R", 3))
	size := func(rs ...*kgo.Record) (n int) {
		for _, r := range rs {
			n += recordSize(r)
		}
		return n
	}
	for _, tc := range []struct {
		window            int
		records           []*kgo.Record
		n, events, inSize int
	}{
		{4, []*kgo.Record{small, big, small, small}, 2, 4, size(small, big)},
		{4, []*kgo.Record{big, big, small}, 2, 6, size(big, big)},
		{2, []*kgo.Record{big, small}, 1, 3, size(big)},
		{9, []*kgo.Record{small, big, small}, 3, 5, size(small, big, small)},
		{3, []*kgo.Record{small, small, small, small}, 3, 3, size(small, small, small)},
	} {
		s := settings("a")
		s.Window = bindings.NewWindow(tc.window, 0)
		r := &run{source: &Source{settings: s, adapters: adapters}}
		b := r.batch()
		most, err := r.source.limit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := r.fill(b, &delivery{records: tc.records}, most); n != tc.n || len(b.Events) != tc.events || b.bytes != tc.inSize {
			t.Errorf("window %d: %d records, %d events, %d bytes, want %d, %d, %d", tc.window, n, len(b.Events), b.bytes, tc.n, tc.events, tc.inSize)
		}
	}
}

// The partition moved while the batch was decoded: it is not emitted, and the next batch is empty.
func TestFencedBatchIsRecycled(t *testing.T) {
	adapters, err := adapter.Parse([]string{"s3"})
	if err != nil {
		t.Fatal(err)
	}
	s := settings("a")
	r := &run{source: &Source{settings: s, adapters: adapters}, emit: func(*bindings.Batch) { t.Error("emitted") }}
	tr := newTracker("in", 0)
	rs := []*kgo.Record{raw(bindingtest.S3Notification("R", 3))}
	first, _ := tr.add(rs, nil)
	tr.fence()
	if err := r.deliver(t.Context(), &delivery{tracker: tr, first: first, records: rs}); err != nil {
		t.Fatal(err)
	}
	if events, bytes := s.Window.InFlight(); events != 0 || bytes != 0 {
		t.Errorf("window holds %d events, %d bytes", events, bytes)
	}
	if b := r.batch(); len(b.Events) != 0 || len(b.spans) != 0 || b.tracker != nil {
		t.Errorf("the next batch has %d events, %v", len(b.Events), b.spans)
	}
}

package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

func ready(t testing.TB, k *Sink) {
	t.Helper()
	if err := k.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestStreamSinkStoresAndRecognisesRepetitions(t *testing.T) {
	n, _, stream := broker(t)
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.{type}"})
	ready(t, k)
	es := events(300, "e")
	for range 2 {
		if err := k.Send(t.Context(), es); err != nil {
			t.Fatal(err)
		}
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs != 300 || k.Duplicates() != 300 {
		t.Errorf("%d messages, %d duplicates, want 300 and 300", info.State.Msgs, k.Duplicates())
	}
	for i := range 300 {
		m, err := stream.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != "s.com.example.made" || m.Header.Get("ce-id") != es[i].ID {
			t.Fatalf("message %d: %s %v", i, m.Subject, m.Header)
		}
		if id := m.Header.Get("Nats-Msg-Id"); id != string(bindings.AppendDeliveryID(nil, "out", es[i])) {
			t.Fatalf("message id %q", id)
		}
	}
}

func TestStreamSinkClassifies(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgSize: 10_000})
	makeStream(t, js, jetstream.StreamConfig{Name: "O", Subjects: []string{"other"}})
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "{where}"})
	ready(t, k)
	at := func(where string, size int) *envelope.Event {
		e := event(where + fmt.Sprint(size))
		e.Set("where", where, envelope.KindString)
		e.Data = make([]byte, size)
		return e
	}
	err := k.Send(t.Context(), []*envelope.Event{
		at("s.a", 10), at("s.a", 20_000), at("s.a", 2<<20), at("nowhere", 10), at("other", 10), at("$SYS.x", 10), at("s.b", 10),
	})
	errs, ok := errors.AsType[bindings.BatchError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for i, want := range []bindings.Reason{"", bindings.ReasonTooLarge, bindings.ReasonTooLarge, bindings.ReasonAddress, bindings.ReasonAddress, "", ""} {
		if i == 5 {
			continue // refused or escaped by the template, which then is a subject nobody takes: permanent both ways
		}
		if got := reason(errs[i]); got != want || (want == "") != (errs[i] == nil) {
			t.Errorf("event %d: %v, want %q", i, errs[i], want)
		}
	}
	if got := reason(errs[5]); got != bindings.ReasonAddress {
		t.Errorf("event 5: %v, want an address error", errs[5])
	}
}

// A fixed subject that no stream takes is a mistake of the set-up. It is shown by Ready and mended at the stream;
// events wait.
func TestStreamSinkWithFixedSubjectWaits(t *testing.T) {
	n, _, _ := broker(t)
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "elsewhere"})
	if err := k.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("Ready: %v, want the subject", err)
	}
	err := k.Send(t.Context(), events(2, "e"))
	errs, ok := errors.AsType[bindings.BatchError](err)
	if !ok || reason(errs[0]) != "" || !nobodyTookIt(errs[0]) {
		t.Errorf("got %v, want a transient failure", err)
	}
}

func TestStreamFullIsTransient(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	js := manager(t, client(t, n.URL))
	stream := makeStream(t, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxMsgs: 3, Discard: jetstream.DiscardNew})
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "s.a"})
	ready(t, k)
	errs, ok := errors.AsType[bindings.BatchError](k.Send(t.Context(), events(5, "e")))
	if !ok {
		t.Fatal("no BatchError")
	}
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if c, ok := errors.AsType[*bindings.CodeError](err); !ok || c.Code != "10077" || reason(err) != "" {
			t.Errorf("got %v, want a transient error with the server's code", err)
		}
	}
	if failed != 2 {
		t.Errorf("%d failed, want 2", failed)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := k.Send(t.Context(), events(5, "e")[3:]); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestStreamSinkCreatesStream(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	k := newSink(t, SinkConfig{URL: n.URL, Stream: "S", Subject: "acme.x-{type}", Create: &StreamConfig{MaxBytes: 1 << 20, DuplicateWindow: time.Minute}})
	ready(t, k)
	ready(t, k)
	if err := k.Send(t.Context(), events(1, "e")); err != nil {
		t.Fatal(err)
	}
	s, err := manager(t, client(t, n.URL)).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	if len(c.Subjects) != 1 || c.Subjects[0] != "acme.>" || c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardNew ||
		c.MaxBytes != 1<<20 || c.Duplicates != time.Minute || c.MaxAge != defaultMaxAge {
		t.Errorf("got %+v", c)
	}
}

// T-16: what is under way when the server goes is unknown, so it fails, at once and not by its timeout; the next attempt
// stores nothing twice.
func TestServerGoesWithFlightsOpen(t *testing.T) {
	n, js, _ := broker(t)
	for name, cfg := range map[string]SinkConfig{
		"stream": {URL: n.URL, Stream: "S", Subject: "s.a"}, "core": {URL: n.URL, Subject: "c.a"},
	} {
		settings := sinkSettings()
		settings.Timeout = time.Minute
		k, err := NewSink(cfg, settings, nil)
		if err != nil {
			t.Fatal(err)
		}
		ready(t, k)
		confirmed := map[string]bool{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					es := events(100, fmt.Sprintf("%s-%d-%d", name, w, i))
					err := k.Send(context.Background(), es)
					failed := failedOf(err, es)
					mu.Lock()
					for _, e := range es {
						confirmed[e.ID] = true
					}
					for _, e := range failed {
						delete(confirmed, e.ID)
					}
					mu.Unlock()
					if err != nil {
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		began := time.Now()
		n.Stop()
		wg.Wait()
		close(stop)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: Send returned after %s", name, took)
		}
		if err := k.Send(t.Context(), events(1, "down")); err == nil || reason(err) != "" {
			t.Errorf("%s: with the server down Send gives %v, want a transient error", name, err)
		}
		if k.Ready(t.Context()) == nil {
			t.Errorf("%s: ready with the server down", name)
		}
		n.Start()
		eventually(t, name+" works again", func() bool { return k.Send(t.Context(), events(1, name+"-again")) == nil })
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if name != "stream" {
			continue
		}
		s, err := js.Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string]int{}
		for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq; seq++ {
			m, err := s.GetMsg(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			stored[m.Header.Get("ce-id")]++
		}
		for id := range confirmed {
			if stored[id] != 1 {
				t.Errorf("%s was confirmed and is stored %d times", id, stored[id])
			}
		}
		t.Logf("%d confirmed, %d stored", len(confirmed), len(stored))
	}
}

// An answer that comes after its Send has given up must not confirm anything else, and Send returns when its context ends.
func TestStreamSinkWithoutAnswer(t *testing.T) {
	n := testbroker.NewNATS(t, nil)
	nc := client(t, n.URL)
	var mu sync.Mutex
	var late []string
	sub, err := nc.Subscribe("s.a", func(m *natsgo.Msg) {
		mu.Lock()
		defer mu.Unlock()
		late = append(late, m.Reply)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	settings := sinkSettings()
	settings.Timeout = 100 * time.Millisecond
	k, err := NewSink(SinkConfig{URL: n.URL, Stream: "S", Subject: "s.a"}, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close(context.Background()) }()
	for range 2 {
		errs, ok := errors.AsType[bindings.BatchError](k.Send(t.Context(), events(3, "e")))
		if !ok || errs[0] != error(errNoAnswer) || errs[2] != error(errNoAnswer) {
			t.Errorf("got %v, want an unknown outcome for each", errs)
		}
		mu.Lock()
		for _, reply := range late {
			_ = nc.Publish(reply, []byte(`{"stream":"S","seq":1}`))
		}
		mu.Unlock()
		_ = nc.Flush()
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.timeout = time.Minute
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	if k.Send(ctx, events(1, "x")) == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a cancelled Send took %s", time.Since(began))
	}
}

func TestReadAnswer(t *testing.T) {
	a := newAnswers("S")
	for _, c := range []struct {
		data      string
		duplicate bool
		err       string // empty: confirmed
	}{
		{`{"stream":"S", "seq":22}`, false, ""},
		{`{"stream":"S","seq":22}`, false, ""},
		{`{"stream":"S", "seq":22,"duplicate": true}`, true, ""},
		{`{"stream":"S","domain":"hub", "seq":22}`, false, ""},
		{`{"stream":"SX", "seq":22}`, false, "another stream"},
		{`{"stream":"S", "seq":0}`, false, "without a sequence"},
		{`{"stream":"S"}`, false, "without a sequence"},
		{`{"stream":"S", "seq":}`, false, "no acknowledgement"},
		{`{"error":{"code":503,"err_code":10008,"description":"busy"},"stream":"S","seq":0}`, false, "busy"},
		{`+OK`, false, "no acknowledgement"},
		{``, false, "empty answer"},
	} {
		duplicate, err := a.read(&natsgo.Msg{Data: []byte(c.data)})
		if duplicate != c.duplicate || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, %v; want %v, %q", c.data, duplicate, err, c.duplicate, c.err)
		}
	}
	none := natsgo.NewMsg("x")
	none.Header["Status"] = []string{"503"}
	if _, err := a.read(none); err != error(errNoStream) {
		t.Errorf("no responders: %v", err)
	}
}

func TestCoreSink(t *testing.T) {
	n := testbroker.NewNATS(t, func(o *server.Options) { o.MaxPayload = 4096 })
	reader := client(t, n.URL)
	sub, err := reader.SubscribeSync("c.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(); err != nil { // so that the server has the subscription before the sink publishes
		t.Fatal(err)
	}
	k := newSink(t, SinkConfig{URL: n.URL, Subject: "c.{type}"})
	ready(t, k)
	es := events(3, "e")
	es[1].Data = make([]byte, 5000)
	errs, ok := errors.AsType[bindings.BatchError](k.Send(t.Context(), es))
	if !ok || errs[0] != nil || reason(errs[1]) != bindings.ReasonTooLarge || errs[2] != nil {
		t.Fatalf("got %v, want too_large for the second alone", errs)
	}
	for _, want := range []string{"e-0", "e-2"} {
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != "c.com.example.made" || m.Header.Get("ce-id") != want || string(m.Data) != "payload "+want {
			t.Errorf("got %s %v %s", m.Subject, m.Header, m.Data)
		}
	}
	p, err := k.Preview(es[0])
	if err != nil || p.Mode != "binary" || p.Address != "subject c.com.example.made" || p.Limit != 4096 || p.Bytes < 100 {
		t.Errorf("preview %+v, %v", p, err)
	}
	if _, err := k.Preview(es[1]); reason(err) != bindings.ReasonTooLarge {
		t.Errorf("preview of a large event: %v", err)
	}
}

func TestEmbeddedServerIsShared(t *testing.T) {
	em, err := NewEmbedded(EmbeddedConfig{Store: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	k, err := NewSink(SinkConfig{URL: "embedded", Stream: "S", Subject: "s.a", Create: &StreamConfig{}}, sinkSettings(), em)
	if err != nil {
		t.Fatal(err)
	}
	ready(t, k)
	if err := k.Send(t.Context(), events(10, "e")); err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(SourceConfig{URL: "embedded", Stream: "S"}, sourceSettings(k.log), em)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	r := &router{}
	stop := start(t, s, r)
	eventually(t, "all events arrive", func() bool { return r.count() == 10 })
	stop()
	client(t, em.ClientURL()).Close()
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	em.Close()
	if err := em.Start(); err == nil {
		t.Error("a closed server was started")
	}
}

func TestEmbeddedConfigIsChecked(t *testing.T) {
	for _, cfg := range []EmbeddedConfig{{Store: "x", Listen: "4222"}, {Store: "x", Listen: "h:99999"}} {
		if _, err := NewEmbedded(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// Two servers on one store would write the same sequences: one of them loses what it confirmed.
func TestEmbeddedStoreIsForOneServerOnly(t *testing.T) {
	dir := t.TempDir()
	first, err := NewEmbedded(EmbeddedConfig{Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	second, err := NewEmbedded(EmbeddedConfig{Store: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	err = second.Start()
	if f, ok := errors.AsType[*bindings.FieldError](err); !ok || !f.Environment || f.Field != "store" || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the second server started, or says %v", err)
	}
	first.Close()
	if err := second.Start(); err != nil {
		t.Errorf("the store was not given back: %v", err)
	}
}

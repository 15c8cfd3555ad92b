package nats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// writer sends events of 4 KiB and keeps which of them the stream has acknowledged.
type writer struct {
	k     *Sink
	sent  int
	acked map[string]bool
}

// send sends a batch and returns its events that were not acknowledged.
func (w *writer) send(ctx context.Context, es []*envelope.Event) (left []*envelope.Event) {
	err := w.k.Send(ctx, es)
	each, ok := errors.AsType[bindings.BatchError](err)
	for i, e := range es {
		switch {
		case err == nil || ok && each[i] == nil:
			w.acked[e.ID] = true
		case reason(err) != "" || ok && reason(each[i]) != "":
			panic(err) // nothing that a full disk fails is lost
		default:
			left = append(left, e)
		}
	}
	return left
}

func (w *writer) batch() []*envelope.Event {
	es := events(64, fmt.Sprint("full", w.sent))
	for _, e := range es {
		e.Data = make([]byte, 4096)
	}
	w.sent++
	return es
}

// A store that was full once, or whose disk was, answered nothing or "insufficient resources" until the process was
// started again, however much room there was by then, and nobody was told.
func TestEmbeddedStoreGoesOnWhenTheDiskHasRoomAgain(t *testing.T) {
	for name, c := range map[string]struct {
		maxStore bindings.Size
		remote   bool   // the events come from a client that does not look at the store's health
		fill     string // a file beside the store, that is removed
	}{
		"store at its bound":       {},
		"disk full":                {maxStore: 1 << 30},
		"disk full from elsewhere": {maxStore: 1 << 30, remote: true},
		"disk full of other files": {maxStore: 1 << 30, fill: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, resize := testbroker.SmallDisk(t, 24)
			em, err := NewEmbedded(EmbeddedConfig{Store: dir, MaxStore: c.maxStore, Listen: "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			core, logs := observer.New(zap.InfoLevel)
			em.LogTo(zap.New(core))
			defer em.Close()
			if err := em.Start(); err != nil {
				t.Fatal(err)
			}
			url := "embedded"
			if c.remote {
				url = em.ClientURL()
			}
			settings := sinkSettings()
			settings.Timeout = 2 * time.Second
			k, err := NewSink(SinkConfig{URL: url, Stream: "S", Subject: "s.a", Create: &StreamConfig{}}, settings, em)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = k.Close(context.Background()) }()
			ready(t, k)
			s, err := NewSource(SourceConfig{URL: "embedded", Stream: "S"}, sourceSettings(zap.NewNop()), em)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := &router{async: true}
			stop := start(t, s, r)

			w := &writer{k: k, acked: map[string]bool{}}
			if c.fill != "" {
				w.send(t.Context(), w.batch())
				fillDisk(t, filepath.Join(dir, c.fill))
				eventually(t, "the health is bad before anything is lost", func() bool { return em.Health() != nil })
			}
			var left []*envelope.Event
			for failed := 0; failed < 2; {
				if l := w.send(t.Context(), w.batch()); len(l) > 0 {
					left = append(left, l...)
					failed++
				}
			}
			full := len(w.acked)
			eventually(t, "the health names the store and its disk", func() bool {
				err := em.Health()
				return err != nil && strings.Contains(err.Error(), dir) && strings.Contains(err.Error(), " free")
			})
			t.Logf("full after %d acknowledged events: %v", full, em.Health())
			if told := logs.FilterMessage("embedded store takes nothing").FilterField(zap.String("store", dir)).Len(); told != 1 {
				t.Errorf("the log says so %d times, want once", told)
			}

			began := time.Now()
			if c.fill != "" {
				if err := os.Remove(filepath.Join(dir, c.fill)); err != nil {
					t.Fatal(err)
				}
			} else {
				resize(48)
			}
			eventually(t, "what failed is stored", func() bool { left = w.send(t.Context(), left); return len(left) == 0 })
			t.Logf("goes on after %s", time.Since(began).Round(time.Millisecond))
			eventually(t, "the health is good", func() bool { return em.Health() == nil })
			if left := w.send(t.Context(), w.batch()); len(left) > 0 {
				t.Errorf("%d of the next batch failed", len(left))
			}
			if logs.FilterMessage("embedded store recovered").Len() == 0 {
				t.Error("the log does not say that it goes on")
			}
			if c.remote && len(serverErrors(logs)) == 0 {
				t.Error("the log lacks what the server said of its write error")
			}
			eventually(t, "the source gets everything", func() bool { return len(r.times()) == len(w.acked) })
			stop()
			em.Close()
			checkStored(t, dir, w.acked)
		})
	}
}

// serverErrors are the server's own lines about its disk.
func serverErrors(logs *observer.ObservedLogs) []observer.LoggedEntry {
	return logs.Filter(func(l observer.LoggedEntry) bool {
		return l.Level == zap.ErrorLevel && strings.HasPrefix(l.Message, "embedded nats-server: ") && strings.Contains(l.Message, "no space left")
	}).All()
}

// fillDisk writes a file until the disk is nearly full.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); ; {
		if _, err := f.Write(piece); err != nil {
			t.Fatal(err)
		}
		if d, ok := diskOf(filepath.Dir(path)); !ok || d.free < d.reserve()/2 {
			return
		}
	}
}

// checkStored opens the store again and wants each acknowledged event in it once.
func checkStored(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	em, err := NewEmbedded(EmbeddedConfig{Store: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	if err := em.Start(); err != nil {
		t.Fatal(err)
	}
	nc := client(t, em.ClientURL())
	defer nc.Close()
	stream, err := manager(t, nc).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]int{}
	for seq, state := uint64(1), stream.CachedInfo().State; seq <= state.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("message %d: %v", seq, err)
		}
		stored[m.Header.Get("ce-id")]++
	}
	for id := range acked {
		if stored[id] != 1 {
			t.Errorf("%s was acknowledged and is stored %d times", id, stored[id])
		}
	}
	t.Logf("%d acknowledged, %d stored", len(acked), len(stored))
}

// A router that is started while the disk is full has to come to the same state by itself.
func TestEmbeddedStoreStartsOnAFullDisk(t *testing.T) {
	dir, resize := testbroker.SmallDisk(t, 24)
	store := filepath.Join(dir, "data")
	settings := sinkSettings()
	settings.Timeout = 2 * time.Second
	open := func() (*Embedded, *Sink) {
		em, err := NewEmbedded(EmbeddedConfig{Store: store, MaxStore: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		k, err := NewSink(SinkConfig{URL: "embedded", Stream: "S", Subject: "s.a", Create: &StreamConfig{}}, settings, em)
		if err != nil {
			t.Fatal(err)
		}
		return em, k
	}
	em, k := open()
	ready(t, k)
	w := &writer{k: k, acked: map[string]bool{}}
	w.send(t.Context(), w.batch())
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	em.Close()
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 24<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}

	em, k = open()
	defer em.Close()
	defer func() { _ = k.Close(context.Background()) }()
	w.k = k
	err := k.Ready(t.Context())
	t.Logf("at the start: %v", err)
	eventually(t, "the full disk is told", func() bool { return k.Ready(t.Context()) != nil || em.Health() != nil })
	t.Logf("later: %v", em.Health())
	resize(48)
	eventually(t, "it starts", func() bool { return k.Ready(t.Context()) == nil && em.Health() == nil })
	if left := w.send(t.Context(), w.batch()); len(left) > 0 {
		t.Errorf("%d events failed", len(left))
	}
	if err := k.Close(t.Context()); err != nil {
		t.Error(err)
	}
	em.Close()
	checkStored(t, store, w.acked)
}

package nats

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
)

// A store that reached the bound which the user stated was no news to anybody either.
func TestEmbeddedStoreAtItsStatedBoundGoesOnWhenStreamsDelete(t *testing.T) {
	em, err := NewEmbedded(EmbeddedConfig{Store: t.TempDir(), MaxStore: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	k, err := NewSink(SinkConfig{URL: "embedded", Stream: "S", Subject: "s.a", Create: &StreamConfig{}}, sinkSettings(), em)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close(context.Background()) }()
	ready(t, k)
	memory, err := NewSink(SinkConfig{URL: "embedded", Stream: "M", Subject: "m", Create: &StreamConfig{Storage: "memory"}}, sinkSettings(), em)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close(context.Background()) }()
	ready(t, memory)
	for i := 0; ; i++ {
		es := events(16, fmt.Sprint("full", i))
		for _, e := range es {
			e.Data = make([]byte, 8192)
		}
		if k.Send(t.Context(), es) != nil {
			break
		}
	}
	eventually(t, "the health names the bound", func() bool {
		err := em.Health()
		return err != nil && strings.Contains(err.Error(), "max_store is 1MiB")
	})
	err = k.Send(t.Context(), events(1, "waits"))
	if notSent, ok := err.(*bindings.NotSentError); !ok || !strings.Contains(notSent.Error(), "max_store") {
		t.Errorf("Send says %v, want that nothing was sent, and why", err)
	}
	if err := memory.Send(t.Context(), events(1, "m")); err != nil {
		t.Errorf("a stream in memory waits for the disk: %v", err)
	}
	nc, err := k.link.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := manager(t, nc).Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return k.Send(t.Context(), events(1, "again")) == nil && em.Health() == nil })
}

// What the embedded server logs was thrown away.
func TestEmbeddedServerLogIsKeptAndThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		l := newServerLog(zap.New(core))
		for i := range 1000 {
			l.Warnf("slow consumer %d", i)
		}
		l.Errorf("disk is %s", "full")
		l.Debugf("hidden")
		l.Tracef("hidden")
		if n := logs.Len(); n != lineBurst+1 {
			t.Errorf("%d lines, want %d warnings and an error", n, lineBurst)
		}
		if last := logs.All()[lineBurst]; last.Message != "embedded nats-server: disk is full" || last.Level != zap.ErrorLevel {
			t.Errorf("got %+v", last)
		}
		if l.lastError() != "disk is full" {
			t.Errorf("the last error is %q", l.lastError())
		}
		time.Sleep(linePeriod)
		l.Warnf("slow consumer")
		last := logs.All()[logs.Len()-1]
		if last.ContextMap()["suppressed"] != int64(1000-lineBurst) {
			t.Errorf("got %+v, want how many were suppressed", last)
		}
	})
}

package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/bindings"
)

// TestRefusedSessionTimeoutIsNamed: the brokers bound it, and say so with a code alone.
func TestRefusedSessionTimeoutIsNamed(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	core, logs := observer.New(zap.WarnLevel)
	s := settings("a")
	s.Log = zap.New(core)
	src, err := NewSource(SourceConfig{
		Brokers: c.ListenAddrs(), Topics: bindings.Strings{"in"}, Group: "g", SessionTimeout: time.Second,
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	start(t, src, new(desk))
	eventually(t, "the reason in the log", func() bool {
		for _, e := range logs.All() {
			for _, f := range e.Context {
				if err, ok := f.Interface.(error); ok && strings.Contains(err.Error(), "refuse session_timeout 1s") {
					return strings.Contains(err.Error(), "group.min.session.timeout.ms")
				}
			}
		}
		return false
	})
}

// TestDeadMemberIsReplaced: the group waited 45 seconds for a member that had died.
func TestDeadMemberIsReplaced(t *testing.T) {
	src := newSource(t, cluster(t), settings("a"))
	cl, err := kgo.NewClient(src.groupOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for option, want := range map[any]time.Duration{
		"session": 10 * time.Second, "heartbeat": 3 * time.Second, "rebalance": time.Minute,
	} {
		got := map[any]any{
			"session": cl.OptValue(kgo.SessionTimeout), "heartbeat": cl.OptValue(kgo.HeartbeatInterval),
			"rebalance": cl.OptValue(kgo.RebalanceTimeout),
		}[option]
		if got != want {
			t.Errorf("%v %v, want %s", option, got, want)
		}
	}
	if drainWithin+commitWithin >= rebalanceWithin {
		t.Error("a revocation may take longer than the group waits for it")
	}
}

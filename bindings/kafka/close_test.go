package kafka

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/testbroker"
)

// through makes a client reach a cluster of one broker through a proxy.
func through(p *testbroker.Proxy) kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", p.Addr().String())
	})
}

// TestClosingWaitsForNoBroker: what connects to ask something, or to write, ends when it is told to although the brokers do
// not answer any more.
func TestClosingWaitsForNoBroker(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	p := testbroker.NewProxy(t, c.ListenAddrs()[0])
	src := newSource(t, c, settings("a"))
	src.opts = append(src.opts, through(p))
	sink, err := NewSink(SinkConfig{Brokers: c.ListenAddrs(), Topic: "in"}, bindings.SinkSettings{})
	if err != nil {
		t.Fatal(err)
	}
	sink.opts = append(sink.opts, through(p))
	if err := sink.Send(t.Context(), events("k", 2)); err != nil {
		t.Fatal(err)
	}
	p.BlackHole()
	const bound = 300 * time.Millisecond
	for name, do := range map[string]func(context.Context) error{
		"Ready": src.Ready,
		"Send":  func(ctx context.Context) error { return sink.Send(ctx, events("k", 2)) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		begun := time.Now()
		if err := do(ctx); err == nil {
			t.Errorf("%s without brokers is no error", name)
		}
		cancel()
		if took := time.Since(begun); took > bound+2*time.Second {
			t.Errorf("%s took %s, and had %s", name, took, bound)
		}
	}
	begun := time.Now()
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("Close took %s", took)
	}
	p.Pass()
}

// TestStopDuringAJoin: a member that died keeps the join of the next one waiting for its session. A stop then waited too, for
// 41 seconds and until it was killed.
func TestStopDuringAJoin(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	p := testbroker.NewProxy(t, c.ListenAddrs()[0])
	client(t, c, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("in"), kgo.SessionTimeout(45*time.Second), through(p))
	eventually(t, "the member that dies has joined", func() bool {
		g := c.GroupInfo("g")
		return g != nil && g.State == "Stable"
	})
	p.Cut()
	d := new(desk)
	stop := start(t, newSource(t, c, settings("a")), d)
	time.Sleep(2 * time.Second)
	begun := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*leaveWithin {
		t.Errorf("the stop took %s while the join was pending, want about %s", took, leaveWithin)
	}
	p.Pass()
}

// TestStopWithoutAnswers: neither the last commit nor the leave waits for brokers without a bound.
func TestStopWithoutAnswers(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 10)
	p := testbroker.NewProxy(t, c.ListenAddrs()[0])
	src := newSource(t, c, settings("a"))
	src.opts, src.bound = append(src.opts, through(p)), time.Second
	d := &desk{judge: fine}
	stop := start(t, src, d)
	eventually(t, "the events", func() bool { return d.count() == 10 })
	p.BlackHole()
	begun := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took, most := time.Since(begun), src.bound+leaveWithin+2*time.Second; took > most {
		t.Errorf("the stop took %s, want at most %s", took, most)
	}
	p.Pass()
}

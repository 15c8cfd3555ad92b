//go:build brokers

package matrix

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The input of the tests of faults.
const (
	crashRate = 500 // events a second
	crashKeys = 20
	// crashLife is how long a router lives at most before the end that hits it in its work.
	crashLife = 1500 * time.Millisecond
	// longestStall is how long an event may take, from its publication to its arrival, while routers die.
	longestStall = 5 * time.Second
)

// What a process held that was killed came back from JetStream after ack_wait, thirty seconds later, when newer events
// of its subject had been delivered long ago; and a SIGTERM reordered neighbours. The router is killed with SIGKILL
// and ended with SIGTERM, ROUTER_TEST_CRASHES and ROUTER_TEST_STOPS times, and started again at once, while events
// come all the time.
func TestCrashKeepsOrder(t *testing.T) {
	f := sharedField(t, "kafka", "nats")
	kills, stops := size(t, "ROUTER_TEST_CRASHES", 2, 30), size(t, "ROUTER_TEST_STOPS", 4, 120)
	for _, to := range []string{"kafka", "http", "jetstream"} {
		t.Run("jetstream to "+to, func(t *testing.T) { crashRun(t, f, to, deaths(kills, stops)) })
	}
}

// deaths mixes kills, which are true, and stops.
func deaths(kills, stops int) []bool {
	all := make([]bool, kills+stops)
	for i := range kills {
		all[i] = true
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// amid returns while the router delivers what was produced at once, or soon after, or before.
func amid(t *testing.T, l *ledger) {
	t.Helper()
	once := int(crashRate * feedEvery / time.Second)
	select {
	case <-l.reach(l.arrived() + 1 + rand.IntN(once)):
	case <-time.After(killPatience):
		t.Fatalf("nothing arrives: %s", l.verdict().row())
	}
	time.Sleep(rand.N(5 * time.Millisecond))
}

// slowStop is from when on a stop shows its log.
const slowStop = 1500 * time.Millisecond

func crashRun(t *testing.T, f *field, to string, deaths []bool) {
	name := unique("c")
	src := f.source(t, "jetstream", name)
	src.config = strings.Replace(src.config, ", ack_wait: 3s", "", 1) // the default, as in the field
	l := newLedger(nil)
	sink := f.sink(t, to, name, l)
	if to == "http" { // with an answer that takes its time there is always something in flight
		sink.config = fmt.Sprintf("http: { url: \"http://%s/hook\" }", answerHTTP(t, l, func(message) int {
			time.Sleep(3 * time.Millisecond)
			return http.StatusNoContent
		}))
	}
	p := startRouter(t, config(src, map[string]string{"out": sink.config}))
	feeder := feed(t, &feeder{run: name, keys: crashKeys, rate: crashRate, source: src, books: []book{{ledger: l}}})
	kills, slowestStop := 0, time.Duration(0)
	for i, kill := range deaths {
		time.Sleep(rand.N(crashLife))
		amid(t, l)
		if kill {
			kills++
			p.kill()
		} else {
			took, err := p.terminate(40 * time.Second)
			if err != nil {
				t.Errorf("death %d: SIGTERM: %v after %.1f s, want code 0\n%s", i+1, err, took.Seconds(), p.tail())
			}
			if slowestStop = max(slowestStop, took); took > slowStop {
				t.Logf("death %d: SIGTERM took %.1f s\n%s", i+1, took.Seconds(), p.tail())
			}
		}
		l.restarted()
		if err := p.start(); err != nil {
			t.Fatalf("death %d: %v", i+1, err)
		}
	}
	time.Sleep(time.Second)
	feeder.end(t)
	l.await(t, killPatience)
	v := l.verdict()
	t.Logf("CRASH jetstream -> %-10s %d kill -9, %d SIGTERM (slowest %.1f s): %s", to, kills, len(deaths)-kills, slowestStop.Seconds(), v.row())
	l.sound(t, "jetstream -> "+to)
	if v.slowest > longestStall {
		t.Errorf("an event took %.1f s, the longest silence was %.1f s; want at most %s", v.slowest.Seconds(), v.silence.Seconds(), longestStall)
	}
	if p.stop(); t.Failed() {
		t.Log(p.tail())
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/eventrouter/router/test/brokers"
)

const (
	partitions = 4
	subject    = "bench.out"
	stream     = "BENCH"
	// runTimeout is how long one run may take.
	runTimeout = 5 * time.Minute
)

// lab is the brokers, the binaries, and what the far side looks with.
type lab struct {
	o      *options
	dir    string
	kafka  *brokers.Kafka
	nats   *brokers.NATS
	nc     *natsgo.Conn
	js     jetstream.JetStream
	self   string // this program
	router string // the router's binary
	runs   int
}

// job is what one run has to move.
type job struct {
	pair, topic string
	events      int
	bytes       int64
}

func newLab(ctx context.Context, o *options) (l *lab, err error) {
	l = &lab{o: o, router: o.router}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "router-bench-"); err != nil {
		return l, err
	}
	if l.self, err = os.Executable(); err != nil {
		return l, err
	}
	if o.router == "" && o.profile == "" {
		l.router = filepath.Join(l.dir, "router")
		build := exec.CommandContext(ctx, "go", "build", "-o", l.router, "github.com/eventrouter/router/cmd/router")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return l, fmt.Errorf("build of the router: %w\n%s", err, out)
		}
	}
	if o.kafka != "" {
		l.kafka = &brokers.Kafka{Addr: o.kafka}
	} else if l.kafka, err = brokers.NewKafka(ctx, filepath.Join(l.dir, "kafka")); err != nil {
		return l, err
	}
	if o.nats != "" {
		l.nats = &brokers.NATS{URL: o.nats}
	} else if l.nats, err = brokers.NewNATS(ctx, filepath.Join(l.dir, "nats")); err != nil {
		return l, err
	}
	l.nc, l.js, err = l.nats.Client()
	return l, err
}

func (l *lab) close() {
	var errs []error
	if l.nc != nil {
		l.nc.Close()
	}
	if l.nats != nil {
		errs = append(errs, l.nats.Stop())
	}
	if l.kafka != nil {
		errs = append(errs, l.kafka.Stop())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// fill writes the events, in binary mode, to a topic of their own.
func (l *lab) fill(ctx context.Context, keys int) (topic string, err error) {
	topic = fmt.Sprintf("bench-%d-%d", keys, time.Now().UnixNano())
	if err := l.kafka.CreateTopic(ctx, topic, partitions, nil); err != nil {
		return "", err
	}
	cl, err := l.kafka.Client(kgo.MaxBufferedRecords(20_000))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	words := rand.New(rand.NewPCG(1, 2)) // the same bytes in every run of this program
	failed := make(chan error, 1)
	for i := range l.o.events {
		cl.Produce(ctx, record(words, topic, i, keys, l.o.size), func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return "", err
	}
	select {
	case err := <-failed:
		return "", err
	default:
		return topic, nil
	}
}

// record is one event: nine attributes as headers, and data that looks like JSON and compresses about as well.
func record(words *rand.Rand, topic string, i, keys, size int) *kgo.Record {
	id := fmt.Sprintf("%08x-%d", words.Uint32(), i)
	data := make([]byte, 0, size+24)
	for n := 0; len(data) < size; n++ {
		data = fmt.Appendf(data, `{"field%d":%d},`, n, words.Uint32())
	}
	r := &kgo.Record{Topic: topic, Value: data[:size], Headers: []kgo.RecordHeader{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_id", Value: []byte(id)},
		{Key: "ce_source", Value: []byte("/shop/eu/checkout")},
		{Key: "ce_type", Value: []byte("com.example.order.paid")},
		{Key: "ce_subject", Value: []byte("order-" + id)},
		{Key: "ce_time", Value: []byte("2026-04-05T17:31:00.120Z")},
		{Key: "ce_tenant", Value: []byte("acme")},
		{Key: "ce_traceparent", Value: []byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")},
		{Key: "content-type", Value: []byte("application/json")},
	}}
	if keys > 0 {
		r.Key = []byte("key-" + strconv.Itoa(i%keys))
	}
	return r
}

// once lets one contestant do the job and measures it.
func (l *lab) once(ctx context.Context, j job, who string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	l.runs++
	a, err := l.watch(ctx, j)
	if err != nil {
		return result{}, err
	}
	defer a.stop()
	c, err := l.contestant(j, who)
	if err != nil {
		return result{}, err
	}
	defer c.kill()
	span, err := a.await(ctx)
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, c.tail())
	}
	r, err := c.finish()
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, c.tail())
	}
	r.Events, r.Seconds = j.events, span.Seconds()
	r.PerSecond = float64(j.events) / r.Seconds
	r.CPUMicros = r.CPUSeconds * 1e6 / float64(j.events)
	r.AllocsPerEvent = float64(r.allocs) / float64(j.events)
	return r, nil
}

// contestant starts a process that does the job, with a consumer group of its own.
func (l *lab) contestant(j job, who string) (*process, error) {
	group := fmt.Sprintf("bench-%d-%d", os.Getpid(), l.runs)
	if who != router {
		return startProcess(l.dir, l.self,
			childArg, loop(who), j.pair, l.kafka.Addr, l.nats.URL, j.topic, group, strconv.Itoa(j.events))
	}
	file := filepath.Join(l.dir, "router.yaml")
	if err := os.WriteFile(file, []byte(l.config(j, group)), 0o600); err != nil {
		return nil, err
	}
	p, err := startProcess(l.dir, l.router, "run", "-c", file)
	if err != nil {
		return nil, err
	}
	p.scrape = true
	return p, p.readAdmin()
}

// loop names what a contestant of this program does.
func loop(who string) string {
	if who == floor {
		return dataOnly
	}
	return translating
}

// config is the router's configuration: one route, everything else as it comes.
func (l *lab) config(j job, group string) string {
	target := fmt.Sprintf("url: %q, subject: %s", l.nats.URL, subject)
	if j.pair == toStream {
		target += ", stream: " + stream
	}
	addrs := strings.Split(l.kafka.Addr, ",")
	quoted, err := json.Marshal(addrs) // a JSON list is a YAML list
	if err != nil {
		panic(err) // of strings; cannot happen
	}
	return fmt.Sprintf(`sources: { in: { kafka: { brokers: %s, topics: [%s], group: %s } } }
sinks: { out: { nats: { %s } } }
routes: [ { name: all, from: in, when: { type: { prefix: com.example. } }, to: out } ]
unmatched: drop
dead_letter: hold
admin: { listen: "127.0.0.1:0" }
log: { format: json }
`, quoted, j.topic, group, target)
}

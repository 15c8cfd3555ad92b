package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings/security"
)

// connect returns the client options of the connection. Errors are FieldErrors.
func connect(brokers []string, t *security.TLS, s *SASL) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("eventrouter"),
		// The client would otherwise push its own metrics to the brokers and wait for that when it closes.
		kgo.DisableClientMetrics(),
	}
	tlsConfig, err := t.Client()
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil {
		opts = append(opts, kgo.DialTLSConfig(tlsConfig))
	}
	if s != nil {
		opts = append(opts, kgo.SASL(s.mechanism()))
	}
	return opts, nil
}

func (s *SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism()
	}
	return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
}

// reach returns nil if a broker answers and has all topics. It uses a client of its own that does not try again: the
// caller does, and wants to know the reason meanwhile.
func reach(ctx context.Context, opts []kgo.Opt, topics ...string) error {
	return reachAnd(ctx, opts, topics, func(*kgo.Client, *kmsg.MetadataResponse) error { return nil })
}

// reachAnd is reach, and has then look around with the same client.
func reachAnd(ctx context.Context, opts []kgo.Opt, topics []string, then func(*kgo.Client, *kmsg.MetadataResponse) error) error {
	var last trouble
	cl, done, err := asker(ctx, opts, &last)
	if err != nil {
		return err
	}
	defer done()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none; nil would mean all
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(topic)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("kafka: brokers: %w", last.explain(err))
	}
	var errs []error
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && t.Topic != nil {
			errs = append(errs, fmt.Errorf("kafka: topic %s: %w", *t.Topic, err))
		}
	}
	if errs == nil {
		return then(cl, resp)
	}
	return errors.Join(errs...)
}

// asker returns a client for a few questions, and what closes it. It ends with ctx as a whole: a request that waits for a
// broker to introduce itself does not look at its own context, and Close waits for what the client asks by itself, ten
// seconds and more where brokers do not answer.
func asker(ctx context.Context, opts []kgo.Opt, last *trouble) (cl *kgo.Client, done func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cl, err = kgo.NewClient(append([]kgo.Opt{kgo.RequestRetries(1), kgo.WithLogger(last), kgo.WithContext(ctx)}, opts...)...)
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("kafka: %w", err)
	}
	return cl, func() {
		cancel()
		cl.Close()
	}, nil
}

// trouble is a client's logger. The client tries again by itself whatever can be tried again, so the reason why
// nothing happens (no route, a wrong password) is in its log alone. The last one is kept to explain a failure; with a
// log, troubles are written there too, each of them every half minute at most.
type trouble struct {
	log *zap.Logger // nil for none

	mu   sync.Mutex // guards what follows
	last error
	said complaint
}

// Level asks for what an operator must know.
func (t *trouble) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log takes a message of the client.
func (t *trouble) Log(_ kgo.LogLevel, message string, pairs ...any) {
	err := errors.New(message)
	for i := 0; i+1 < len(pairs); i += 2 {
		if cause, ok := pairs[i+1].(error); ok {
			err = fmt.Errorf("%s: %w", message, cause)
		}
	}
	t.mu.Lock()
	t.last = err
	fresh := t.log != nil && t.said.fresh(err, time.Now())
	t.mu.Unlock()
	if fresh {
		t.log.Warn("kafka client", zap.Error(err))
	}
}

// explain adds the last trouble to an error that does not say why.
func (t *trouble) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return err
	}
	return fmt.Errorf("%w (%s)", err, t.last.Error()) // not wrapped: it must not decide the class
}

// forget drops what the client has got over.
func (t *trouble) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = nil
}

// complaint limits how often the same trouble is logged.
type complaint struct {
	text string
	at   time.Time
}

// fresh reports whether err is to be logged: it is new, or half a minute has passed.
func (c *complaint) fresh(err error, now time.Time) bool {
	if err == nil || err.Error() == c.text && now.Sub(c.at) < 30*time.Second {
		return false
	}
	c.text, c.at = err.Error(), now
	return true
}

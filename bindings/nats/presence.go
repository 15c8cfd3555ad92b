package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

const (
	// presencePrefix is what readers of a durable know each other by: the stream and the durable follow.
	presencePrefix = "_ROUTER.READER."
	// presenceGrace is how long answers of others may take after our own has come.
	presenceGrace  = 200 * time.Millisecond
	presenceWait   = 2 * time.Second
	presenceWaitIn = 10 * time.Second // for others that begin at the same time
)

// stage is how far a reader is.
type stage string

const (
	stageStarting  stage = "starting"
	stageResetting stage = "resetting" // it alone may reset the durable
	stageReading   stage = "reading"
)

// presence tells the readers of a durable of each other, over core NATS.
type presence struct {
	subject, id string

	mu    sync.Mutex // guards what follows
	sub   *natsgo.Subscription
	stage stage
	heard map[string]stage // who has asked since we did
}

func newPresence(stream, durable string) *presence {
	return &presence{subject: presencePrefix + stream + "." + durable, id: rand.Text(), stage: stageStarting, heard: map[string]stage{}}
}

// show makes this reader visible to others.
func (p *presence) show(nc *natsgo.Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sub != nil {
		return nil
	}
	sub, err := nc.Subscribe(p.subject, p.answer)
	if err != nil {
		return fmt.Errorf("nats: subscribe to %s: %w", p.subject, err)
	}
	p.sub = sub
	return nil
}

// hide ends show.
func (p *presence) hide() {
	p.mu.Lock()
	sub := p.sub
	p.sub = nil
	p.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // fails for a closed connection only
	}
}

func (p *presence) answer(m *natsgo.Msg) {
	id, at, ok := strings.Cut(string(m.Data), " ")
	if !ok {
		return
	}
	p.mu.Lock()
	if id != p.id {
		p.heard[id] = stage(at)
	}
	mine := p.text()
	p.mu.Unlock()
	_ = m.Respond(mine) // without an answer the other one takes nobody to be alone
}

func (p *presence) text() []byte { return []byte(p.id + " " + string(p.stage)) }

func (p *presence) set(s stage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage = s
}

// ask returns the other readers.
func (p *presence) ask(ctx context.Context, nc *natsgo.Conn) (map[string]stage, error) {
	ctx, cancel := context.WithTimeout(ctx, presenceWait)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("nats: inbox: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	p.mu.Lock()
	clear(p.heard)
	mine := p.text()
	p.mu.Unlock()
	if err := nc.PublishRequest(p.subject, inbox, mine); err != nil {
		return nil, fmt.Errorf("nats: %s: %w", p.subject, err)
	}
	others, self := map[string]stage{}, false
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case err != nil && self:
			return others, nil
		case err != nil:
			return nil, fmt.Errorf("nats: no answer on %s, which the user must be allowed to publish and to subscribe to: %w", p.subject, err)
		}
		id, at, ok := strings.Cut(string(m.Data), " ")
		switch {
		case !ok: // not from a reader: the subject is in somebody's stream
		case id != p.id:
			others[id] = stage(at)
		case !self:
			self = true
			var end context.CancelFunc
			ctx, end = context.WithTimeout(ctx, presenceGrace)
			defer end()
		}
	}
}

// claim returns true when this reader alone may reset the durable; it then has to say when it reads.
func (p *presence) claim(ctx context.Context, nc *natsgo.Conn) (bool, error) {
	for end := time.Now().Add(presenceWaitIn); ; {
		others, err := p.ask(ctx, nc)
		if err != nil {
			return false, err
		}
		mine, wait := p.decide(others)
		if !wait || time.Now().After(end) {
			return mine, nil
		}
		if err := pause(ctx, presenceGrace); err != nil {
			return false, err
		}
	}
}

// decide takes the right to reset if nobody else has it or reads. Of several that begin at once, the first by id has it,
// and the others wait.
func (p *presence) decide(others map[string]stage) (mine, wait bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(others, p.heard)
	for id, at := range others {
		switch {
		case at == stageReading:
			return false, false
		case at == stageResetting || id < p.id:
			wait = true
		}
	}
	if !wait {
		p.stage = stageResetting
	}
	return !wait, wait
}

// othersLeft reports whether anybody may read the durable, to be asked after hide.
func (p *presence) othersLeft(nc *natsgo.Conn) bool {
	ctx, cancel := context.WithTimeout(context.Background(), presenceWait)
	defer cancel()
	_, err := nc.RequestWithContext(ctx, p.subject, p.text())
	return !errors.Is(err, natsgo.ErrNoResponders)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

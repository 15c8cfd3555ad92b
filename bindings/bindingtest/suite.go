package bindingtest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/envelope"
)

const (
	// patience bounds every wait for something that has to come.
	patience = 20 * time.Second
	// silence is how long something that must not come is waited for.
	silence = 250 * time.Millisecond
	// prompt is how long something may take that has to come at once; a loaded machine is granted much.
	prompt = 5 * time.Second
)

// caseOf is one thing a suite holds a binding to.
type caseOf[S any] struct {
	name string
	// why says what breaks in a running router when a binding fails the case. It is printed beside every failure.
	why string
	// skip returns why the case does not hold for a transport, the empty string where it does.
	skip func(s S) string
	run  func(t *testing.T, s S)
	// alone says that nothing else may run in the process meanwhile.
	alone bool
}

// runCases runs cases as subtests: those that have to be alone first, the others, which mostly wait, side by side.
func runCases[S any](t *testing.T, s S, cases []caseOf[S]) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !c.alone {
				t.Parallel()
			}
			if c.skip != nil {
				if reason := c.skip(s); reason != "" {
					t.Skip("NOT TESTED: " + reason)
				}
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Log("what this case is for: " + c.why)
				}
			})
			c.run(t, s)
		})
	}
}

// need turns a condition into a reason to skip.
func need[S any](reason string, ok func(s S) bool) func(S) string {
	return func(s S) string {
		if ok(s) {
			return ""
		}
		return reason
	}
}

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !within(patience, ok) {
		t.Fatalf("not within %s: %s", patience, what)
	}
}

func within(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return ok()
		}
	}
}

// goroutines returns the stacks of all goroutines by their number.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := map[string]string{}
	for block := range strings.SplitSeq(string(buf), "\n\n") {
		if number, _, ok := strings.Cut(block, " ["); ok {
			stacks[number] = block
		}
	}
	return stacks
}

// watchGoroutines returns a function that fails the test if goroutines are left which were not there before. Those of
// a broker in the same process are told by foreign, parts of their stacks.
func watchGoroutines(foreign []string) (check func(t *testing.T)) {
	before := goroutines()
	left := func() (stacks []string) {
		for number, stack := range goroutines() {
			ours := !slices.ContainsFunc(foreign, func(part string) bool { return strings.Contains(stack, part) })
			if _, old := before[number]; !old && ours && !strings.Contains(stack, "testing.(*T).Run") {
				stacks = append(stacks, stack)
			}
		}
		return stacks
	}
	return func(t *testing.T) {
		t.Helper()
		if !within(prompt, func() bool { return len(left()) == 0 }) {
			t.Errorf("goroutines are left:\n%s", strings.Join(left(), "\n\n"))
		}
	}
}

// series returns n events with ids that begin with name and end with a number, spread over that many keys, 0 for none.
func series(name string, n, keys int) []*envelope.Event {
	events := make([]*envelope.Event, n)
	for i := range events {
		e := &envelope.Event{
			ID: fmt.Sprintf("%s-%d", name, i), Source: "/suite", Type: "com.example.suite", DataContentType: "application/json",
			Data: fmt.Appendf(nil, `{"n":%d}`, i),
		}
		if keys > 0 {
			e.Key = fmt.Appendf(nil, "key%d", i%keys)
		}
		events[i] = e
	}
	return events
}

func ids(events []*envelope.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

// standIn takes the place of the pipeline: it keeps copies of what is emitted and settles it, or holds it back.
type standIn struct {
	decide func(e *envelope.Event) error // nil confirms everything
	hold   bool                          // keep every batch until letGo
	async  bool                          // settle on goroutines of their own
	late   time.Duration                 // settle that much later

	wg   sync.WaitGroup
	mu   sync.Mutex // guards what follows
	got  []*envelope.Event
	held []*bindings.Batch
}

func (p *standIn) emit(b *bindings.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range b.Events {
		p.got = append(p.got, b.Events[i].Clone())
	}
	switch {
	case p.hold:
		p.held = append(p.held, b)
	case p.async:
		p.wg.Go(func() {
			time.Sleep(p.late)
			settle(b, p.decide)
		})
	default:
		settle(b, p.decide)
	}
}

// settle gives every event of a batch its outcome, as the pipeline does.
func settle(b *bindings.Batch, decide func(e *envelope.Event) error) {
	n := len(b.Events)
	b.Expect(max(n, 1))
	for i := range n {
		if decide == nil {
			break
		}
		if err := decide(&b.Events[i]); err != nil {
			b.Fail(i, err)
		}
	}
	b.Done(max(n, 1))
}

// letGo settles the first n batches that were held back, all with a negative n, and goes on holding back.
func (p *standIn) letGo(n int) {
	p.mu.Lock()
	if n < 0 {
		n = len(p.held)
	}
	now := p.held[:n:n]
	p.held = p.held[n:]
	p.mu.Unlock()
	for _, b := range now {
		settle(b, p.decide)
	}
}

// events returns what was emitted so far.
func (p *standIn) events() []*envelope.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// times returns how often each id was emitted.
func (p *standIn) times() map[string]int {
	n := map[string]int{}
	for _, e := range p.events() {
		n[e.ID]++
	}
	return n
}

func (p *standIn) find(id string) *envelope.Event {
	for _, e := range p.events() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// batches returns how many batches are held back and how many events are in them and in the largest one.
func (p *standIn) batches() (batches, events, largest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.held {
		events += len(b.Events)
		largest = max(largest, len(b.Events))
	}
	return len(p.held), events, largest
}

// background runs f on a goroutine that the end of the test waits for, and returns how to get its result.
func background(t *testing.T, f func(ctx context.Context) error) (result func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	result = sync.OnceValue(func() error {
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return fmt.Errorf("not finished within %s", patience)
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = result() // whoever wants to know has asked
	})
	return result
}

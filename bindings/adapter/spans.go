package adapter

import "github.com/eventrouter/router/bindings"

// Spans tells which events of a batch came from which message: for each message where its events end. It is empty as
// long as every message is one event, so that who has no adapters pays nothing for it.
type Spans []int32

// Add notes that message n of a batch, counted from 0, is the last one so far, and that its events end before event end.
func (s Spans) Add(n, end int) Spans {
	if len(s) == 0 && end == n+1 {
		return s
	}
	for i := len(s); i < n; i++ {
		s = append(s, int32(i+1))
	}
	return append(s, int32(end))
}

// Messages returns how many messages the events of b came from.
func (s Spans) Messages(b *bindings.Batch) int {
	if len(s) == 0 {
		return len(b.Events)
	}
	return len(s)
}

// First returns the number of the first event of message n.
func (s Spans) First(n int) int {
	if len(s) == 0 || n == 0 {
		return n
	}
	return int(s[n-1])
}

// Err returns why message n of the settled batch failed: the first error of its events. It is nil only if all of them
// are done (invariant 2).
func (s Spans) Err(b *bindings.Batch, n int) error {
	if len(s) == 0 {
		return b.Err(n)
	}
	for i := s.First(n); i < int(s[n]); i++ {
		if err := b.Err(i); err != nil {
			return err
		}
	}
	return nil
}

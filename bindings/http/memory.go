package http

import (
	"math"
	"sync"
	"sync/atomic"
)

const (
	// headerMemory is what the headers of all connections of a process may take together beyond freeHeader each. A byte of a
	// header counts headerFactor times: as it came, as the lines and the map that net/http makes of it, and as what is left
	// of both until it is collected.
	headerMemory = 16 << 20
	headerFactor = 4
	// freeHeader is what each connection may have of header without taking from headerMemory: most requests never do.
	freeHeader = 4 << 10
)

// memory is a bound over many connections that is taken from and given back to.
type memory struct{ free atomic.Int64 }

func newMemory(n int64) *memory {
	m := new(memory)
	m.free.Store(n)
	return m
}

// take takes n bytes, or none where there are not as many.
func (m *memory) take(n int) bool {
	if m.free.Add(-int64(n)) < 0 {
		m.free.Add(int64(n))
		return false
	}
	return true
}

func (m *memory) give(n int) { m.free.Add(int64(n)) }

// quota is a bound over all senders of which no one gets more than its share.
type quota struct {
	total, share int

	mu   sync.Mutex // guards what follows
	used int
	by   map[sender]int
}

// newQuota returns a quota; a total or a share of 0 is no bound.
func newQuota(total, share int) *quota {
	q := &quota{total: total, share: share, by: map[sender]int{}}
	if total == 0 {
		q.total = math.MaxInt
	}
	if share == 0 {
		q.share = math.MaxInt
	}
	return q
}

func (q *quota) take(s sender, n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > q.total-q.used || n > q.share-q.by[s] {
		return false
	}
	q.used += n
	q.by[s] += n
	return true
}

func (q *quota) give(s sender, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= n
	if q.by[s] -= n; q.by[s] == 0 {
		delete(q.by, s)
	}
}

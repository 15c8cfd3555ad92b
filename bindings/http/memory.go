package http

import (
	"math"
	"sync"
)

const (
	// decodeMemory is what decoding the header blocks of HTTP/2 may take together. It is apart from headerMemory: a request over
	// HTTP/2 needs some of it whatever its size, only for as long as it is decoded, and those who keep headers that do not end
	// must not have it.
	decodeMemory = 8 << 20
	// headerMemory is what the headers of all connections of a process may take together beyond freeHeader each. A byte of a
	// header counts headerFactor times: as it came, as the lines and the map that net/http makes of it, and as what is left
	// of both until it is collected.
	headerMemory = 16 << 20
	headerFactor = 4
	// freeHeader is what each connection may have of header without taking from headerMemory: most requests never do.
	freeHeader = 4 << 10
)

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

// take takes n for a sender.
func (q *quota) take(s sender, n int) bool { return n == 0 || q.more(s, 0, n) }

// more takes n for a request of a sender that has held already. One that is its sender's only one may be larger than the
// share, as one that is alone in a window may be larger than that: otherwise no repetition would bring it through.
func (q *quota) more(s sender, held, n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > q.total-q.used || n > q.share-q.by[s] && q.by[s] > held {
		return false
	}
	q.used += n
	q.by[s] += n
	return true
}

func (q *quota) give(s sender, n int) {
	if n == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= n
	if q.by[s] -= n; q.by[s] == 0 {
		delete(q.by, s)
	}
}

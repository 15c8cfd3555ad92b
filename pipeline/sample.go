package pipeline

import (
	"fmt"
	"math"
	"strconv"

	"github.com/eventrouter/router/envelope"
)

const sampledRate = "sampledrate"

// sampledOut reports whether a sample of one in n leaves the event out. It depends on nothing but the event, so that a
// redelivery is decided as the first delivery was, by any process of any release. What one in ten delivers, one in
// five does too.
func sampledOut(e *envelope.Event, n uint64) bool { return sampleHash(e)%n != 0 }

// sampleHash mixes source and id, FNV-1a with a finalizer because the plain sum's low bits are poor. The rate at which
// the event was sampled before takes part: without it, a second router that samples what a first one left would find
// that all of it is chosen.
func sampleHash(e *envelope.Event) uint64 {
	rate, _ := e.Get(sampledRate)
	h := uint64(14695981039346656037)
	for _, part := range [...]string{e.Source, e.ID, rate} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 1099511628211
		}
		h *= 1099511628211 // a NUL, which no attribute holds, ends the part
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// multiplyRate sets sampledrate to what it was times n; an event that was never sampled has 1.
func multiplyRate(e *envelope.Event, n int) error {
	rate := int64(1)
	if text, ok := e.Get(sampledRate); ok {
		if rate = positive(text); rate == 0 {
			return fmt.Errorf("sample: %s: a value of the shape %q is no Integer above 0", sampledRate, shape(text))
		}
	}
	product := rate * int64(n) // both have 31 bits
	if product > math.MaxInt32 {
		return fmt.Errorf("sample: %s: %d times %d is more than an Integer holds", sampledRate, rate, n)
	}
	e.Set(sampledRate, strconv.FormatInt(product, 10), envelope.KindInteger)
	return nil
}

// positive returns the number that a text stands for, 0 where that is no Integer above 0.
func positive(text string) int64 {
	if !envelope.ValidValue(text, envelope.KindInteger) {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

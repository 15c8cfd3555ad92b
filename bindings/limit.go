package bindings

import "fmt"

// Limit is the largest message that a target takes.
type Limit struct {
	// Bytes is the size as the target counts it, 0 if none is known.
	Bytes int
	// From says where the number is from: "topic orders max.message.bytes".
	From string
}

// Limited is a Sink that knows the largest message its target takes. Until Ready has returned nil once, that may be the
// target's documented default.
type Limited interface {
	Limit() Limit
}

// Exceeded is the permanent failure of a message that is larger. place is where it was to go, such as
// "kafka: topic orders", and code the target's own code, which may be empty.
func (l Limit) Exceeded(place, code string, size int) error {
	return Permanent(ReasonTooLarge, code, fmt.Errorf("%s: the message has %d bytes and the limit is %d (%s)", place, size, l.Bytes, l.From))
}

// Refuses reports whether a message of that size is larger.
func (l Limit) Refuses(size int) bool { return l.Bytes > 0 && size > l.Bytes }

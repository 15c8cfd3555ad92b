package bindings

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/eventrouter/router/envelope"
)

// deliveryIDBytes is how much of the hash an id shows: 128 bits, 32 hexadecimal digits.
const deliveryIDBytes = 16

// AppendDeliveryID appends what identifies the delivery of e by the sink of that name to a target that removes
// duplicates: 32 lower-case hexadecimal digits. It is the same for every attempt, in every process. Two sinks, two
// sources, two ids, or two variants that a route made of one event give different ids; what the parts are cut from
// does not matter, because each is hashed behind its length.
//
// It uses dst's spare capacity as scratch and allocates only when that is too small.
func AppendDeliveryID(dst []byte, sink string, e *envelope.Event) []byte {
	n := len(dst)
	for _, part := range [...]string{sink, e.Source, e.ID, e.Variant} {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(part)))
		dst = append(dst, part...)
	}
	sum := sha256.Sum256(dst[n:])
	return hex.AppendEncode(dst[:n], sum[:deliveryIDBytes])
}

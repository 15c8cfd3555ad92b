package routing

import (
	"math/bits"
	"math/rand/v2"
)

// hashSeed makes the hashes of a table its own.
type hashSeed struct{ first, second uint64 }

func newHashSeed() hashSeed { return hashSeed{rand.Uint64(), rand.Uint64()} }

// hashText returns the hash of a text, which is never zero. It takes sixteen bytes at a time, multiplied and folded. The
// values of most events are that short, and hash/maphash spends more than this on its way to the same thing. Whoever
// sends events cannot make look-ups slow with values that collide: only rules fill the index, and a value meets no more
// places there than the rules have made.
func hashText(seed hashSeed, text string) uint64 {
	sum := seed.first
	rest := text
	for len(rest) > 2*word {
		sum = fold(low64(rest)^seed.second, low64(rest[word:])^sum)
		rest = rest[2*word:]
	}
	var a, b uint64
	switch n := len(text); {
	case n >= 2*word: // the last sixteen, whatever of them was read before
		a, b = low64(text[n-2*word:]), low64(text[n-word:])
	case n >= word:
		a, b = low64(text), low64(text[n-word:])
	case n >= word/2:
		a, b = uint64(low32(text)), uint64(low32(text[n-word/2:]))
	case n > 0:
		a = uint64(text[0]) | uint64(text[n>>1])<<8 | uint64(text[n-1])<<16
	}
	return fold(fold(a^seed.second, b^sum), seed.first^uint64(len(text))) | 1<<63
}

// fold multiplies and joins the halves of the product.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// low32 reads four bytes, the first one lowest.
func low32(text string) uint32 {
	b := text[:4]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// low64 reads eight bytes, the first one lowest.
func low64(text string) uint64 {
	b := text[:8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

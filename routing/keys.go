package routing

// keyKind is a kind of access. The better ones come first.
type keyKind uint8

const (
	byValue keyKind = iota
	byPrefix
	bySuffix
	byFold
	byInside
	byExists
	byScan
	byScanFrom
	byPair
)

// key is one way into the index. Of a pair, slot is its number in the index, and only the hash knows the values.
type key struct {
	kind keyKind
	slot int32
	text string
}

// keyTable numbers keys. It is a map that remembers the hashes of its keys, because the index needs them again.
type keyTable struct {
	seed  hashSeed
	keys  []key
	sums  []uint64
	table []int32 // numbers plus one, by hash; zero is an empty place
}

func newKeyTable(seed hashSeed, size int) *keyTable {
	k := &keyTable{seed: seed, keys: make([]key, 0, size), sums: make([]uint64, 0, size)}
	k.grow(2 * size)
	return k
}

// sum returns the hash of a key that is no pair.
func (t *keyTable) sum(k key) uint64 { return spread(hashText(t.seed, k.text), k.mark()) }

// id returns the number of a key with its hash, and whether it was new.
func (t *keyTable) id(k key, sum uint64) (id int32, added bool) {
	if 2*len(t.keys) >= len(t.table) {
		t.grow(2 * len(t.table))
	}
	at := sum & uint64(len(t.table)-1)
	for ; t.table[at] != 0; at = (at + 1) & uint64(len(t.table)-1) {
		if id := t.table[at] - 1; t.sums[id] == sum && t.keys[id] == k {
			return id, false
		}
	}
	t.keys, t.sums = append(t.keys, k), append(t.sums, sum)
	t.table[at] = int32(len(t.keys))
	return int32(len(t.keys) - 1), true
}

// grow makes room for size places, a power of two or rounded up to one.
func (t *keyTable) grow(size int) {
	places := 8
	for places < size {
		places *= 2
	}
	t.table = make([]int32, places)
	for id, sum := range t.sums {
		at := sum & uint64(places-1)
		for t.table[at] != 0 {
			at = (at + 1) & uint64(places-1)
		}
		t.table[at] = int32(id + 1)
	}
}

// mark tells keys of the same text apart. For what a [hashIndex] finds it is what that uses.
func (k key) mark() int32 {
	switch k.kind {
	case byValue, byInside:
		return k.slot
	case byFold:
		return foldSlot(k.slot)
	default:
		return k.slot + int32(k.kind)<<24
	}
}

package pipeline

// keySet is a set of hashes that is emptied in no time: entries of an older generation count as free.
type keySet struct {
	slots []keySlot
	gen   uint32
	used  int
}

type keySlot struct {
	key uint64
	gen uint32
}

func (k *keySet) reset() {
	k.used = 0
	if k.gen++; k.gen == 0 { // wrapped: old entries could look new
		clear(k.slots)
		k.gen = 1
	}
}

func (k *keySet) find(key uint64) *keySlot {
	mask := uint64(len(k.slots) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		s := &k.slots[i]
		if s.gen != k.gen || s.key == key {
			return s
		}
	}
}

func (k *keySet) has(key uint64) bool {
	if k.used == 0 {
		return false
	}
	return k.find(key).gen == k.gen
}

func (k *keySet) add(key uint64) {
	if 2*(k.used+1) > len(k.slots) {
		k.grow()
	}
	if s := k.find(key); s.gen != k.gen {
		*s = keySlot{key, k.gen}
		k.used++
	}
}

func (k *keySet) grow() {
	old := k.slots
	k.slots = make([]keySlot, max(64, 2*len(old)))
	for _, s := range old {
		if s.gen == k.gen {
			*k.find(s.key) = s
		}
	}
}

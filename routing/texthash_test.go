package routing

import (
	"fmt"
	"strings"
	"testing"
)

// TestHashTextSeesEveryByte: two texts of one length that differ in one byte, or of two lengths, hash differently.
func TestHashTextSeesEveryByte(t *testing.T) {
	seed := newHashSeed()
	seen := map[uint64]string{}
	note := func(text string) {
		sum := hashText(seed, text)
		if other, ok := seen[sum]; ok {
			t.Fatalf("%q and %q share the hash %x", text, other, sum)
		}
		seen[sum] = text
	}
	for n := range 100 {
		base := strings.Repeat("a", n)
		note(base)
		for at := range n {
			note(base[:at] + "b" + base[at+1:])
			note(base[:at] + "\x00" + base[at+1:])
		}
	}
	if hashText(newHashSeed(), "a") == hashText(seed, "a") {
		t.Error("the seed changes nothing")
	}
}

// TestHashTextSpreads: names that count up, as those of routes do, fill the groups of a table and the tags in them as
// evenly as chance would.
func TestHashTextSpreads(t *testing.T) {
	const n, groups, tagged = 1 << 16, 1 << 10, 1 << 7
	for _, format := range []string{"%d", "s%d", "/shop/%d", "com.acme.t%d.created", "com.acme.departments.orders.t%d.v1.created"} {
		seed := newHashSeed()
		var byGroup [groups]float64
		var byTag [tagged]float64
		for i := range n {
			sum := hashText(seed, fmt.Sprintf(format, i))
			byGroup[sum%groups]++
			byTag[tag(sum)&0x7f]++
		}
		for name, counts := range map[string][]float64{"groups": byGroup[:], "tags": byTag[:]} {
			expected, chi := float64(n)/float64(len(counts)), 0.0
			for _, c := range counts {
				chi += (c - expected) * (c - expected) / expected
			}
			// The mean of chi is one for each count. Nearly twice that is out of chance's reach by twenty deviations.
			if chi > 1.9*float64(len(counts)) {
				t.Errorf("%s: %s: chi square %.0f for %d counts", format, name, chi, len(counts))
			}
		}
	}
}

func BenchmarkHashText(b *testing.B) {
	seed := newHashSeed()
	for _, text := range []string{"/shop/123", "com.acme.t123.created", strings.Repeat("x", 100)} {
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			sum := uint64(0)
			for b.Loop() {
				sum ^= hashText(seed, text)
			}
			if sum == 1 {
				b.Log(sum)
			}
		})
	}
}

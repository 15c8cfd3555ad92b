package routing

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/eventrouter/router/envelope"
)

func TestSuggest(t *testing.T) {
	tests := []struct {
		word, want string
	}{
		{"tpye", "type"},
		{"Type", "type"},
		{"sourc", "source"},
		{"subjcet", "subject"},
		{"type", ""},
		{"x", ""},
		{"", ""},
		{"elephant", ""},
		{"datacontentype", "datacontenttype"},
		{strings.Repeat("a", 1_000_000), ""},
		{"tim", "time"},
		{"tme", "time"},
		{"ids", "id"},
		{"idxx", ""},
	}
	for _, tt := range tests {
		if got := Suggest(tt.word, coreAttributes()); got != tt.want {
			t.Errorf("%.20s: got %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Suggest("ordres", []string{"order", "orders"}); got != "orders" {
		t.Errorf("the nearest of two: got %q", got)
	}
}

func TestDecimal(t *testing.T) {
	ordered := []string{
		"-1e400", "-12345678901234567891", "-12345678901234567890", "-1.5", "-1", "-0.1", "0", "1e-400", "0.099999999999999999999",
		"0.1", "1", "1.0000000000000000000001", "9007199254740992", "9007199254740993", "1e20", "1e999999999999",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			x, ok := parseDecimal(a)
			y, ok2 := parseDecimal(b)
			if got, want := x.compare(y), cmpInt(i, j); !ok || !ok2 || got != want {
				t.Errorf("%s and %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	for _, pair := range [][2]string{{"1", "1.0"}, {"10", "1e1"}, {"0.001", "1e-3"}, {"-0", "0"}, {"+5", "005"}, {"100e-2", "1"}, {"0e5", "0.0"}} {
		x, _ := parseDecimal(pair[0])
		if y, ok := parseDecimal(pair[1]); !ok || x.compare(y) != 0 {
			t.Errorf("%s and %s are not equal", pair[0], pair[1])
		}
	}
	for _, bad := range []string{"", "-", "+", ".5", "5.", "1e", "1e+", "0x10", "NaN", "Inf", " 1", "1 ", "1_000", "1,5", "--1", "١"} {
		if _, ok := parseDecimal(bad); ok {
			t.Errorf("%q is taken for a number", bad)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add("1.50", "-3e2")
	f.Add("0.00", "+000")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := parseDecimal(a)
		y, ok2 := parseDecimal(b)
		if ok != jsonNumber.MatchString(a) {
			t.Fatalf("%q is a number: %v", a, ok)
		}
		if !ok || !ok2 || len(a) > 20 || len(b) > 20 || max(x.exp, -x.exp, y.exp, -y.exp) > 1000 {
			return
		}
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		if got, want := x.compare(y), p.Cmp(q); got != want {
			t.Fatalf("%s and %s: got %d, want %d", a, b, got, want)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Add("*é*", "aéb")
	f.Add("a*?", "a")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 20 || pattern == "" {
			return
		}
		pattern, s = strings.ToValidUTF8(pattern, "x"), strings.ToValidUTF8(s, "y")
		g := newGlob(pattern)
		got, want := g.match(s), refGlob([]rune(pattern), []rune(s))
		if got != want {
			t.Fatalf("%q on %q: got %v, want %v", pattern, s, got, want)
		}
		prefix, suffix := g.literals()
		if got && (!strings.HasPrefix(s, prefix) || !strings.HasSuffix(s, suffix)) {
			t.Fatalf("%q matches %q, which lacks %q or %q", pattern, s, prefix, suffix)
		}
		for _, text := range g.inner() {
			if got && !strings.Contains(s, text) {
				t.Fatalf("%q matches %q, which lacks %q", pattern, s, text)
			}
		}
	})
}

// FuzzRegexLiterals holds that what the index takes for granted of a regular expression is in every value it matches.
func FuzzRegexLiterals(f *testing.F) {
	for _, seed := range [][2]string{
		{"a+bcd?", "aabc"},
		{"(?i)abc(?-i)def", "ABCdef"},
		{"x(abc){2,3}y*", "xabcabc"},
		{"(abc|def)ghi", "defghi"},
		{".*[.]order[.](paid)+.*", "com.order.paid.v1"},
		{"a\\x{fffd}b", "a\xffb"},
		{"(?i)k\\.1", "\u212a.1"},
		{"(?s).\nab(?:cd)??", "x\nab"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, s string) {
		if len(source) > 200 || len(s) > 200 {
			return
		}
		p, err := newPattern(source)
		if err != nil || !p.match(s) {
			return
		}
		if !strings.HasPrefix(s, p.prefix) {
			t.Fatalf("%q matches %q, which does not begin with %q", source, s, p.prefix)
		}
		for _, text := range p.inner {
			if !strings.Contains(s, text) {
				t.Fatalf("%q matches %q, which lacks %q", source, s, text)
			}
		}
	})
}

// TestLiteralsOfPatterns holds what the index may choose from.
func TestLiteralsOfPatterns(t *testing.T) {
	for source, want := range map[string][]string{
		"*.order.*": {".order."}, "com.*.order.?paid*x": {".order.", "paid"}, "*abcdefghijk?lm": {"abcdefgh", "defghijk"}, "*ab*": nil, "a*b": nil, "abc": nil, "??abc??": {"abc"}, "*": nil,
	} {
		if got := pieces(newGlob(source).inner()); !slices.Equal(got, want) {
			t.Errorf("glob %s: %q, want %q", source, got, want)
		}
	}
	for source, want := range map[string][]string{
		`[a-z]+\.order\..*`: {".order."}, `(abc)+x?`: {"abc"}, `(abc)*(def){2}`: {"def"}, `abc|abd`: {"ab"}, `(?i)abc`: nil,
		`.*(abc|xyz)`: nil, `a\x{fffd}b.*`: nil, `\Qa.b`: {"a.b"},
	} {
		p, err := newPattern(source)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.inner, want) {
			t.Errorf("regex %s: %q, want %q", source, p.inner, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("straße", "STRASSE")
	f.Add("\u212Aelvin", "KELVIN")
	f.Add("ſ\xff", "s\uFFFD")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := appendFolded(nil, a), appendFolded(nil, b)
		if got, want := string(x) == string(y), strings.EqualFold(a, b); got != want {
			t.Fatalf("%q and %q: got %v, want %v", a, b, got, want)
		}
		if len(a) > 3*len(x) {
			t.Fatalf("%q has %d bytes and folds to %d", a, len(a), len(x))
		}
	})
}

// TestRadix compares a walk with trying every key.
func TestRadix(t *testing.T) {
	g := generator{chooser: rand.New(rand.NewPCG(11, 1))}
	for _, suffix := range []bool{false, true} {
		for range 300 {
			set := map[string]bool{}
			for range 1 + g.IntN(30) {
				set[g.word()] = true
				set[g.pick("\x01", "\xff", "~", "a\x01", "a\xfe")] = true
			}
			var texts []string
			var keys []radixKey
			for text := range set {
				keys = append(keys, radixKey{text: text, postings: span{int32(len(texts)), int32(len(texts) + 1)}})
				texts = append(texts, text)
			}
			all := newRadixes(keys, suffix)
			for range 30 {
				value := g.pick("", "\x01", "\xff") + g.word() + g.word() + g.pick("", "\x01", "\xfe", "~")
				if got, want := radixHits(all, texts, value), naiveHits(texts, value, suffix); !slices.Equal(got, want) {
					t.Fatalf("suffix %v, keys %q on %q: got %q, want %q", suffix, texts, value, got, want)
				}
			}
		}
	}
}

func naiveHits(texts []string, value string, suffix bool) []string {
	has := strings.HasPrefix
	if suffix {
		has = strings.HasSuffix
	}
	hits := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return !has(value, text) })
	slices.Sort(hits)
	return hits
}

// radixHits walks with a table whose n-th rule is the n-th text, without conditions.
func radixHits(all []radix, texts []string, value string) []string {
	table := &Table{rules: make([]Rule, len(texts)), from: make([]origin, len(texts))}
	for i := range texts {
		table.from[i] = origin{only: fromAny}
		table.entries = append(table.entries, entry{rule: int32(i)})
		table.index.postings = append(table.index.postings, posting{entry: int32(i), from: fromAny, guard: -1})
	}
	s := table.NewScratch()
	s.begin(table, AnySource, event())
	for i := range all {
		all[i].walk(value, s)
	}
	hits := []string{}
	for _, n := range s.matched {
		hits = append(hits, texts[n])
	}
	slices.Sort(hits)
	return hits
}

func TestHashIndex(t *testing.T) {
	var entries []hashEntry
	seed := newHashSeed()
	table := &Table{rules: make([]Rule, 1000), from: make([]origin, 1000)}
	for i := range int32(1000) {
		k := hashKey{text: fmt.Sprint(i / 2), slot: i % 2}
		entries = append(entries, hashEntry{k, spread(hashText(seed, k.text), k.slot), span{i, i + 1}})
		table.from[i] = origin{only: fromAny}
		table.entries = append(table.entries, entry{rule: i})
		table.index.postings = append(table.index.postings, posting{entry: i, from: fromAny, guard: -1})
	}
	h := newHashIndex(entries)
	s := table.NewScratch()
	find := func(h *hashIndex, text string, slot int32) []int32 {
		s.begin(table, AnySource, event())
		h.walk(text, slot, hashText(seed, text), s)
		return s.matched
	}
	for i := range int32(1200) {
		want := []int32{i}
		if i >= 1000 {
			want = nil
		}
		if got := find(h, fmt.Sprint(i/2), i%2); !slices.Equal(got, want) {
			t.Errorf("%d in %d: got %v, want %v", i/2, i%2, got, want)
		}
	}
	if got := find(newHashIndex(nil), "x", 0); len(got) > 0 {
		t.Errorf("empty index: got %v", got)
	}
}

// Two keys whose hashes agree in all bits that a bucket holds are told apart by their texts.
func TestHashIndexWithEqualTags(t *testing.T) {
	table := compile(t, []Rule{
		{Name: "a", When: condition(t, "{ type: aa }")}, {Name: "b", When: condition(t, "{ type: bb }")},
	})
	h := table.index.hash
	postings := map[int32]span{}
	for _, b := range h.buckets {
		if b.postings != (span{}) {
			postings[b.key] = b.postings
		}
	}
	clear(h.tags)
	e := event()
	e.Type = "bb"
	sum := spread(hashText(table.index.seed, e.Type), table.attrs["type"])
	for i := range int32(2) { // both with the hash of bb, aa before it
		h.buckets[h.tags.add(sum)] = bucket{sum: uint32(sum >> 24), key: i, postings: postings[i]}
	}
	if got := table.Match(table.NewScratch(), AnySource, e); !slices.Equal(got, []int32{1}) {
		t.Errorf("got %v, want [1]", got)
	}
}

// Two pairs of values may share a hash: their rules still compare both values.
func TestPairsWithEqualHashes(t *testing.T) {
	table := compile(t, []Rule{
		{Name: "a", When: condition(t, "{ type: a, source: /1 }")}, {Name: "b", When: condition(t, "{ type: b, source: /2 }")},
	})
	h := table.index.paired
	if h.keys != nil || len(table.index.pairs) != 1 {
		t.Fatalf("%d pairs, want 1", len(table.index.pairs))
	}
	for i := range h.buckets { // whatever is found leads to both rules
		h.buckets[i].postings = span{0, 2}
	}
	s := table.NewScratch()
	if got := table.Match(s, AnySource, event("type=b", "source=/2")); !slices.Equal(got, []int32{1}) {
		t.Errorf("got %v, want [1]", got)
	}
	for _, e := range []*envelope.Event{event("type=a", "source=/2"), event("type=b", "source=/1"), event("type=c")} {
		if got := table.Match(s, AnySource, e); len(got) > 0 {
			t.Errorf("%s %s: got %v, want none", e.Type, e.Source, got)
		}
	}
}

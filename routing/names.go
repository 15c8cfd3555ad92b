package routing

import (
	"strings"
	"unicode/utf8"
)

// Mention is an attribute's name where a condition says it.
type Mention struct {
	Name string
	Pos  Pos
	Path string
	// Meant is true below "attributes", where a name is taken as it is written.
	Meant bool
	// Doubted is true where ParseWhen warned of the name.
	Doubted bool
	// Bare is the name as a CESQL expression has it where it only ever compares something with it, empty elsewhere: it
	// may be a text without its quotes.
	Bare string
}

// Mentions returns the attributes that the condition names, in the order written.
func (c *Condition) Mentions() []Mention {
	if c == nil {
		return nil
	}
	return c.mentions
}

// DoubtfulName returns the message for an attribute that is legal as an extension and is likely a slip of the name
// that is given; instead says what to write where it is none.
func DoubtfulName(name, likely, instead string) string {
	return name + " is read as an extension attribute; did you mean " + likely + "? If the extension is meant, " + instead
}

// SuggestCore returns the attribute of the specification, or the word of more, that an attribute's name is likely a
// slip of, empty if there is none. It doubts less than [Suggest]: any name is legal here, so that object must pass
// beside subject, resource beside source and uid beside id.
func SuggestCore(name string, more ...string) string {
	if isCore(name) {
		return ""
	}
	return slip(name, append(coreAttributes(), more...), false)
}

// SuggestExtension is SuggestCore for names that the specification does not define. As these are many and any could be
// near, the first letter has to agree, or to be missing or swapped, and digits never are a slip: shard1 is not shard2.
func SuggestExtension(name string, known []string) string { return slip(name, known, true) }

// slip finds the candidate that a name is most likely a slip of. Short words differ by chance and are not looked at.
func slip(name string, candidates []string, careful bool) string {
	best, least := "", 0
	for _, c := range candidates {
		shorter := min(len(name), len(c))
		if c == name || shorter < 3 || max(len(name), len(c)) > longestName || careful && (!sameStart(name, c) || numbers(name) != numbers(c)) {
			continue
		}
		allowed := max(1, min(shorter/4, 3))
		if difference := utf8.RuneCountInString(name) - utf8.RuneCountInString(c); max(difference, -difference) > allowed {
			continue
		}
		if d := distance(name, c); d <= allowed && (best == "" || d < least) {
			best, least = c, d
		}
	}
	return best
}

func sameStart(name, c string) bool { return name[0] == c[0] || name[0] == c[1] }

func numbers(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

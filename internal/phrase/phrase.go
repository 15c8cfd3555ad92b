// Package phrase makes the small parts of sentences that reports and messages share.
package phrase

import (
	"fmt"
	"strings"
)

// Count is a number with its noun, in the plural unless the number is 1.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		noun = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Names lists names, or says that there are none.
func Names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Shorten cuts the middle out of a text that is longer than most characters. It cuts nothing where most is 0.
func Shorten(text string, most int) string {
	if most <= 0 || len(text) <= most {
		return text
	}
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	head := (most - 1) / 2
	tail := most - 1 - head
	return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
}

package routing

import (
	"strings"
	"unicode/utf8"
)

// longestName bounds what is compared: a longer word is no misspelling of a name, and the distance takes quadratic time.
const longestName = 64

// Suggest returns the candidate that word is most likely a misspelling of, or the empty string where none is close
// enough to be worth naming. Case does not count as a difference. Distances are Damerau-Levenshtein's (optimal string
// alignment): two neighbouring letters in the wrong order are one mistake.
func Suggest(word string, candidates []string) string {
	if word == "" || len(word) > longestName {
		return ""
	}
	folded := strings.ToLower(word)
	best, bestDistance := "", 0
	for _, c := range candidates {
		if len(c) > longestName {
			continue
		}
		allowed := tolerance(min(len(word), len(c)))
		if difference := utf8.RuneCountInString(word) - utf8.RuneCountInString(c); max(difference, -difference) > allowed {
			continue // at least as many letters are missing
		}
		d := distance(folded, strings.ToLower(c))
		if d <= allowed && c != word && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// tolerance is how many mistakes a word of that length may have: one in short words, a third of a long one.
func tolerance(length int) int {
	switch {
	case length <= 1:
		return 0
	case length <= 5:
		return 1
	}
	return min(length/3, 4)
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours between a and b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// didYouMean returns the suggestion as the end of a message.
func didYouMean(word string, candidates []string) string {
	if s := Suggest(word, candidates); s != "" {
		return "; did you mean " + s + "?"
	}
	return ""
}

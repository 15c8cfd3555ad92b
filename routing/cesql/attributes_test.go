package cesql

import (
	"fmt"
	"testing"
)

func TestAttributes(t *testing.T) {
	for source, want := range map[string]string{
		"TRUE": "[]",
		"type = 'a' AND EXISTS ext OR type LIKE 'b%'":        "[{type 0} {ext 15}]",
		"UPPER(a) IN (b, 'c') XOR NOT d":                     "[{a 6} {b 13} {d 29}]",
		"-(INT(n) + 5) > 3 AND 'typ' = 'x' AND SUBJECT = ''": "[{n 6} {subject 38}]",
	} {
		x, err := Parse(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := fmt.Sprint(x.Attributes()); got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

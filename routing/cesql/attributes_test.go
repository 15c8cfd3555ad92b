package cesql

import (
	"fmt"
	"testing"
)

func TestAttributes(t *testing.T) {
	for source, want := range map[string]string{
		"TRUE": "[]",
		"type = 'a' AND EXISTS ext OR type LIKE 'b%'":        "[{type 0 } {ext 15 }]",
		"UPPER(a) IN (b, 'c') XOR NOT d":                     "[{a 6 } {b 13 b} {d 29 }]",
		"-(INT(n) + 5) > 3 AND 'typ' = 'x' AND SUBJECT = ''": "[{n 6 } {subject 38 }]",
		"region = EU AND a != Gold":                          "[{region 0 } {eu 9 EU} {a 16 } {gold 21 Gold}]",
		"region = EU AND EU = 'x'":                           "[{region 0 } {eu 9 }]",
		"EXISTS eu AND region IN (eu, b)":                    "[{eu 0 } {region 14 } {b 29 b}]",
		"'x' = EU OR region > EU OR NOT a = (b)":             "[{eu 6 } {region 12 } {a 31 } {b 36 b}]",
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

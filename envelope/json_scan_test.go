package envelope

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// nested returns JSON of arrays inside one another.
func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// scanValid reports what the scanner makes of a text, and of the same text with room behind it.
func scanValid(t *testing.T, text []byte) bool {
	t.Helper()
	s := NewJSONScanner(text)
	_, err := s.Value()
	valid := err == nil && s.End()
	if broken := new(JSONError); err != nil && (!errors.As(err, &broken) || broken.Offset > len(text) || broken.Problem == "") {
		t.Errorf("%q: got the error %v", text, err)
	}
	return valid
}

// scanTexts are traps of the grammar; which of them are valid, jsontext says.
var scanTexts = []string{
	"", " ", "0", "-0", "00", "01", "-", "-a", "1.", "1.5", ".5", "1e", "1e+", "1e-07", "1E5", "1.5e", "+1", "0x1", "1 2", "Infinity",
	"true", "tru", "truex", "nul", "null", "false", "True", `"`, `""`, `"a`, `"\`, `"\"`, `"\\"`, `"\x"`, `"\/\b\f\n\r\t"`, `"\u12"`, `"\u12g4"`,
	`"\u00e9"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\ud83d\ud83d"`, `"\ude00\ude00"`, `"\ud83dx"`, "\"a\nb\"", "\"\x7f\"", "\"\x1f\"",
	"\"\xff\"", "\"\xc0\xa0\"", "\"\xed\xa0\x80\"", "\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\"", "\"\xe2\x82\xac\"", "\"\ufffd\"", "[", "]", "[]", "[ ]", "[,]",
	"[1,]", "[1 2]", "[1,2]", "[1}", "{", "}", "{}", "{ }", "{,}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{a:1}`, `{1:1}`, `{"a":1]`,
	"[[1],{\"a\":[{}]} , [ ] ]", "[[1],{\"a\":[{]}]", "\uFEFF1", "1\x00", "\x00", "\v1", "[1]\u00a0", `{"a":{"b":{"c":[1,{"d":[]}]}}}`,
	`"twelve chars"`, `"seven77"`, `"eight888"`, `"eight888\n"`, "\"eight88\t8\"", `"ninechars"x`, "\"1234567\xc3\xa9\"", `["1234567","12345678"]`,
}

// TestScan_AgreesWithJSONText holds the scanner to another one, on every text, each of its beginnings, and inside deep data.
func TestScan_AgreesWithJSONText(t *testing.T) {
	for _, text := range scanTexts {
		for n := range len(text) + 1 {
			checkScan(t, []byte(text[:n]))
		}
		for _, depth := range []int{1, 63, 64, 65, 127, 128, 129, 1000} {
			checkScan(t, []byte(strings.Repeat("[", depth)+text+strings.Repeat("]", depth)))
			checkScan(t, []byte(strings.Repeat(`{"":`, depth)+text+strings.Repeat("}", depth)))
			checkScan(t, []byte(strings.Repeat(`[{"":`, depth)+text+strings.Repeat("}]", depth)))
			checkScan(t, []byte(strings.Repeat(`[{"":`, depth)+text+strings.Repeat("]}", depth)))
		}
	}
}

func checkScan(t *testing.T, text []byte) {
	t.Helper()
	want := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
	if got := scanValid(t, text); got != want {
		t.Errorf("%.200q: valid: got %t, want %t", text, got, want)
	}
}

// TestScan_Problems holds that errors say what is wrong, and where.
func TestScan_Problems(t *testing.T) {
	for text, want := range map[string]string{
		"":               "at byte 0: the text ends where a value should be",
		"[1 2]":          "at byte 3: '2' where a comma or ']' should be",
		`{"a" 1}`:        "at byte 5: '1' where a colon should be",
		`{"a":1]`:        "at byte 6: ']' where a comma or '}' should be",
		`{a:1}`:          "at byte 1: 'a' where a name in quotes should be",
		"[nul]":          "at byte 4: ']' where null should be",
		"-x":             "at byte 1: 'x' where a digit should be",
		"[1.]":           "at byte 3: ']' where a digit should be",
		"\"a\x01\"":      "at byte 2: a control character in a string",
		"\"a\xff\"":      "at byte 2: a string is not UTF-8",
		`"\x"`:           "at byte 1: an escape that JSON does not have",
		`"\u12"`:         "at byte 1: an escape without four hexadecimal digits",
		`"\ud800"`:       "at byte 1: an escape of half a surrogate pair",
		`"abc`:           "at byte 4: the text ends where the end of the string should be",
		`["` + "é" + `"`: "at byte 5: the text ends where a comma or ']' should be",
	} {
		s := NewJSONScanner([]byte(text))
		if _, err := s.Value(); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range scanTexts {
		f.Add([]byte(s))
	}
	f.Add(sample)
	f.Add([]byte(nested(100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) < 10_000 { // jsontext has a limit
			checkScan(t, text)
		}
	})
}

// deepTexts are a mebibyte each: what is nothing but depth, whole and cut off, and the same beside one another.
func deepTexts() map[string][]byte {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	return map[string][]byte{
		"open arrays":      []byte(fill("[")),
		"open objects":     []byte(fill(`{"":`)),
		"closed arrays":    []byte(nested(size / 2)),
		"closed objects":   []byte(strings.Repeat(`{"":`, size/5) + "1" + strings.Repeat("}", size/5)),
		"mismatched":       []byte(strings.Repeat("[", size/2) + strings.Repeat("}", size/2)),
		"about 64 levels":  []byte(nested(62)[:62] + fill("[[],[[]]],")[:size-9] + "0" + strings.Repeat("]", 62)),
		"quotes":           []byte(fill(`"`)),
		"backslashes":      []byte(`"` + fill(`\\`)),
		"spaces":           []byte(fill(" ")),
		"commas":           []byte("[" + fill("0,")),
		"multi-byte runes": []byte(`"` + fill("é") + `"`),
	}
}

// TestScan_DeepAndHostile: time grows with the text and with nothing else, and memory is a part of it. A
// quadratic scanner would take minutes here.
func TestScan_DeepAndHostile(t *testing.T) {
	for name, text := range deepTexts() {
		t.Run(name, func(t *testing.T) {
			want := strings.HasPrefix(name, "closed") || name == "multi-byte runes"
			began := time.Now()
			valid := scanValid(t, text)
			took := time.Since(began)
			if valid != want && name != "about 64 levels" {
				t.Errorf("valid: got %t, want %t", valid, want)
			}
			if !raceEnabled && took > time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v", took)
		})
	}
	text := []byte(nested(1 << 19))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if !validJSON(text) {
		t.Error("not valid")
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(len(text))/2 { // a growing slice is copied
		t.Errorf("%d bytes for a text of %d", got, len(text))
	}
}

// TestDeepDataIsForwarded: every intermediary has to forward 64 KiB, whatever their shape. Data of more than 64 levels was
// once refused, and more than 10,000 are beyond most JSON libraries.
func TestDeepDataIsForwarded(t *testing.T) {
	data := nested(32 << 10)
	objects := strings.Repeat(`{"a":`, 10_922) + "1" + strings.Repeat("}", 10_922)
	for name, data := range map[string]string{"arrays": data, "objects": objects} {
		t.Run(name, func(t *testing.T) {
			message := doc(`"data":` + data)
			e := accepted(t, message)
			if got := string(AppendJSON(nil, e)); got != message {
				t.Error("untouched, it leaves as another message")
			}
			e.Touch()
			if got := string(reparse(t, e).Data); got != data {
				t.Error("written anew, it has other data")
			}
			if got := string(reparse(t, binaryEvent("application/json", []byte(data))).Data); got != data {
				t.Error("from binary, it has other data")
			}
			encoded := binaryEvent("application/json", []byte(data))
			encoded.DataKind = DataBinary
			if got := string(reparse(t, encoded).Data); got != data {
				t.Error("in base64, it has other data")
			}
			count := 0
			batch := AppendJSONBatch(nil, []*Event{e, e})
			if err := ParseJSONBatch(batch, Options{}, func() *Event { count++; return new(Event) }); err != nil || count != 2 {
				t.Errorf("in a batch: %d events, %v", count, err)
			}
			if err := e.Validate(Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	path, err := ParsePath("[0][0][1].b")
	if err != nil {
		t.Fatal(err)
	}
	if got, kind := path.Lookup([]byte("[[" + data + `,{"a":` + data + `,"b":"x"}]]`)); kind != PathMissing {
		t.Errorf("got %q, %d", got, kind)
	}
	if got, _ := path.Lookup([]byte("[[[" + data + `,{"a":` + data + `,"b":"x"}]]]`)); got != "x" {
		t.Errorf("behind deep data: got %.20q, want x", got)
	}
	whole, _ := ParsePath("[0]")
	if got, kind := whole.Lookup([]byte(data)); kind != PathArray || len(got) != len(data)-2 {
		t.Errorf("deep data itself: got %d bytes of kind %d", len(got), kind)
	}
}

func BenchmarkScanDeep(b *testing.B) {
	for name, text := range deepTexts() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				validJSON(text)
			}
		})
	}
}

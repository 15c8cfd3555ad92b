package routing

import (
	"fmt"
	"strings"
	"testing"
)

// TestSuggestCore: any name is legal for an extension, so what is a word of its own is no slip.
func TestSuggestCore(t *testing.T) {
	for name, want := range map[string]string{
		"typ": "type", "tpe": "type", "tpye": "type", "ype": "type", "types": "type", "sourc": "source", "suorce": "source",
		"subjet": "subject", "datacontentype": "datacontenttype", "specverison": "specversion", "tim": "time",
		"type": "", "id": "", "ids": "", "uid": "", "ip": "", "object": "", "resource": "", "project": "", "sourceid": "",
		"typeid": "", "team": "", "region": "", "tenant": "", "topic": "", "mode": "", "schema": "", "x": "", "": "",
		"timestamp": "", "datatype": "", "eventtype": "", "sequence": "", strings.Repeat("a", 1_000_000): "",
	} {
		if got := SuggestCore(name); got != want {
			t.Errorf("%.20s: got %q, want %q", name, got, want)
		}
	}
	if got := SuggestCore("posision", "position"); got != "position" {
		t.Errorf("a word of the place: got %q", got)
	}
}

func TestSuggestExtension(t *testing.T) {
	known := []string{"dataclassification", "sampledrate", "authid", "tenantid", "shard1", "partitionkey", "ab"}
	for name, want := range map[string]string{
		"dataclasification": "dataclassification", "sampldrate": "sampledrate", "asmpledrate": "sampledrate",
		"ampledrate": "sampledrate", "tennantid": "tenantid", "oauthid": "", "shard2": "", "shrad1": "shard1",
		"partitonkey": "partitionkey", "partition": "", "abc": "", "": "", "tenantid": "",
	} {
		if got := SuggestExtension(name, known); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestMentions: every place of a condition that names an attribute is told, with what is known of it.
func TestMentions(t *testing.T) {
	c := condition(t, `{ typ: a, any: [{ attributes: { sourc: x } }, { filters: [{ exact: { b: c } }, { sql: "EXISTS d AND e = f OR e" }] }], `+
		`not: { subject: { not: x } }, data: { g: 1 }, cesql: "typ = 1" }`)
	var got []string
	for _, m := range c.Mentions() {
		got = append(got, fmt.Sprintf("%s %s %v %v", m.Name, m.Path, m.Meant, m.Doubted))
	}
	want := `typ when.typ false true
sourc when.any[0].attributes.sourc true false
b when.any[1].filters[0].exact.b false false
d when.any[1].filters[1].sql false false
e when.any[1].filters[1].sql false false
f when.any[1].filters[1].sql false false
subject when.not.subject false false
typ when.cesql false true`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if (*Condition)(nil).Mentions() != nil {
		t.Error("no condition names no attribute")
	}
}

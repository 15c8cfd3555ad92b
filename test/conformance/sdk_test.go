package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// sdkDeviation is something in which sdk-go does not do what the specification says. There the reader of the raw bytes
// judges alone, and sdk-go is held to doing exactly this; everywhere else its reading has to be the same.
type sdkDeviation struct{ name, what string }

var sdkDeviations = []sdkDeviation{
	{"percent", "header values over HTTP are not percent-decoded; they are compared as they were coded"},
	{"time", "a time becomes an instant in UTC with the shortest fraction of at most nine digits"},
	{"time grammar", "a time with a lower-case t or z, or a leap second, is refused"},
	{"scheme", "the scheme of a source is written in lower case"},
	{"minus zero", "the Integer -0 becomes 0"},
	{"media type", "of JSON's media types only application/json, text/json and those of CloudEvents are known, in lower case: data under another one is refused"},
	{"space", "white space between the colon and JSON data is taken for a part of the data"},
	{"base64 space", "data_base64 without datacontenttype is refused where white space stands before it"},
	{"implied type", "data of a JSON event without datacontenttype is not said to be application/json"},
}

// sdkReader decodes what arrives with sdk-go, and counts.
type sdkReader struct {
	messages int
	seen     map[string]int // deviations by name
}

// judge returns how sdk-go's reading of a message differs from the event that it holds, beyond what the deviations say.
// Only HTTP and the JSON format have a decoder in the SDK's main module.
func (r *sdkReader) judge(used form, m message, want *envelope.Event) string {
	if used.format != envelope.FormatJSON && used.transport != "http" || used.mode != bindings.ModeBinary && used.format != envelope.FormatJSON {
		return ""
	}
	r.messages++
	got, err := decodeSDK(m)
	if why := sdkRefuses(used, m, want); why != "" {
		if r.seen[why]++; err == nil {
			return "sdk-go takes it, although it should not: " + why
		}
		return ""
	}
	if err != nil {
		return "sdk-go: " + err.Error()
	}
	if diff := r.compare(used, m, want, got); diff != "" {
		return "sdk-go: " + diff
	}
	return ""
}

// decodeSDK reads a message with the HTTP protocol of sdk-go. A structured one of another transport is the same one.
func decodeSDK(m message) (*event.Event, error) {
	h := nethttp.Header{}
	for name, value := range m.headers {
		h.Set(name, value)
	}
	return binding.ToEvent(context.Background(), cehttp.NewMessage(h, io.NopCloser(bytes.NewReader(m.body))))
}

// sdkRefuses returns the deviation for which sdk-go refuses a message.
func sdkRefuses(used form, m message, want *envelope.Event) string {
	if _, err := time.Parse(time.RFC3339Nano, want.Time); want.Time != "" && err != nil {
		return "time grammar"
	}
	if used.mode == bindings.ModeBinary {
		return ""
	}
	members := map[string]json.RawMessage{}
	if json.Unmarshal(m.body, &members) != nil {
		return ""
	}
	data, stated := members["data"], members["datacontenttype"] != nil
	switch {
	case data != nil && data[0] != '"' && string(data) != "null" && stated && !sdkKnowsJSON(want.DataContentType):
		return "media type"
	case members["data_base64"] != nil && !stated && bytes.Contains(m.body, []byte(`"data_base64": `)):
		return "base64 space"
	}
	return ""
}

func sdkKnowsJSON(mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch strings.TrimSpace(mediaType) {
	case "application/json", "text/json", "application/cloudevents+json", "application/cloudevents-batch+json":
		return true
	}
	return false
}

// compare holds sdk-go's event to the one that it should be.
func (r *sdkReader) compare(used form, m message, want *envelope.Event, got *event.Event) string {
	theirs := map[string]string{}
	for name, value := range map[string]string{
		"specversion": got.SpecVersion(), "id": got.ID(), "source": got.Source(), "type": got.Type(), "subject": got.Subject(),
		"dataschema": got.DataSchema(), "datacontenttype": got.DataContentType(),
	} {
		if value != "" {
			theirs[name] = value
		}
	}
	if !got.Time().IsZero() || want.Time != "" {
		theirs["time"] = got.Context.(*event.EventContextV1).Time.String()
	}
	for name, value := range got.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return err.Error()
		}
		theirs[name] = text
		if diff := sameType(want.FindExtension(name), value); diff != "" {
			return diff
		}
	}
	for name, value := range bindingtest.Attributes(want) {
		if name == "datacontenttype" && theirs[name] == "" && used.mode != bindings.ModeBinary && !bytes.Contains(m.body, []byte(`"datacontenttype"`)) {
			r.seen["implied type"]++
			continue
		}
		if value = r.expect(used, want, name, value); theirs[name] != value {
			return fmt.Sprintf("%s: got %.80q, want %.80q", name, theirs[name], value)
		}
		delete(theirs, name)
	}
	if len(theirs) > 0 {
		return fmt.Sprintf("got %v as well", theirs)
	}
	return r.compareData(used, m, want.Data, got.Data())
}

// sameType holds the Go type of an extension to the type that JSON stated.
func sameType(a *envelope.Attr, value any) string {
	if a == nil {
		return ""
	}
	want := "string"
	switch a.Kind {
	case envelope.KindBoolean:
		want = "bool"
	case envelope.KindInteger:
		want = "int32"
	}
	if got := fmt.Sprintf("%T", value); got != want {
		return fmt.Sprintf("%s is a %s, want a %s", a.Name, got, want)
	}
	return ""
}

// expect returns what sdk-go makes of an attribute's value, by the deviations.
func (r *sdkReader) expect(used form, e *envelope.Event, name, value string) string {
	change := func(deviation, to string) {
		if to != value {
			r.seen[deviation]++
		}
		value = to
	}
	if used.mode == bindings.ModeBinary && name != "datacontenttype" {
		change("percent", bindingtest.PercentEncode(value))
	}
	switch name {
	case "time":
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			change("time", t.UTC().Format(time.RFC3339Nano))
		}
	case "source":
		if u, err := url.Parse(value); err == nil && u.Scheme != "" {
			change("scheme", u.Scheme+value[len(u.Scheme):])
		}
	default:
		if a := e.FindExtension(name); a != nil && a.Kind == envelope.KindInteger && value == "-0" {
			change("minus zero", "0")
		}
	}
	return value
}

// compareData compares the data. sdk-go does not tell empty data from none.
func (r *sdkReader) compareData(used form, m message, want, got []byte) string {
	if used.format == envelope.FormatJSON && !bytes.Equal(want, got) && bytes.Contains(m.body, []byte(`"data": `)) {
		if trimmed := bytes.TrimLeft(got, " \t\r\n"); bytes.Equal(want, trimmed) {
			r.seen["space"]++
			return ""
		}
	}
	if !bytes.Equal(want, got) {
		return fmt.Sprintf("data: got %.80q, want %.80q", got, want)
	}
	return ""
}

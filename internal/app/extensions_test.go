package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/envelope/format"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/pipeline"
	"github.com/eventrouter/router/routing"
)

// live is a router that runs, with an HTTP ingress named in and its standard output.
type live struct {
	t    *testing.T
	in   *Instance
	out  *safeBuffer
	path string
	stop context.CancelFunc // what SIGTERM does
}

// start runs a configuration as router run does, the watch over its file included, until the test ends.
func start(t *testing.T, text string) *live {
	t.Helper()
	l := &live{t: t, out: &safeBuffer{}, path: filepath.Join(t.TempDir(), "router.yaml")}
	l.write(text)
	cfg, err := config.Load([]string{l.path}, config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if l.in, err = Build(cfg, Settings{Log: zap.NewNop(), Events: l.out}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	watching := l.in.Watch(ctx, []string{l.path}, nil)
	ran := make(chan error, 1)
	go func() { ran <- l.in.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		<-watching
		l.in.Close()
	})
	eventually(t, "the router is ready", func() bool {
		code, _ := l.get("/readyz")
		return code == http.StatusOK
	})
	return l
}

func (l *live) write(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// post sends a binary event with these attributes as headers and returns the status and the body of the answer.
func (l *live) post(id, data string, attributes ...string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, "http://"+l.in.wiring.IngressAddr("in")+"/", strings.NewReader(data))
	if err != nil {
		l.t.Fatal(err)
	}
	for k, v := range map[string]string{"ce-specversion": "1.0", "ce-id": id, "ce-source": "/s", "ce-type": "t", "content-type": "text/plain"} {
		req.Header.Set(k, v)
	}
	for i := 0; i < len(attributes); i += 2 {
		req.Header.Set("ce-"+attributes[i], attributes[i+1])
	}
	return l.do(req)
}

func (l *live) do(req *http.Request) (int, string) {
	l.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// get asks the admin server.
func (l *live) get(path string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.in.AdminAddr().String()+path, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.do(req)
}

// lines are the events that the router printed.
func (l *live) lines() []string { return strings.Split(strings.TrimSpace(l.out.String()), "\n") }

const extensionsConfig = `
sources: { in: { http: { listen: "127.0.0.1:0", path: / } } }
sinks: { out: { stdout: {} }, %s }
routes: [ %s ]
unmatched: drop
dead_letter: hold
admin: { listen: "127.0.0.1:0" }
`

// chosen reports whether a sample of one in n takes an event of post, or one that has been sampled at a rate before.
func chosen(id, rate string, n int) bool {
	e := &envelope.Event{ID: id, Source: "/s", Type: "t"}
	if rate != "" {
		e.AddExtension("sampledrate", rate, envelope.KindInteger)
	}
	o, _ := pipeline.Apply(routing.Rule{Sample: n}, e) // a rate that cannot be multiplied is an error of what is taken
	return !o.SampledOut
}

func TestRunningRouterSamples(t *testing.T) {
	const events = 40
	route := "{ name: some, to: out, sample: %d }"
	l := start(t, fmt.Sprintf(extensionsConfig, "more: { stdout: {} }", fmt.Sprintf(route, 4)))
	want := ""
	for i := range events {
		id := fmt.Sprintf("e%d", i)
		if code, body := l.post(id, "x"); code != http.StatusNoContent {
			t.Fatalf("status %d: %s", code, body)
		}
		if chosen(id, "", 4) {
			want += `{"specversion":"1.0","id":"` + id + `","source":"/s","type":"t","datacontenttype":"text/plain","sampledrate":4,"data":"x"}` + "\n"
		}
	}
	if got := l.out.String(); got != want || want == "" {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	out := events - strings.Count(want, "\n")
	for _, line := range []string{
		fmt.Sprintf(`router_drops_total{policy="route some sampled"} %d`, out), `router_route_matched_total{route="some"} 40`,
		`router_source_unmatched_total{source="in"} 0`,
	} {
		if _, metrics := l.get("/metrics"); !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}

	done := l.in.reloads.figures().Done
	l.write(fmt.Sprintf(extensionsConfig, "more: { stdout: {} }", fmt.Sprintf(route, 1)))
	eventually(t, "a changed sample is applied", func() bool { return l.in.reloads.figures().Done > done })
	for i := range events {
		l.post(fmt.Sprintf("f%d", i), "x")
	}
	if got := strings.Count(l.out.String(), `"id":"f`); got != events || strings.Contains(l.out.String(), `"sampledrate":1`) {
		t.Errorf("%d of %d delivered by sample: 1", got, events)
	}
	done = l.in.reloads.figures().Done
	l.write(fmt.Sprintf(extensionsConfig, "more: { stdout: {} }", "{ name: some, to: out, attribute_types: { seq: Integer } }"))
	eventually(t, "changed types are applied", func() bool { return l.in.reloads.figures().Done > done })
	if l.post("typed", "x", "seq", "5"); !strings.Contains(l.out.String(), `"id":"typed","source":"/s","type":"t","datacontenttype":"text/plain","seq":5,`) {
		t.Errorf("the new types do not type: %s", l.out)
	}
}

func TestRunningRouterTypesAttributes(t *testing.T) {
	l := start(t, fmt.Sprintf(extensionsConfig, "more: { stdout: {} }", "{ to: out, attribute_types: { seq: Integer, hot: boolean } }"))
	if code, body := l.post("1", "x", "seq", "7", "hot", "true", "other", "9"); code != http.StatusNoContent {
		t.Fatalf("status %d: %s", code, body)
	}
	for _, want := range []string{`"seq":7`, `"hot":true`, `"other":"9"`} {
		if !strings.Contains(l.out.String(), want) {
			t.Errorf("the output lacks %s: %s", want, l.out)
		}
	}
	code, body := l.post("2", "x", "seq", "seven")
	if code != http.StatusUnprocessableEntity || !strings.Contains(body, "bad_set") || strings.Contains(l.out.String(), "seven") {
		t.Errorf("a value of another type: %d %s", code, body)
	}
	// What arrives structured with a typed value, or without one, leaves byte for byte.
	for _, event := range []string{
		`{"type":"t","source":"/s","id":"3",  "specversion":"1.0","seq":7}`, `{"type":"t","source":"/s","id":"4",  "specversion":"1.0"}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.in.wiring.IngressAddr("in")+"/", strings.NewReader(event))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/cloudevents+json")
		l.do(req)
		if lines := l.lines(); lines[len(lines)-1] != event {
			t.Errorf("got %s, want %s", lines[len(lines)-1], event)
		}
	}
}

// TestRunningRouterTypesAttributesInEveryFormat: each structured format tells its reader the type.
func TestRunningRouterTypesAttributesInEveryFormat(t *testing.T) {
	var mu sync.Mutex
	got := map[string]envelope.Kind{}
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a broken one is no event
		e := new(envelope.Event)
		f, _ := format.ByName(r.URL.Path[1:])
		err := format.Parse(f, e, body, envelope.Options{})
		mu.Lock()
		defer mu.Unlock()
		if seq := e.FindExtension("seq"); err == nil && seq != nil && seq.Value == "7" {
			got[r.URL.Path] = seq.Kind
		}
	}))
	defer target.Close()
	var sinks []string
	for _, f := range []string{"json", "protobuf", "xml", "avro"} {
		sinks = append(sinks, fmt.Sprintf("%s: { http: { url: '%s/%s' }, mode: structured, format: %s }", f, target.URL, f, f))
	}
	l := start(t, fmt.Sprintf(extensionsConfig, strings.Join(sinks, ", "), "{ to: [out, json, protobuf, xml, avro], attribute_types: { seq: Integer } }"))
	if code, body := l.post("1", "x", "seq", "7"); code != http.StatusNoContent {
		t.Fatalf("status %d: %s", code, body)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range []string{"/json", "/protobuf", "/xml", "/avro"} {
		if got[path] != envelope.KindInteger {
			t.Errorf("%s: the reader sees the type %q", path, routing.TypeName(got[path]))
		}
	}
}

func TestRunningRouterDropsReferredData(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a broken one is not what is expected below
		if len(body) > 10 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, r.Header.Get("ce-id")+" "+r.Header.Get("ce-dataref")+" "+string(body))
	}))
	defer target.Close()
	l := start(t, fmt.Sprintf(extensionsConfig,
		"bare: { stdout: {}, dataref: drop_data }, small: { http: { url: '"+target.URL+"' }, dataref: drop_data_when_too_large }",
		"{ to: [out, bare, small] }"))
	for _, c := range []struct {
		id, data, ref string
		code          int
	}{
		{"1", "short", "/store/1", http.StatusNoContent},
		{"2", "longer than ten bytes", "/store/2", http.StatusNoContent},
		{"3", "longer than ten bytes", "", http.StatusRequestEntityTooLarge},
	} {
		attributes := []string{"dataref", c.ref}
		if c.ref == "" {
			attributes = nil
		}
		if code, body := l.post(c.id, c.data, attributes...); code != c.code {
			t.Errorf("event %s: %d %s", c.id, code, body)
		}
		whole := strings.Count(l.out.String(), `"id":"`+c.id+`","source":"/s","type":"t","datacontenttype":"text/plain"`)
		data := strings.Count(l.out.String(), c.data)
		if c.id == "1" && (whole != 2 || data != 1) {
			t.Errorf("out and bare printed %s", l.out)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(bodies, ";"); got != "1 /store/1 short;2 /store/2 " {
		t.Errorf("the target took %q", got)
	}
}

func TestRunningRouterRefusesByClassification(t *testing.T) {
	l := start(t, fmt.Sprintf(extensionsConfig,
		"inner: { stdout: {}, accepts: { dataclassification: [public, internal], dataregulation: [gdpr] } }", "{ to: inner }"))
	for _, c := range []struct {
		id         string
		code       int
		attributes []string
	}{
		{"1", http.StatusNoContent, nil},
		{"2", http.StatusNoContent, []string{"dataclassification", "internal", "dataregulation", "gdpr", "datacategory", "health"}},
		{"3", http.StatusUnprocessableEntity, []string{"dataclassification", "restricted"}},
		{"4", http.StatusUnprocessableEntity, []string{"dataclassification", "public", "dataregulation", "gdpr, hipaa"}},
	} {
		code, body := l.post(c.id, "x", c.attributes...)
		if code != c.code || code != http.StatusNoContent && !strings.Contains(body, "cannot be delivered: classification") {
			t.Errorf("event %s: %d %s", c.id, code, body)
		}
		if printed := strings.Contains(l.out.String(), `"id":"`+c.id+`"`); printed != (c.code == http.StatusNoContent) {
			t.Errorf("event %s: printed %t", c.id, printed)
		}
	}
	for _, want := range []string{`"dataclassification":"internal"`, `"dataregulation":"gdpr"`, `"datacategory":"health"`} {
		if !strings.Contains(l.out.String(), want) {
			t.Errorf("the attributes were changed: %s is missing in %s", want, l.out)
		}
	}
}

// TestRunningRouterKeepsRefusedDataElsewhere: a dead letter tells what was refused, and where the sink of dead letters
// may have it, the sender is done.
func TestRunningRouterKeepsRefusedDataElsewhere(t *testing.T) {
	l := start(t, strings.Replace(fmt.Sprintf(extensionsConfig,
		"inner: { stdout: {}, accepts: { dataclassification: [] } }, dead: { stdout: {}, accepts: { dataclassification: [restricted] } }",
		"{ name: r, to: inner }"), "dead_letter: hold", "dead_letter: dead", 1))
	if code, body := l.post("1", "x", "dataclassification", "restricted"); code != http.StatusNoContent {
		t.Errorf("status %d: %s", code, body)
	}
	for _, want := range []string{`"dlqreason":"classification"`, `"dlqsink":"inner"`, `does not accept dataclassification \"restricted\"`, `"data":"x"`} {
		if !strings.Contains(l.out.String(), want) {
			t.Errorf("the dead letter lacks %s: %s", want, l.out)
		}
	}
	if code, body := l.post("2", "x", "dataclassification", "secret"); code != http.StatusUnprocessableEntity || strings.Contains(l.out.String(), `"id":"2"`) {
		t.Errorf("a dead letter that the sink of dead letters may not have: %d %s, %s", code, body, l.out)
	}
}

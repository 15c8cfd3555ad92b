package http

import (
	"bytes"
	"context"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/testbroker"
)

// suiteForeign are the goroutines of the target and of the writer in this process.
var suiteForeign = []string{"httptest.", "internal/testbroker.(*Proxy)", "bindings/http.TestConformance_Sink"}

// suiteLoss: over HTTP an empty body is no body.
const suiteLoss = bindingtest.Headers | bindingtest.LossEmptyData

// plainRequest writes a binary request as the specification has it.
func plainRequest(e *envelope.Event) (header nethttp.Header, body []byte) {
	header = nethttp.Header{}
	for name, value := range bindingtest.Attributes(e) {
		if name != "datacontenttype" {
			header["ce-"+name] = []string{bindingtest.PercentEncode(value)}
		}
	}
	if ct := e.ContentType(); ct != "" {
		header["Content-Type"] = []string{ct}
	}
	return header, e.Data
}

func structuredRequest(e *envelope.Event) (header nethttp.Header, body []byte) {
	return nethttp.Header{"Content-Type": {"application/cloudevents+json; charset=UTF-8"}}, bindingtest.WriteJSON(e)
}

// batchRequest writes a batch of one.
func batchRequest(e *envelope.Event) (header nethttp.Header, body []byte) {
	return nethttp.Header{"Content-Type": {"application/cloudevents-batch+json"}},
		append(append([]byte("[ "), bindingtest.WriteJSON(e)...), " ]"...)
}

// suiteWriter posts to the newest instance.
type suiteWriter struct {
	client *nethttp.Client
	source *Source
}

func (w *suiteWriter) post(ctx context.Context, header nethttp.Header, body []byte) error {
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodPost, "http://"+w.source.Addr()+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != nethttp.StatusNoContent {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// send posts side by side, because every answer waits for its outcome. The error is the first.
func (w *suiteWriter) send(ctx context.Context, events []*envelope.Event, write func(*envelope.Event) (nethttp.Header, []byte)) error {
	const atOnce = 16
	var wg sync.WaitGroup
	slots, errs := make(chan struct{}, max(atOnce, min(len(events), 20))), make(chan error, len(events))
	for _, e := range events {
		slots <- struct{}{}
		wg.Go(func() {
			header, body := write(e)
			if err := w.post(ctx, header, body); err != nil {
				errs <- fmt.Errorf("%s: %w", e.ID, err)
			}
			<-slots
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func TestConformance_Source(t *testing.T) {
	nested := map[string]string{}
	for _, name := range []string{"nested-event", "nested-batch", "nested-upper-case", "nested-avro"} {
		nested[name] = "no binary request can carry an event whose content type is that of a structured one"
	}
	for name, c := range map[string]struct {
		write   func(*envelope.Event) (nethttp.Header, []byte)
		loss    bindingtest.Loss
		refuses map[string]string
	}{
		"binary":     {plainRequest, suiteLoss, nested},
		"structured": {structuredRequest, bindingtest.Structured, nil},
		"batch":      {batchRequest, bindingtest.Structured, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bindingtest.Source(t, bindingtest.SourceCase{
				Features: bindingtest.Features{Replies: true}, Loss: c.loss, Refuses: c.refuses, Foreign: suiteForeign, OnlyGolden: name != "binary",
				Open: func(t *testing.T) *bindingtest.SourceRig {
					w := &suiteWriter{client: &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}}
					return &bindingtest.SourceRig{
						New: func(s bindings.SourceSettings) (_ bindings.Source, err error) {
							w.source, err = NewSource(SourceConfig{Listen: "127.0.0.1:0"}, s)
							if err == nil {
								t.Cleanup(func() { _ = w.source.Close() })
							}
							return w.source, err
						},
						Send: func(ctx context.Context, events []*envelope.Event) error { return w.send(ctx, events, c.write) },
						SendRaw: func(ctx context.Context, body []byte) error {
							return w.post(ctx, nethttp.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}}, body)
						},
					}
				},
			})
		})
	}
}

// suiteTarget is a target that keeps what it took.
type suiteTarget struct {
	mu      sync.Mutex // guards what follows
	arrived []bindingtest.Arrival
	broken  []error
}

func (r *suiteTarget) ServeHTTP(w nethttp.ResponseWriter, req *nethttp.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender has gone
	}
	got, err := parseRequest(req, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.broken = append(r.broken, err)
		w.WriteHeader(nethttp.StatusBadRequest)
	case len(got) == 1 && got[0].Event.ID == "too-large":
		w.WriteHeader(nethttp.StatusRequestEntityTooLarge)
	case len(got) == 1 && got[0].Event.ID == "rejected":
		w.WriteHeader(nethttp.StatusUnprocessableEntity)
	default:
		r.arrived = append(r.arrived, got...)
		w.WriteHeader(nethttp.StatusAccepted)
	}
}

func parseRequest(req *nethttp.Request, body []byte) (out []bindingtest.Arrival, err error) {
	a := bindingtest.Arrival{Mode: "binary", Address: "url http://" + req.Host + req.URL.Path}
	if ct := req.Header.Get("Content-Type"); strings.HasPrefix(ct, "application/cloudevents-batch+json") {
		return parseBatch(a, body)
	} else if strings.HasPrefix(ct, "application/cloudevents+json") {
		a.Mode = "structured"
		a.Event, err = bindingtest.ReadJSON(body)
		return []bindingtest.Arrival{a}, err
	}
	attributes := map[string]string{}
	for name, values := range req.Header {
		name, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		switch {
		case len(values) != 1:
			return nil, fmt.Errorf("%s is there %d times", name, len(values))
		case ok:
			if attributes[name], err = bindingtest.PercentDecode(values[0]); err != nil {
				return nil, err
			}
		case name == "content-type":
			attributes["datacontenttype"] = values[0]
		}
	}
	if len(body) == 0 {
		body = nil
	}
	a.Event, err = bindingtest.FromAttributes(attributes, body)
	return []bindingtest.Arrival{a}, err
}

func parseBatch(a bindingtest.Arrival, body []byte) (out []bindingtest.Arrival, err error) {
	texts, err := bindingtest.SplitJSON(body)
	a.Mode = "batch"
	for _, text := range texts {
		e, err := bindingtest.ReadJSON(text)
		if err != nil {
			return nil, err
		}
		out = append(out, bindingtest.Arrival{Event: e, Mode: a.Mode, Address: a.Address})
	}
	return out, err
}

func TestConformance_Sink(t *testing.T) {
	otherwise := map[string]string{
		"nested-event": "structured", "nested-batch": "structured", "nested-upper-case": "structured", "nested-avro": "structured",
		"size-attribute-64k": "structured", "size-attributes-64k": "structured", "encoded-64k": "structured",
	}
	for _, modes := range [][]bindingtest.SinkMode{
		{
			{Name: "binary", Mode: bindings.ModeBinary, Loss: suiteLoss, Otherwise: otherwise},
			{Name: "structured", Mode: bindings.ModeStructured, Loss: bindingtest.Structured},
		},
		{{Name: "batch", Mode: bindings.ModeBatch, Loss: bindingtest.Structured}},
	} {
		t.Run(modes[0].Name, func(t *testing.T) {
			bindingtest.Sink(t, bindingtest.SinkCase{
				Modes: modes, Foreign: suiteForeign,
				Open: func(t *testing.T) *bindingtest.SinkRig { return sinkRig(t, modes[0].Mode != bindings.ModeBatch) },
			})
		})
	}
}

// sinkRig is a target behind a proxy. A target refuses a batch as a whole only, so that alone it has refusals of
// single events to look at.
func sinkRig(t *testing.T, refuses bool) *bindingtest.SinkRig {
	r := &suiteTarget{}
	srv := httptest.NewServer(r)
	t.Cleanup(func() {
		srv.CloseClientConnections() // those that were cut off in the middle
		srv.Close()
	})
	proxy := testbroker.NewProxy(t, srv.Listener.Addr().String())
	rig := &bindingtest.SinkRig{
		New: func(s bindings.SinkSettings) (bindings.Sink, error) {
			return NewSink(SinkConfig{URL: "http://" + proxy.Addr().String() + "/hook"}, s)
		},
		Arrived: func(t *testing.T) []bindingtest.Arrival {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, err := range r.broken {
				t.Errorf("the target could not read a request: %v", err)
			}
			return append([]bindingtest.Arrival(nil), r.arrived...)
		},
		Down: proxy.Cut, Stall: proxy.BlackHole, Up: proxy.Pass, LoseAnswer: proxy.LoseResponse,
	}
	if refuses {
		large, rejected := parse(t, minimalJSON), parse(t, minimalJSON)
		large.ID, rejected.ID = "too-large", "rejected"
		large.Touch()
		rejected.Touch()
		rig.Refused = []bindingtest.RefusedEvent{
			{Name: "too large", Event: large, Reason: bindings.ReasonTooLarge},
			{Name: "rejected", Event: rejected, Reason: bindings.ReasonRejected},
		}
	}
	return rig
}

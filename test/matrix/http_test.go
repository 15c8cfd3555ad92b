//go:build brokers

package matrix

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// posters is how many clients post at once; the events of a key are posted by one of them, one after the other.
const posters = 16

// postHTTP posts every event until it is answered with 204, as a client that keeps its events does.
func postHTTP(ctx context.Context, p *process, events []sent) error {
	shares := make([][]*sent, posters)
	for i := range events {
		h := fnv.New32a()
		h.Write([]byte(events[i].key))
		n := h.Sum32() % posters
		shares[n] = append(shares[n], &events[i])
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: posters}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	errs := make(chan error, posters)
	for _, share := range shares {
		wg.Go(func() {
			for _, e := range share {
				if err := postOne(ctx, client, p, e); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func postOne(ctx context.Context, client *http.Client, p *process, e *sent) error {
	for {
		code, err := tryPost(ctx, client, p.ingressURL(), e)
		switch {
		case err == nil && code == http.StatusNoContent:
			return nil
		case err == nil && code < 500 && code != http.StatusTooManyRequests:
			return fmt.Errorf("the ingress answered %d to %s", code, e.uid)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func tryPost(ctx context.Context, client *http.Client, url string, e *sent) (int, error) {
	body := e.data
	if e.structured {
		body = e.structuredJSON()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if e.structured {
		req.Header["Content-Type"] = []string{"application/cloudevents+json"}
	} else {
		for k, v := range e.attributes {
			if k == "datacontenttype" {
				req.Header["Content-Type"] = []string{v}
			} else {
				req.Header["ce-"+k] = []string{percent(v)}
			}
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// readHTTP starts a receiver and returns its address.
func readHTTP(t *testing.T, l *ledger) string {
	return answerHTTP(t, l, func(message) int { return http.StatusNoContent })
}

// hangUp is an answer that is none: the connection ends.
const hangUp = 0

// answerHTTP starts a receiver that answers what judge says, and returns its address. What it did not take is not in the
// ledger.
func answerHTTP(t *testing.T, l *ledger, judge func(message) int) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the router died in mid-request; it will send the event again
		}
		m, err := parseHTTP(r.Header, body)
		code := judge(m)
		if code == hangUp {
			panic(http.ErrAbortHandler)
		}
		if code < 300 {
			l.receive(m, err)
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func parseHTTP(header http.Header, body []byte) (message, error) {
	ct := header.Get("Content-Type")
	if strings.HasPrefix(ct, "application/cloudevents+json") {
		return parseStructured(body)
	}
	m := message{attributes: map[string]string{}, data: body}
	for k, v := range header {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "ce-"); ok {
			text, err := url.PathUnescape(v[0])
			if err != nil {
				return m, err
			}
			m.attributes[name] = text
		}
	}
	if ct != "" {
		m.attributes["datacontenttype"] = ct
	}
	return m, nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// demoClients is how many clients of the demo's shop post at once.
const demoClients = 8

// demoShop posts made-up events to the demo's ingress.
type demoShop struct {
	url           string
	client        *http.Client
	sent, refused atomic.Int64
	number        atomic.Int64
}

func newDemoShop(url string) *demoShop {
	return &demoShop{url: url, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: demoClients},
	}}
}

// send posts rate events a second until ctx is done. An event that was begun is repeated until the ingress confirms it,
// so that the figures can balance, or until life is done.
func (s *demoShop) send(ctx, life context.Context, rate int) {
	defer s.client.CloseIdleConnections()
	var wg sync.WaitGroup
	start := time.Now()
	for range demoClients {
		wg.Go(func() {
			for {
				n := s.number.Add(1) - 1
				due := start.Add(time.Duration(n) * time.Second / time.Duration(rate))
				timer := time.NewTimer(time.Until(due))
				select {
				case <-ctx.Done():
					timer.Stop()
					return
				case <-timer.C:
				}
				s.post(life, n)
			}
		})
	}
	wg.Wait()
}

// post sends one event until it is confirmed, at most for ten seconds.
func (s *demoShop) post(ctx context.Context, n int64) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if s.try(ctx, n) {
			s.sent.Add(1)
			return
		}
		s.refused.Add(1)
		select {
		case <-ctx.Done():
		case <-time.NewTimer(50 * time.Millisecond).C:
		}
	}
}

func (s *demoShop) try(ctx context.Context, n int64) bool {
	typ, region, data := demoEvent(n)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(data))
	if err != nil {
		return false
	}
	h := req.Header
	h["ce-specversion"] = []string{"1.0"}
	h["ce-id"] = []string{fmt.Sprintf("demo-%d", n)}
	h["ce-source"] = []string{"/shop/" + region}
	h["ce-type"] = []string{typ}
	h["ce-region"] = []string{region}
	h["Content-Type"] = []string{"application/json"}
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusNoContent
}

// demoEvent makes the n-th event: mostly orders, some page views that no route wants, some debug noise, and now and
// then an alert.
func demoEvent(n int64) (typ, region string, data []byte) {
	region = []string{"eu", "us"}[n%2]
	switch {
	case n%500 == 499:
		return "com.shop.stock.alert", region, fmt.Appendf(nil, `{"sku":"A-%d","left":%d}`, n%97, n%5)
	case n%10 == 8:
		return "com.shop.debug.trace", region, fmt.Appendf(nil, `{"took_ms":%d}`, n%40)
	case n%10 == 9:
		return "com.shop.page.viewed", region, fmt.Appendf(nil, `{"page":"/p/%d"}`, n%300)
	case n%3 == 0:
		return "com.shop.order.paid", region, fmt.Appendf(nil, `{"order":%d,"total":%d.50}`, n, 10+n%90)
	}
	return "com.shop.order.created", region, fmt.Appendf(nil, `{"order":%d,"items":%d}`, n, 1+n%7)
}

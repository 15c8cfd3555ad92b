// Package admin serves what an operator and an orchestrator ask a running router: whether it lives, whether it is
// ready and if not why, its figures as Prometheus metrics, and the balance of its deliveries. It only reads.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/terminal"
	"github.com/eventrouter/router/pipeline"
)

// Settings is what the server shows.
type Settings struct {
	// Health and Ledger read the running pipeline; they are called concurrently.
	Health func() []pipeline.Status
	Ledger func() pipeline.Ledger
	// Reloads says how often the configuration was read again and how that went.
	Reloads func() Reloads
	Version string
	Log     *zap.Logger
}

// Reloads is how the attempts to apply a changed configuration went.
type Reloads struct {
	Done, Failed int64
	// Last is why the last one failed; nil if it did not, or there was none. The router runs on with what it had.
	Last error
}

// Server is the admin endpoint.
type Server struct {
	settings Settings
	listener net.Listener
	http     *http.Server
	stopping atomic.Bool
}

// Listen binds the address; Serve answers.
func Listen(address string, s Settings) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	srv := &Server{settings: s, listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", srv.live)
	mux.HandleFunc("GET /readyz", srv.ready)
	mux.HandleFunc("GET /healthz", srv.ready)
	mux.HandleFunc("GET /api/ledger", srv.ledger)
	mux.Handle("GET /metrics", srv.metrics())
	srv.http = &http.Server{
		Handler:           loopbackHost(l.Addr(), mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(s.Log),
	}
	return srv, nil
}

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// Stopping makes readyz fail, so that an orchestrator stops sending while the router drains.
func (s *Server) Stopping() { s.stopping.Store(true) }

// Close ends Serve and waits for requests under way until ctx is done.
func (s *Server) Close(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "ok\n")
}

// ready answers 200 when no part keeps the router from being ready, 503 otherwise; with ?verbose, or when it is not ready,
// a line for each part as Kubernetes components write them.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	code := http.StatusOK
	for _, part := range s.settings.Health() {
		switch {
		case part.Err != nil:
			code = http.StatusServiceUnavailable
			fmt.Fprintf(&b, "[-]%s: %s\n", part.Name, part.Err)
		case part.Trouble != nil:
			fmt.Fprintf(&b, "[!]%s: %s\n", part.Name, part.Trouble)
		default:
			fmt.Fprintf(&b, "[+]%s ok\n", part.Name)
		}
	}
	if last := s.settings.Reloads().Last; last != nil {
		fmt.Fprintf(&b, "[!]configuration: the last reload failed, the one before still runs: %s\n", last)
	}
	if s.stopping.Load() {
		code = http.StatusServiceUnavailable
		b.WriteString("[-]router: stopping\n")
	}
	switch {
	case code != http.StatusOK:
		b.WriteString("not ready\n")
	case r.URL.Query().Has("verbose"):
		b.WriteString("ready\n")
	default:
		b.Reset()
		b.WriteString("ok\n")
	}
	text(w, code, b.String())
}

func text(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(terminal.Visible(body))) // the client is gone if this fails
}

func (s *Server) ledger(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.settings.Ledger()) // the client is gone if this fails
}

func (s *Server) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCollector(s.settings),
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// loopbackHost refuses requests for other names where the server listens on a loopback address, so that a page in a
// browser on the same machine cannot reach it through a name of its own.
func loopbackHost(addr net.Addr, next http.Handler) http.Handler {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		text(w, http.StatusForbidden, "forbidden host\n")
	})
}

package fakesqs

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// Region is the region in the ARNs of every queue.
	Region = "us-east-1"
	// Account is the account in the ARNs of every queue.
	Account = "000000000000"

	targetPrefix = "AmazonSQS."
	contentType  = "application/x-amz-json-1.0"

	// maxRequest is far above any request that the limits allow, so that those are what refuses it.
	maxRequest = 16 << 20
)

// Server is an SQS endpoint with its queues.
type Server struct {
	url  string
	http *httptest.Server

	mu       sync.Mutex // guards everything below, the queues and their messages included
	queues   map[string]*queue
	offset   time.Duration // how far Advance moved the clock
	advanced chan struct{} // closed and replaced by Advance, so that waiting polls look again
	hooks    map[string]Hook
	calls    map[string]int
	sequence int64
}

// New starts a server on a loopback port; it is closed when the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s := NewUnbound()
	s.http = httptest.NewServer(s)
	s.url = s.http.URL
	t.Cleanup(s.Close)
	return s
}

// NewUnbound returns a server without a port, to be reached through its RoundTripper only.
func NewUnbound() *Server {
	return &Server{
		url: "http://fakesqs.invalid", queues: map[string]*queue{}, advanced: make(chan struct{}),
		hooks: map[string]Hook{}, calls: map[string]int{},
	}
}

// Close ends waiting long polls and frees the port. It may be called more than once.
func (s *Server) Close() {
	if s.http != nil {
		s.http.CloseClientConnections()
		s.http.Close()
	}
}

// URL is the endpoint's base address.
func (s *Server) URL() string { return s.url }

// Now is the time of the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return time.Now().Add(s.offset) }

// Advance moves the server's clock forward and lets waiting polls see what that made visible.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
	close(s.advanced)
	s.advanced = make(chan struct{})
}

// Calls returns how often an operation, such as "DeleteMessageBatch", was called.
func (s *Server) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.Method == nethttp.MethodGet && r.URL.Path == "/health" {
		_, _ = io.WriteString(w, `{"status":"healthy"}`)
		return
	}
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	if r.Method != nethttp.MethodPost || !ok || r.Header.Get("Content-Type") != contentType {
		writeError(w, fail("UnknownOperationException", "the request is not an AWS JSON 1.0 request to SQS"))
		return
	}
	body, err := io.ReadAll(nethttp.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		writeError(w, fail("BatchRequestTooLong", "the request cannot be read: "+err.Error()))
		return
	}
	s.answer(w, r, op, body)
}

func (s *Server) answer(w nethttp.ResponseWriter, r *nethttp.Request, op string, body []byte) {
	call := s.record(op, body)
	fault := s.consult(call)
	if !fault.wait(r.Context()) {
		return
	}
	if fault.before(w) {
		return
	}
	out, err := s.perform(r, op, body, fault)
	if fault.after(w) {
		return
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, nethttp.StatusOK, out)
}

func (s *Server) perform(r *nethttp.Request, op string, body []byte, f *Fault) (any, error) {
	switch op {
	case "CreateQueue":
		return decoded(body, s.createQueue)
	case "DeleteQueue":
		return decoded(body, s.deleteQueue)
	case "GetQueueUrl":
		return decoded(body, s.getQueueURL)
	case "ListQueues":
		return decoded(body, s.listQueues)
	case "GetQueueAttributes":
		return decoded(body, s.getQueueAttributes)
	case "SetQueueAttributes":
		return decoded(body, s.setQueueAttributes)
	case "PurgeQueue":
		return decoded(body, s.purgeQueue)
	case "SendMessage":
		return decoded(body, s.sendMessage)
	case "SendMessageBatch":
		return decoded(body, func(in batchInput[sendEntry]) (any, error) { return s.sendBatch(in, f) })
	case "ReceiveMessage":
		return decoded(body, func(in receiveInput) (any, error) { return s.receive(r.Context(), in) })
	case "DeleteMessage":
		return decoded(body, s.deleteMessage)
	case "DeleteMessageBatch":
		return decoded(body, func(in batchInput[handleEntry]) (any, error) { return s.deleteBatch(in, f) })
	case "ChangeMessageVisibility":
		return decoded(body, s.changeVisibility)
	case "ChangeMessageVisibilityBatch":
		return decoded(body, func(in batchInput[handleEntry]) (any, error) { return s.changeBatch(in, f) })
	}
	return nil, fail("UnknownOperationException", "the operation "+op+" is not imitated")
}

// decoded reads the request as the operation's input and performs it.
func decoded[In any](body []byte, do func(In) (any, error)) (any, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fail("SerializationException", err.Error())
	}
	return do(in)
}

func writeJSON(w nethttp.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fakesqs: answer does not marshal: %v", err))
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("x-amzn-RequestId", randomID())
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// roundTripper reaches a server without a network.
type roundTripper struct{ s *Server }

// RoundTripper serves requests on the caller's goroutine, without a socket. Goroutines blocked in it are durably
// blocked as testing/synctest understands it.
func (s *Server) RoundTripper() nethttp.RoundTripper { return roundTripper{s} }

// RoundTrip performs the request. A cancelled request fails as it would over a network.
func (t roundTripper) RoundTrip(r *nethttp.Request) (*nethttp.Response, error) {
	if r.Body == nil {
		r.Body = nethttp.NoBody
	}
	rec := httptest.NewRecorder()
	if err := t.serve(rec, r); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (t roundTripper) serve(w nethttp.ResponseWriter, r *nethttp.Request) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case nethttp.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			panic(p)
		}
	}()
	t.s.ServeHTTP(w, r)
	return nil
}

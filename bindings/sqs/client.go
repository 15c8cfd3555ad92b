package sqs

import (
	"cmp"
	"context"
	"errors"
	nethttp "net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/eventrouter/router/bindings"
)

// attempts is how often the SDK tries a call: twice, because a kept-alive connection may have gone in the meantime and
// a clock may have to be corrected. Everything beyond is the pipeline's, or that of the loops in this package.
const attempts = 2

// emulatorRegion is what requests to an endpoint of its own are signed for when nothing names a region.
const emulatorRegion = "us-east-1"

// clientSettings is what a source and a sink say about their client.
type clientSettings struct {
	ref              queueRef
	region, endpoint string
	timeout          time.Duration // of one HTTP request, the whole answer included
	conns            int           // idle connections to keep
}

// client is an SDK client together with its connections.
type client struct {
	*awssqs.Client
	http *nethttp.Client
}

// close lets go of idle connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// newClient builds a client from the AWS default configuration. It reads files and the environment, not the network.
func newClient(s clientSettings) (*client, error) {
	endpoint := cmp.Or(s.endpoint, s.ref.endpoint)
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(cmp.Or(s.region, s.ref.region)))
	if err != nil {
		return nil, bindings.Missing("", err)
	}
	if cfg.Region == "" {
		if endpoint == "" && cfg.BaseEndpoint == nil {
			return nil, bindings.Missing("region", errors.New("no AWS region here, in the queue's URL or ARN, in AWS_REGION, or in the shared configuration"))
		}
		cfg.Region = emulatorRegion
	}
	h := httpClient(&cfg, s)
	return &client{http: h, Client: awssqs.NewFromConfig(cfg, func(o *awssqs.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		o.HTTPClient = h
		o.RetryMaxAttempts = attempts
	})}, nil
}

// httpClient takes over the SDK's transport, which knows AWS_CA_BUNDLE, with a limit for every request. The SDK's own
// client has none, and a connection that died silently would hold a receive forever.
func httpClient(cfg *aws.Config, s clientSettings) *nethttp.Client {
	base, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	tr := base.GetTransport()
	tr.MaxIdleConnsPerHost = max(tr.MaxIdleConnsPerHost, s.conns)
	return &nethttp.Client{
		Transport: tr, Timeout: s.timeout,
		CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse },
	}
}

// codeOf returns the service's error code without the namespaces that it, or an emulator, puts before it; it is empty
// where the service did not answer.
func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return bareCode(api.ErrorCode())
}

func bareCode(code string) string {
	code = code[strings.LastIndexByte(code, '#')+1:]
	return code[strings.LastIndexByte(code, '.')+1:]
}

// throttled reports whether a code means that the same request may succeed later, whosever fault the service says it is.
func throttled(code string) bool {
	return strings.Contains(code, "Throttl") || strings.Contains(code, "TooManyRequests") || code == "OverLimit" ||
		code == "RequestLimitExceeded"
}

// backoff returns the pause after the n-th failure in a row: it doubles from first up to limit.
func backoff(n int, first, limit time.Duration) time.Duration {
	if n < 1 {
		n = 1
	}
	if n > 32 || first<<(n-1) > limit {
		return limit
	}
	return first << (n - 1)
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

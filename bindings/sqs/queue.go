package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
)

const (
	// maxMessage is the service's limit for a message, and for the sum of a batch request, in bytes.
	maxMessage = 1 << 20
	// maxBatch is how many entries a batch request may have, and how many messages a receive returns.
	maxBatch = 10
	// fewReceives is the receive count of a redrive policy below which a message may leave the queue while it is still
	// being delivered.
	fewReceives = 10
)

// queueRef is a queue as the configuration names it: by name, by URL, or by ARN.
type queueRef struct {
	name, region, account string
	url                   string // empty unless the configuration has it
	endpoint              string // of a URL that does not belong to AWS
}

func (r *queueRef) fifo() bool { return strings.HasSuffix(r.name, ".fifo") }

// parseQueue understands a name, a URL and an ARN of a queue.
func parseQueue(s string) (queueRef, error) {
	switch {
	case s == "":
		return queueRef{}, bindings.Invalid("queue", "is required: the name, URL or ARN of a queue")
	case strings.HasPrefix(s, "arn:"):
		p := strings.Split(s, ":")
		if len(p) != 6 || p[2] != "sqs" || p[3] == "" || p[4] == "" || !validQueueName(p[5]) {
			return queueRef{}, bindings.Invalid("queue", "%q is not the ARN of a queue, arn:aws:sqs:REGION:ACCOUNT:NAME", s)
		}
		return queueRef{name: p[5], region: p[3], account: p[4]}, nil
	case strings.Contains(s, "://"):
		return parseQueueURL(s)
	case !validQueueName(s):
		return queueRef{}, bindings.Invalid("queue", "%q is not the name of a queue: 1 to 80 letters, digits, - and _, with .fifo at the end for a FIFO queue", s)
	}
	return queueRef{name: s}, nil
}

func parseQueueURL(s string) (queueRef, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		// The text may hold a password, so it is not repeated.
		return queueRef{}, bindings.Invalid("queue", "is not an http or https URL without user information")
	}
	r := queueRef{name: u.Path[strings.LastIndexByte(u.Path, '/')+1:], url: s}
	if !validQueueName(r.name) {
		return queueRef{}, bindings.Invalid("queue", "the URL %s does not end in the name of a queue", s)
	}
	labels := strings.Split(u.Hostname(), ".")
	switch {
	case !strings.Contains(u.Hostname(), ".amazonaws.com"):
		r.endpoint = u.Scheme + "://" + u.Host
	case labels[0] == "sqs" || labels[0] == "sqs-fips":
		r.region = labels[1]
	case labels[1] == "queue":
		r.region = labels[0]
	}
	return r, nil
}

func validQueueName(s string) bool {
	if len(s) > 80 {
		return false
	}
	s = strings.TrimSuffix(s, ".fifo")
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func validEndpoint(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return bindings.Invalid("endpoint", "is not an http or https URL without user information")
	}
	return nil
}

// queue is a queue that was found.
type queue struct {
	url          string
	maxSize      int  // MaximumMessageSize, or the service's limit
	sized        bool // whether the queue has told it
	contentDedup bool // ContentBasedDeduplication
	known        bool // whether the attributes could be read
	maxReceives  int  // of the redrive policy, 0 if there is none
}

// outgrown reports whether err is of a message that is too large for the queue, and may not be for another limit.
func (q *queue) outgrown(err error) bool {
	p, ok := errors.AsType[*bindings.PermanentError](err)
	return ok && p.Reason == bindings.ReasonTooLarge && q.maxSize < maxMessage
}

// resolve finds the queue and reads its attributes. Where reading them is not permitted it goes by the service's
// limits and says so.
func (r *queueRef) resolve(ctx context.Context, client *awssqs.Client, log *zap.Logger) (*queue, error) {
	q := &queue{url: r.url, maxSize: maxMessage}
	if q.url == "" {
		in := &awssqs.GetQueueUrlInput{QueueName: &r.name}
		if r.account != "" {
			in.QueueOwnerAWSAccountId = &r.account
		}
		out, err := client.GetQueueUrl(ctx, in)
		if err != nil {
			return nil, r.wrap("look up", err)
		}
		q.url = *out.QueueUrl
	}
	out, err := client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	switch {
	case err == nil:
		q.read(out.Attributes)
	case denied(err):
		log.Warn("sqs: the queue's attributes cannot be read, so its size limit and redrive policy are not known",
			zap.String("queue", r.name), zap.Error(err))
	default:
		return nil, r.wrap("read attributes", err)
	}
	return q, nil
}

func (q *queue) read(attrs map[string]string) {
	q.known = true
	if n, err := strconv.Atoi(attrs["MaximumMessageSize"]); err == nil && n > 0 {
		q.maxSize, q.sized = min(n, maxMessage), true
	}
	q.contentDedup = attrs["ContentBasedDeduplication"] == "true"
	var policy struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"` // a number or a string of one
	}
	if json.Unmarshal([]byte(attrs["RedrivePolicy"]), &policy) == nil {
		q.maxReceives, _ = strconv.Atoi(strings.Trim(string(policy.MaxReceiveCount), `"`))
	}
}

func (r *queueRef) wrap(doing string, err error) error {
	return fmt.Errorf("sqs: queue %s: %s: %w", r.name, doing, err)
}

func denied(err error) bool {
	c := codeOf(err)
	return c == "AccessDenied" || c == "AccessDeniedException" || errors.As(err, new(*types.InvalidSecurity))
}

package brokers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	nethttp "net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
)

//go:embed elasticmq/logback.xml
var elasticMQLogging []byte

// ElasticMQ is a server of the SQS protocol. It is not SQS: FIFO order and locks do not survive its restart, a second
// delete of a message is an error, MaximumMessageSize is not enforced, it wants no credentials, and its error codes
// carry a namespace.
type ElasticMQ struct {
	// Endpoint is the base URL for the client's BaseEndpoint.
	Endpoint string
	Process
}

// NewElasticMQ starts a server on a data folder, which keeps what it was told; the folder may be one of an earlier
// run.
func NewElasticMQ(ctx context.Context, dir string) (*ElasticMQ, error) {
	lib, err := FetchElasticMQ(ctx)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	q := &ElasticMQ{Endpoint: "http://" + loopback(port), Process: Process{name: "elasticmq", dir: dir}}
	q.ready = q.Ping
	config := filepath.Join(dir, "elasticmq.conf")
	logging := filepath.Join(dir, "logback.xml")
	if err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "data"), 0o755),
		os.WriteFile(config, []byte(elasticMQConfig(dir, port)), 0o600),
		os.WriteFile(logging, elasticMQLogging, 0o600),
	); err != nil {
		return nil, err
	}
	q.args = []string{
		"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlogback.configurationFile=" + logging,
		"-Dconfig.file=" + config, "-cp", filepath.Join(lib, "*"), "org.elasticmq.server.Main",
	}
	return q, q.start(ctx)
}

// elasticMQConfig keeps queues and messages on disk. With H2's own settings a kill loses acknowledged messages:
// WRITE_DELAY=0 writes each commit out, RETENTION_TIME=0 reuses no page that recovery may need.
func elasticMQConfig(dir string, port int) string {
	p := strconv.Itoa(port)
	data := filepath.Join(dir, "data")
	return `include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = ` + p + `, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "127.0.0.1", bind-port = ` + p + `, sqs-limits = strict }
rest-stats { enabled = false }
aws { region = us-east-1, accountId = "000000000000" }
queues-storage { enabled = true, path = "` + filepath.Join(data, "queues.conf") + `" }
messages-storage {
  enabled = true
  driver-class = "org.h2.Driver"
  username = ""
  password = ""
  prune-data-on-init = false
  uri = "jdbc:h2:` + filepath.Join(data, "messages") + `;WRITE_DELAY=0;RETENTION_TIME=0"
}
`
}

// Client returns a client with credentials that mean nothing. It keeps no connection open, so that a test that looks
// for leaked goroutines finds none; it is not for measuring.
func (q *ElasticMQ) Client() *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(q.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}},
	})
}

// Ping tells whether the server answers.
func (q *ElasticMQ) Ping(ctx context.Context) error {
	if q.args == nil { // not every SQS endpoint has a health page
		_, err := q.Client().ListQueues(ctx, &awssqs.ListQueuesInput{})
		return err
	}
	return get(ctx, q.Endpoint+"/health")
}

// get asks for a page and wants it to be there.
func get(ctx context.Context, page string) error {
	if _, err := url.Parse(page); err != nil {
		return err
	}
	req, err := nethttp.NewRequestWithContext(ctx, nethttp.MethodGet, page, nil)
	if err != nil {
		return err
	}
	req.Close = true // a kept connection would outlive the test
	resp, err := nethttp.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != nethttp.StatusOK {
		return fmt.Errorf("brokers: %s: %s", page, resp.Status)
	}
	return nil
}

// CreateQueue makes a queue, FIFO if its name ends in .fifo, and returns its URL. Attributes are those of the SQS
// call CreateQueue.
func (q *ElasticMQ) CreateQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	in := &awssqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{}}
	maps.Copy(in.Attributes, attributes)
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes["FifoQueue"] = "true"
	}
	out, err := q.Client().CreateQueue(ctx, in)
	if err != nil {
		return "", fmt.Errorf("elasticmq: queue %s: %w", name, err)
	}
	return *out.QueueUrl, nil
}

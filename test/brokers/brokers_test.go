//go:build brokers

package brokers

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

const messages = 100

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// restart kills a broker with SIGKILL, sees that it is gone, and starts it again on its folder and port.
func restart(t *testing.T, p *Process) {
	t.Helper()
	before := p.PID()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if p.ready(ctx) == nil || p.PID() != 0 {
		t.Fatalf("%s answers after it was killed", p.name)
	}
	begin := time.Now()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.PID() == before {
		t.Errorf("%s has process id %d as before", p.name, before)
	}
	t.Logf("%s: ready %v after the kill", p.name, time.Since(begin).Round(time.Millisecond))
}

// all wants each of the messages 0 to messages-1 to be there.
func all(t *testing.T, got map[string]int) {
	t.Helper()
	for i := range messages {
		if got[strconv.Itoa(i)] == 0 {
			t.Errorf("message %d was acknowledged and is lost", i)
		}
	}
}

func TestKafka(t *testing.T) {
	k := StartKafka(t, t.TempDir())
	topic := fmt.Sprintf("topic-%d", time.Now().UnixNano())
	if err := k.CreateTopic(t.Context(), topic, 3, map[string]string{"retention.ms": "3600000"}); err != nil {
		t.Fatal(err)
	}
	client, err := k.Client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range messages {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(i))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if k.PID() != 0 {
		restart(t, &k.Process)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := map[string]int{}
	for len(got) < messages && ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
	}
	all(t, got)
}

func TestElasticMQ(t *testing.T) {
	q := StartElasticMQ(t, t.TempDir())
	url, err := q.CreateQueue(t.Context(), fmt.Sprintf("queue-%d", time.Now().UnixNano()), map[string]string{"VisibilityTimeout": "60"})
	if err != nil {
		t.Fatal(err)
	}
	client := q.Client()
	for i := 0; i < messages; i += 10 {
		in := &awssqs.SendMessageBatchInput{QueueUrl: &url}
		for j := i; j < i+10; j++ {
			id := strconv.Itoa(j)
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String("m" + id), MessageBody: &id})
		}
		out, err := client.SendMessageBatch(t.Context(), in)
		if err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
	}
	if q.PID() != 0 {
		restart(t, &q.Process)
	}
	got := map[string]int{}
	for until := time.Now().Add(30 * time.Second); len(got) < messages && time.Now().Before(until); {
		out, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body]++
		}
	}
	all(t, got)
	if _, err := q.CreateQueue(t.Context(), fmt.Sprintf("queue-%d.fifo", time.Now().UnixNano()), nil); err != nil {
		t.Error(err)
	}
}

func TestNATS(t *testing.T) {
	n := StartNATS(t, t.TempDir())
	name := fmt.Sprintf("S%d", time.Now().UnixNano())
	if err := n.CreateStream(t.Context(), name, name+".>"); err != nil {
		t.Fatal(err)
	}
	conn, js, err := n.Client()
	if err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		if _, err := js.Publish(t.Context(), name+".a", []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	if n.PID() != 0 {
		restart(t, &n.Process)
	}
	conn, js, err = n.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for seq := range uint64(messages) {
		m, err := stream.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		got[string(m.Data)]++
	}
	all(t, got)
}

// A broker that was given by its address is used as it is, and nobody can kill it.
func TestExternal(t *testing.T) {
	own := StartNATS(t, t.TempDir())
	t.Setenv("ROUTER_TEST_NATS", own.URL)
	given := StartNATS(t, filepath.Join(t.TempDir(), "unused"))
	if given.URL != own.URL || given.PID() != 0 {
		t.Errorf("got %s with process %d, want %s without", given.URL, given.PID(), own.URL)
	}
	for name, err := range map[string]error{"Kill": given.Kill(), "Restart": given.Restart(t.Context())} {
		if err != ErrExternal {
			t.Errorf("%s: %v, want %v", name, err, ErrExternal)
		}
	}
	if err := given.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := own.Ping(t.Context()); err != nil {
		t.Errorf("the broker did not survive: %v", err)
	}
}

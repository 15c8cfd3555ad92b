//go:build brokers

package matrix

import (
	"context"
	"strconv"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/twmb/franz-go/pkg/kadm"
)

// leftKafka returns how many records lie behind the group's committed positions.
func (f *field) leftKafka(ctx context.Context, group string) (int, error) {
	cl, err := f.kafka.Client()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	lags, err := kadm.NewClient(cl).Lag(ctx, group)
	if err != nil {
		return 0, err
	}
	lag := lags[group]
	return int(lag.Lag.Total()), lag.Error()
}

// leftJetStream returns how many messages the consumer has not delivered, or delivered and not seen acknowledged.
func (f *field) leftJetStream(ctx context.Context, stream, durable string) (int, error) {
	c, err := f.js.Consumer(ctx, stream, durable)
	if err != nil {
		return 0, err
	}
	info := c.CachedInfo()
	return int(info.NumPending) + info.NumAckPending, nil
}

// leftSQS returns how many messages are in the queue, visible or not.
func (f *field) leftSQS(ctx context.Context, queue string) (int, error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	out, err := f.aws.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: names})
	if err != nil {
		return 0, err
	}
	left := 0
	for _, name := range names {
		n, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return 0, err
		}
		left += n
	}
	return left, nil
}

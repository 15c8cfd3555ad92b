package kafka

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// partitioner places records with a key by its hash, as the Java client does, and all records without one of a Send
// on one partition, the next one at the next Send. The client's own partitioner would change partitions in the middle
// of a Send, and a failure of the first part would not take the second with it.
type partitioner struct{ turn atomic.Uint32 }

func newPartitioner() *partitioner {
	p := new(partitioner)
	p.turn.Store(rand.Uint32())
	return p
}

// next moves on to another partition for records without key.
func (p *partitioner) next() { p.turn.Add(1) }

// ForTopic returns the partitioner of a topic.
func (p *partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return &topicPartitioner{all: p, keyed: kgo.StickyKeyPartitioner(nil).ForTopic(topic)}
}

type topicPartitioner struct {
	all   *partitioner
	keyed kgo.TopicPartitioner
}

// RequiresConsistency says that a key has one partition, whether that can be written to now or not. Records without
// key go to one of those that can.
func (t *topicPartitioner) RequiresConsistency(r *kgo.Record) bool { return r.Key != nil }

// Partition returns which of n partitions takes a record.
func (t *topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Key != nil {
		return t.keyed.Partition(r, n)
	}
	return int(t.all.turn.Load() % uint32(n))
}

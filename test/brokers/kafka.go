package brokers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed kafka/log4j2.properties
var kafkaLogging []byte

// kafkaClusterID is any 16 bytes in base64; the storage format wants one.
const kafkaClusterID = "ZXZlbnRyb3V0ZXItdGVzdA"

// Kafka is a broker of one node.
type Kafka struct {
	// Addr is the host and port of the broker, or a comma-separated list of them.
	Addr string
	Process
}

// NewKafka starts a broker on a data folder, which keeps what it was told; the folder may be one of an earlier run.
func NewKafka(ctx context.Context, dir string) (*Kafka, error) {
	lib, err := FetchKafka(ctx)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	controller, err := freePort()
	if err != nil {
		return nil, err
	}
	k := &Kafka{Addr: loopback(port), Process: Process{name: "kafka", dir: dir}}
	k.ready = k.Ping
	classpath := filepath.Join(lib, "*")
	config := filepath.Join(dir, "server.properties")
	logging := filepath.Join(dir, "log4j2.properties")
	if err := errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(config, []byte(kafkaConfig(dir, port, controller)), 0o600),
		os.WriteFile(logging, kafkaLogging, 0o600),
	); err != nil {
		return nil, err
	}
	if _, err := run(ctx, "java", "-Xmx128m", "-Dlog4j2.configurationFile="+logging, "-cp", classpath,
		"kafka.tools.StorageTool", "format", "-t", kafkaClusterID, "-c", config, "--ignore-formatted"); err != nil {
		return nil, fmt.Errorf("kafka: format of %s: %w", dir, err)
	}
	k.args = []string{
		"java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + logging, "-cp", classpath, "kafka.Kafka", config,
	}
	return k, k.start(ctx)
}

// kafkaConfig is a combined broker and controller. Sessions are short because a restart after a kill waits for the
// old one to end.
func kafkaConfig(dir string, port, controller int) string {
	return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@` + loopback(controller) + `
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://` + loopback(port) + `,CONTROLLER://` + loopback(controller) + `
advertised.listeners=PLAINTEXT://` + loopback(port) + `
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=` + filepath.Join(dir, "data") + `
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4194304
`
}

// Client returns a client, which the caller closes.
func (k *Kafka) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addresses(k.Addr)...)}, opts...)...)
}

// Ping tells whether the broker answers and, if it is our own, every partition has a leader: after a kill that takes
// longer.
func (k *Kafka) Ping(ctx context.Context) error {
	meta, err := k.metadata(ctx)
	if err != nil {
		return err
	}
	if len(meta.Brokers) == 0 {
		return errors.New("kafka: no broker is registered")
	}
	if k.args == nil {
		return nil
	}
	for _, topic := range meta.Topics {
		if err := leaders(topic, len(topic.Partitions)); err != nil {
			return err
		}
	}
	return nil
}

// metadata asks for the brokers and for some topics, or all.
func (k *Kafka) metadata(ctx context.Context, topics ...string) (kadm.Metadata, error) {
	client, err := k.Client()
	if err != nil {
		return kadm.Metadata{}, err
	}
	defer client.Close()
	return kadm.NewClient(client).Metadata(ctx, topics...)
}

// leaders is an error unless the topic has that many partitions, and a leader for each.
func leaders(topic kadm.TopicDetail, partitions int) error {
	if topic.Err != nil || len(topic.Partitions) < partitions {
		return fmt.Errorf("kafka: topic %s has %d of %d partitions (%w)", topic.Topic, len(topic.Partitions), partitions, topic.Err)
	}
	for _, p := range topic.Partitions {
		if p.Leader < 0 {
			return fmt.Errorf("kafka: topic %s: partition %d has no leader", topic.Topic, p.Partition)
		}
	}
	return nil
}

// CreateTopic makes a topic with the broker's default replication and waits until all of its partitions have leaders.
// Settings are a topic's own, such as cleanup.policy; nil for none.
func (k *Kafka) CreateTopic(ctx context.Context, topic string, partitions int32, settings map[string]string) error {
	client, err := k.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	configs := make(map[string]*string, len(settings))
	for name, value := range settings {
		configs[name] = &value
	}
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, -1, configs, topic); err != nil {
		return fmt.Errorf("kafka: topic %s with %d partitions: %w", topic, partitions, err)
	}
	return k.poll(ctx, func(ctx context.Context) error {
		meta, err := k.metadata(ctx, topic)
		if err != nil {
			return err
		}
		return leaders(meta.Topics[topic], int(partitions))
	})
}

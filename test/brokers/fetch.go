package brokers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The versions the recipes were tried with. They are those of the poms.
const (
	kafkaVersion     = "4.4.0"
	elasticMQVersion = "1.7.1"
	natsModule       = "github.com/nats-io/nats-server/v2"
)

//go:embed kafka/pom.xml
var kafkaPOM []byte

//go:embed elasticmq/pom.xml
var elasticMQPOM []byte

// ErrUnavailable is the class of errors that say that this machine cannot have the broker: a tool is missing, or the
// download failed.
var ErrUnavailable = errors.New("brokers: unavailable")

// CacheDir returns the folder that holds what was downloaded.
func CacheDir() (string, error) {
	if dir := os.Getenv("ROUTER_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: set ROUTER_TEST_CACHE: %w", ErrUnavailable, err)
	}
	return filepath.Join(dir, "eventrouter-test"), nil
}

// FetchKafka makes sure that the cache holds Kafka and returns the folder of its jars.
func FetchKafka(ctx context.Context) (string, error) {
	return fetchJars(ctx, "kafka-"+kafkaVersion, kafkaPOM)
}

// FetchElasticMQ makes sure that the cache holds ElasticMQ and returns the folder of its jars.
func FetchElasticMQ(ctx context.Context) (string, error) {
	return fetchJars(ctx, "elasticmq-"+elasticMQVersion, elasticMQPOM)
}

// FetchNATS makes sure that the cache holds nats-server in the version that go.mod pins and returns the binary. It
// must run inside of this module.
func FetchNATS(ctx context.Context) (string, error) {
	version, err := run(ctx, "go", "list", "-m", "-f", "{{.Version}}", natsModule)
	if err != nil {
		return "", err
	}
	dir, err := fetch("nats-server-"+strings.TrimSpace(version), func(dir string) error {
		_, err := run(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "nats-server"), natsModule)
		return err
	})
	return filepath.Join(dir, "nats-server"), err
}

// fetchJars copies a pom's dependencies into the cache.
func fetchJars(ctx context.Context, name string, pom []byte) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fetch(name, func(dir string) error {
		file := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(file, pom, 0o600); err != nil {
			return err
		}
		_, err := run(ctx, "mvn", "-B", "-q", "-f", file, "dependency:copy-dependencies",
			"-DincludeScope=runtime", "-DoutputDirectory="+dir)
		return err
	})
}

// fetch fills a folder of the cache unless it is there. It is filled under another name and renamed when complete, so
// that neither an interrupted download nor a second process that fetches at the same moment leaves half of it.
func fetch(name string, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(cache, name+".part-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(part) }() // gone already if the rename worked
	if err := fill(part); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr != nil {
			return "", err
		}
	}
	return dir, nil
}

// run runs a tool and returns its standard output. That it is missing or fails means that the broker is unavailable.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s %s: %w: %s%s", ErrUnavailable, name, args[0], err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

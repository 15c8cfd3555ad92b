package brokers

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFetchLeavesNoHalf(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("ROUTER_TEST_CACHE", cache)
	broken := errors.New("the line broke")
	_, err := fetch("thing-1", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if left, _ := os.ReadDir(cache); len(left) != 0 {
		t.Errorf("a failed download left %v", left)
	}
	dir, err := fetch("thing-1", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
	})
	if err != nil || dir != filepath.Join(cache, "thing-1") {
		t.Fatal(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
		t.Error(err)
	}
	if _, err := fetch("thing-1", func(string) error { return broken }); err != nil {
		t.Errorf("it was downloaded again: %v", err)
	}
}

// Two suites may fetch at the same moment: the second finds the first one's folder and is content with it.
func TestFetchTwiceAtOnce(t *testing.T) {
	t.Setenv("ROUTER_TEST_CACHE", t.TempDir())
	fill := func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600) }
	dir, err := fetch("thing-2", func(dir string) error {
		if _, err := fetch("thing-2", fill); err != nil {
			return err
		}
		return fill(dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

// The poms and the names of the cache folders tell the same versions, and the pom leaves out what is not published.
func TestPOMs(t *testing.T) {
	for _, c := range []struct {
		pom  []byte
		want []string
	}{
		{kafkaPOM, []string{"<version>" + kafkaVersion + "</version>", "<artifactId>kafka-tools-api</artifactId>"}},
		{elasticMQPOM, []string{"<version>" + elasticMQVersion + "</version>"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(string(c.pom), want) {
				t.Errorf("the pom lacks %s", want)
			}
		}
	}
}

func TestFreePortIsBelowTheOutgoingOnes(t *testing.T) {
	for range 50 {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		if port < 20000 || port >= 32000 {
			t.Errorf("port %d", port)
		}
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			t.Fatalf("port %d is not free: %v", port, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// outcome is a test that only notes how it ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper()                       {}
func (o *outcome) Cleanup(func())                {}
func (o *outcome) Skipf(format string, a ...any) { o.skipped = fmt.Sprintf(format, a...) }
func (o *outcome) Skip(a ...any)                 { o.skipped = fmt.Sprint(a...) }
func (o *outcome) Fatal(a ...any)                { o.failed = fmt.Sprint(a...) }

func TestMissingToolsSkipLoudlyOrFail(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("ROUTER_TEST_CACHE", t.TempDir())
	_, missing := NewKafka(t.Context(), t.TempDir())
	if !errors.Is(missing, ErrUnavailable) {
		t.Fatalf("%v, want %v", missing, ErrUnavailable)
	}
	for _, c := range []struct {
		require string
		err     error
		skips   bool
	}{
		{"", missing, true},
		{"1", missing, false},
		{"", fs.ErrPermission, false},
	} {
		t.Setenv("ROUTER_TEST_REQUIRE_BROKERS", c.require)
		var o outcome
		started(&o, "Kafka", new(Kafka), c.err)
		if (o.skipped != "") != c.skips || (o.failed != "") == c.skips {
			t.Errorf("%q, %v: skipped %q, failed %q", c.require, c.err, o.skipped, o.failed)
		}
		if c.skips && !strings.HasPrefix(o.skipped, "NOT TESTED against a real Kafka: ") {
			t.Errorf("skipped saying %q", o.skipped)
		}
	}
}

// A test that must kill its broker is skipped where somebody else runs it, and runs where it is our own.
func TestNeedsKill(t *testing.T) {
	var o outcome
	NeedsKill(&o, &Process{name: "external"})
	if want := "NOT TESTED: " + ErrExternal.Error(); o.skipped != want {
		t.Errorf("skipped saying %q, want %q", o.skipped, want)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	o = outcome{}
	NeedsKill(&o, &Process{args: []string{"own"}, cmd: &exec.Cmd{Process: self}})
	if o.skipped != "" {
		t.Errorf("skipped saying %q", o.skipped)
	}
}

package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/eventrouter/router/bindings"
)

// latest returns a source that begins at the end, of topic "in" or of those that an expression matches.
func latest(t *testing.T, c *kfake.Cluster, regex string) *Source {
	t.Helper()
	cfg := SourceConfig{Brokers: c.ListenAddrs(), Group: "g", Start: "latest", TopicsRegex: regex}
	if regex == "" {
		cfg.Topics = bindings.Strings{"in"}
	}
	src, err := NewSource(cfg, settings("a"))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// stable waits until the group has begun.
func stable(t *testing.T, c *kfake.Cluster, members int) {
	t.Helper()
	eventually(t, "the group is stable", func() bool {
		g := c.GroupInfo("g")
		return g != nil && g.State == "Stable" && len(g.Members) == members
	})
}

// TestLatestReadsWhatAppearsLater: a partition and a topic that came after the group had begun were found after up to five
// minutes, and what was in them by then was skipped.
func TestLatestReadsWhatAppearsLater(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "in"))
	seed(t, c, 1, 5)
	d := &desk{judge: fine}
	stop := start(t, latest(t, c, "in.*"), d)
	stable(t, c, 1)
	adm, cl := kadm.NewClient(client(t, c)), client(t, c)
	if _, err := adm.UpdatePartitions(t.Context(), 2, "in"); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("in-later", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the producer knows the partition", func() bool {
		return cl.ProduceSync(t.Context(), ceRecord("in", 1, "new partition")).FirstErr() == nil
	})
	produce(t, cl, ceRecord("in-later", 0, "new topic"), ceRecord("in", 0, "old partition"))
	begun := time.Now()
	eventually(t, "what appeared later is read", func() bool {
		return d.times("new partition") == 1 && d.times("new topic") == 1 && d.times("old partition") == 1
	})
	if took := time.Since(begun); took > 3*lookForNew {
		t.Errorf("found after %s", took)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if d.count() != 3 {
		t.Errorf("read %v, want what came after the beginning", d.seen)
	}
}

// TestLatestBeginsOnce: what arrived between the first start and the second was skipped if the first had read nothing.
func TestLatestBeginsOnce(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, "in"))
	seed(t, c, 3, 5)
	d := &desk{judge: fine}
	stop := start(t, latest(t, c, ""), d)
	stable(t, c, 1)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c), ceRecord("in", 0, "a"), ceRecord("in", 2, "b"))
	start(t, latest(t, c, ""), d)
	eventually(t, "what came in between", func() bool { return d.times("a") == 1 && d.times("b") == 1 })
	if d.count() != 2 {
		t.Errorf("read %v, want two", d.seen)
	}
}

// TestLatestOfSeveralMembers: members that start at once begin the group once.
func TestLatestOfSeveralMembers(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(4, "in"))
	seed(t, c, 4, 50)
	d := &desk{judge: fine}
	for range 3 {
		start(t, latest(t, c, ""), d)
	}
	stable(t, c, 3)
	var want []string
	cl := client(t, c)
	for i := range 20 {
		id := fmt.Sprint("new", i)
		want = append(want, id)
		produce(t, cl, ceRecord("in", int32(i%4), id))
	}
	eventually(t, "all new events", func() bool {
		return !slices.ContainsFunc(want, func(id string) bool { return d.times(id) == 0 })
	})
	if d.count() != len(want) {
		t.Errorf("read %d different events, want %d", d.count(), len(want))
	}
}

// TestLatestInAGroupOfOtherTopics: the group has members, which read something else, so that only a member can store
// where this source begins.
func TestLatestInAGroupOfOtherTopics(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "in", "other"))
	seed(t, c, 2, 5)
	start(t, latest(t, c, "other"), &desk{judge: fine})
	stable(t, c, 1)
	d := &desk{judge: fine}
	stop := start(t, latest(t, c, ""), d)
	stable(t, c, 2)
	eventually(t, "the beginning is stored", func() bool { return position(t, c, 0) == 5 && position(t, c, 1) == 5 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c), ceRecord("in", 1, "a"))
	start(t, latest(t, c, ""), d)
	eventually(t, "what came in between", func() bool { return d.times("a") == 1 })
	if d.count() != 1 {
		t.Errorf("read %v, want one", d.seen)
	}
}

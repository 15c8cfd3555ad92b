package sqs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/eventrouter/router/bindings"
)

// FuzzJudge holds invariant 8 against any answer: only an entry that the answer lists as successful, and not as failed,
// is done.
func FuzzJudge(f *testing.F) {
	f.Add(3, "0,1,2", "", true, "")
	f.Add(3, "0,0,7", "1,x,", false, "InternalError")
	f.Add(10, "unknown-1", "0,10,-1", true, "RequestThrottled")
	f.Fuzz(func(t *testing.T, n int, ok, bad string, sender bool, code string) {
		if n < 1 || n > maxBatch {
			return
		}
		good, failed := strings.Split(ok, ","), strings.Split(bad, ",")
		ids := []*string{nil}
		for i := range good {
			ids = append(ids, &good[i])
		}
		lines := []types.BatchResultErrorEntry{{}}
		for i := range failed {
			lines = append(lines, types.BatchResultErrorEntry{Id: &failed[i], SenderFault: sender, Code: &code})
		}
		verdicts := judge(n, ids, lines)
		for i := range maxBatch {
			listed := i < n && slices.Contains(good, entryIDs[i])
			refusal := i < n && slices.Contains(failed, entryIDs[i])
			if got, want := verdicts[i] == done, listed && !refusal; got != want {
				t.Errorf("entry %d of %d, successful %q, failed %q: done = %v, want %v", i, n, good, failed, got, want)
			}
			if verdicts[i] == refused && (!refusal || !sender) {
				t.Errorf("entry %d is refused and was not listed as the sender's fault", i)
			}
		}
	})
}

func TestVisibilityStopsAtTwelveHours(t *testing.T) {
	now := time.Now()
	l := newLedger(time.Hour, false, bindings.NewWindow(10, 0))
	l.room.TryAcquire(10, 0)
	h := &held{id: "m", handle: "h"}
	if got := l.admit(h, now, nil); got != admitted {
		t.Fatalf("admission %d", got)
	}
	var longest time.Duration
	for range 100 {
		changes, wait := l.dueChanges(now)
		if len(changes) == 0 {
			if len(l.dues) == 0 {
				break
			}
			now = now.Add(wait)
			continue
		}
		longest = now.Add(changes[0].to).Sub(h.received)
		if longest >= maxVisibility {
			t.Fatalf("asked for %v from the receipt on", longest)
		}
		l.changed(changes, [maxBatch]verdict{done}, now)
	}
	if longest < maxVisibility-2*time.Second || len(l.dues) != 0 {
		t.Errorf("the message was kept hidden for %v, and %d changes are left", longest, len(l.dues))
	}
	l.release(h, time.Hour, now)
	changes, _ := l.dueChanges(now)
	if len(changes) != 1 || now.Add(changes[0].to).Sub(h.received) > maxVisibility {
		t.Errorf("release after that: %+v", changes)
	}
}

func TestWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int32{-time.Hour: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 12 * time.Hour: 43200} {
		if got := wholeSeconds(d); got != want {
			t.Errorf("wholeSeconds(%v) = %d, want %d", d, got, want)
		}
	}
}

// A delete with a handle that was replaced while the call was under way deleted nothing, whatever the answer says.
func TestDeleteWithAReplacedHandleIsRepeated(t *testing.T) {
	now := time.Now()
	l := newLedger(time.Minute, false, bindings.NewWindow(10, 0))
	l.room.TryAcquire(1, 0)
	h := &held{id: "m", handle: "old"}
	l.admit(h, now, nil)
	l.confirm(h, now)
	cut, _ := l.cutDeletes(now.Add(time.Second))
	if len(cut) != 1 || cut[0].handle != "old" {
		t.Fatalf("cut %+v", cut)
	}
	if got := l.admit(&held{id: "m", handle: "new"}, now, nil); got != known {
		t.Fatalf("admission %d, want known", got)
	}
	l.deleted(cut, [maxBatch]verdict{done}, now)
	cut, _ = l.cutDeletes(now.Add(time.Second))
	if len(cut) != 1 || cut[0].handle != "new" || l.left() != 1 {
		t.Fatalf("cut %+v, %d held", cut, l.left())
	}
	l.deleted(cut, [maxBatch]verdict{done}, now)
	if events, _ := l.room.InFlight(); l.left() != 0 || events != 0 {
		t.Errorf("%d held, %d of the room taken", l.left(), events)
	}
}

// Every message that is admitted takes one place of the room and gives it back once, whatever becomes of it.
func TestRoomIsGivenBackOnce(t *testing.T) {
	now := time.Now()
	l := newLedger(time.Minute, true, bindings.NewWindow(100, 0))
	l.room.TryAcquire(3, 0)
	a, b, c := &held{id: "a", group: "g"}, &held{id: "b", group: "g"}, &held{id: "c", group: "g"}
	if got := l.admit(a, now, nil); got != admitted {
		t.Errorf("a: %d", got)
	}
	if got := l.admit(b, now, []*held{a}); got != admitted {
		t.Errorf("b, of the same receive: %d", got)
	}
	if got := l.admit(c, now, nil); got != givenBack {
		t.Errorf("c, of a later receive: %d, want givenBack", got)
	}
	l.release(a, time.Second, now)
	l.release(a, time.Second, now) // the second changes nothing
	l.room.TryAcquire(1, 0)
	if got := l.admit(&held{id: "a", group: "g"}, now, nil); got != givenBack { // b is still being delivered
		t.Errorf("a again: %d, want givenBack", got)
	}
	for l.left() > 1 {
		changes, wait := l.dueChanges(now)
		now = now.Add(wait)
		var all [maxBatch]verdict
		for i := range changes {
			all[i] = done
		}
		l.changed(changes, all, now)
	}
	l.close()
	l.confirm(b, now)
	cut, _ := l.cutDeletes(now)
	l.deleted(cut, [maxBatch]verdict{done}, now)
	<-l.empty
	if events, _ := l.room.InFlight(); events != 0 {
		t.Errorf("%d places are still taken", events)
	}
}

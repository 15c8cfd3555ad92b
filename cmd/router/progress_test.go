package main

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onTerminal begins the progress of a command that began at the time.
func onTerminal(w *safeBuffer, began time.Time) *progress {
	p := &progress{w: w, doing: "testing", total: 100_000, began: began}
	p.begin()
	return p
}

func TestProgressComesAfterTwoSecondsAndGoesAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &safeBuffer{}
		p := onTerminal(out, time.Now())
		for range 3000 {
			p.step(1)
		}
		time.Sleep(progressAfter - time.Millisecond)
		synctest.Wait()
		if out.String() != "" {
			t.Errorf("before two seconds: %q", out)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got, want := out.String(), "\rtesting 3,000 of 100,000, 2 s\x1b[K"; got != want {
			t.Errorf("after two seconds: got %q, want %q", got, want)
		}
		p.step(1)
		time.Sleep(progressEvery)
		synctest.Wait()
		if !strings.HasSuffix(out.String(), "\rtesting 3,001 of 100,000, 2 s\x1b[K") {
			t.Errorf("a moment later: %q", out)
		}
		p.end()
		p.end() // again
		if !strings.HasSuffix(out.String(), " s\x1b[K\r\x1b[K") {
			t.Errorf("the line is not erased: %q", out)
		}
	})
}

func TestProgressOfAShortStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &safeBuffer{}
		onTerminal(out, time.Now()).end()
		if out.String() != "" {
			t.Errorf("a command that is done at once shows %q", out)
		}
		onTerminal(out, time.Now().Add(-5*time.Second)).end()
		if got, want := out.String(), "\rtesting 0 of 100,000, 5 s\x1b[K\r\x1b[K"; got != want {
			t.Errorf("a later step of a command that takes long: got %q, want %q", got, want)
		}
	})
}

func TestProgressOfALoopThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine stays
		out := &safeBuffer{}
		p := onTerminal(out, time.Now())
		for i, s := range each(p, []string{"a", "b", "c"}) {
			if i == 1 && s == "b" {
				break
			}
		}
		if got := p.done.Load(); got != 1 {
			t.Errorf("%d steps, want 1", got)
		}
	})
}

func TestNoProgressElsewhere(t *testing.T) {
	_, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, a := range []*cli{{stderr: w}, {stderr: &safeBuffer{}}} {
		if p := a.progress("reading", 0); p != nil {
			p.end()
			t.Errorf("%T shows progress", a.stderr)
		}
	}
	var none *progress
	none.step(1)
	none.end()
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

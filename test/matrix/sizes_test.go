//go:build brokers

package matrix

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// size returns the size of a part of a test: the variable, or full if ROUTER_TEST_FULL is 1, or usual.
func size(t *testing.T, variable string, usual, full int) int {
	t.Helper()
	switch text := os.Getenv(variable); {
	case text != "":
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			t.Fatalf("%s is %q, want a number", variable, text)
		}
		return n
	case os.Getenv("ROUTER_TEST_FULL") == "1":
		return full
	default:
		return usual
	}
}

// outage returns how long a target is down: $ROUTER_TEST_OUTAGE, 15 s by default and a minute in full.
func outage(t *testing.T) time.Duration {
	t.Helper()
	usual := 15 * time.Second
	switch text := os.Getenv("ROUTER_TEST_OUTAGE"); {
	case text != "":
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			t.Fatalf("ROUTER_TEST_OUTAGE is %q, want a time such as 15s", text)
		}
		return d
	case os.Getenv("ROUTER_TEST_FULL") == "1":
		return time.Minute
	default:
		return usual
	}
}

package app

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that no router leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

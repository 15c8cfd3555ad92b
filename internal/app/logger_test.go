package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/terminal"
)

// trojan turns what stands after it round, as an attribute may.
const trojan = "a\u202eb\u2066c\u061c\u200f\U000e0041"

// TestLogLinesStayLines holds that neither a message nor a field obeys or begins a line, in both formats.
func TestLogLinesStayLines(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := NewLogger(config.Log{Format: format}, terminal.NewWriter(&out, ""))
		if err != nil {
			t.Fatal(err)
		}
		log.Info("peer said "+trojan+"\x1b[2J\n2026-01-01 ERROR forged", zap.String("field", trojan+"\x1b\nforged"), zap.Error(errors.New(trojan+"\r\n")))
		log.With(zap.String("more", trojan)).Debug("not shown")
		if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsFunc(got, terminal.Hidden) || strings.Contains(got, "not shown") ||
			strings.Count(got, `\u202e`) != 3 {
			t.Errorf("%s: got %q", format, got)
		}
	}
}

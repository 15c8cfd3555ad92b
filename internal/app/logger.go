package app

import (
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/terminal"
)

// NewLogger logs to standard error: text for people, JSON for machines.
func NewLogger(c config.Log, w io.Writer) (*zap.Logger, error) {
	level := zapcore.InfoLevel
	if c.Level != "" {
		var err error
		if level, err = zapcore.ParseLevel(c.Level); err != nil {
			return nil, fmt.Errorf("log.level: %w", err)
		}
	}
	format := c.Format
	if format == "" {
		format = "json"
		if terminal.Is(w) {
			format = "text"
		}
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc.TimeKey = "time"
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if format == "text" {
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	return zap.New(oneLine{zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)}), nil
}

// oneLine is a core whose messages cannot begin a line of their own: some come from libraries, which quote their peers. The
// text format writes a message as it is, and fields as JSON.
type oneLine struct{ zapcore.Core }

func (c oneLine) With(fields []zapcore.Field) zapcore.Core { return oneLine{c.Core.With(fields)} }

func (c oneLine) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

func (c oneLine) Write(e zapcore.Entry, fields []zapcore.Field) error {
	e.Message = strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(terminal.Visible(e.Message))
	return c.Core.Write(e, fields)
}

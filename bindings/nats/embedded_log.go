package nats

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The embedded server may say lineBurst lines of one level in linePeriod; what it says beyond is counted.
const (
	lineBurst  = 20
	linePeriod = 10 * time.Second
)

// serverLog writes what the embedded server logs to the router's log, with its levels.
type serverLog struct {
	log *zap.Logger
	// quiet takes notices for debug lines: while the server starts and stops, it says what its options are and no more.
	quiet atomic.Bool

	mu    sync.Mutex // guards what follows
	last  string     // the last error
	since time.Time  // when the period began
	lines map[zapcore.Level]int
}

func newServerLog(log *zap.Logger) *serverLog {
	return &serverLog{log: log, lines: map[zapcore.Level]int{}}
}

func (l *serverLog) debugs() bool { return l.log.Core().Enabled(zap.DebugLevel) }

func (l *serverLog) lastError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Noticef implements server.Logger, as the other methods do.
func (l *serverLog) Noticef(format string, v ...any) {
	if l.quiet.Load() {
		l.write(zap.DebugLevel, format, v)
		return
	}
	l.write(zap.InfoLevel, format, v)
}

// Warnf writes a warning.
func (l *serverLog) Warnf(format string, v ...any) { l.write(zap.WarnLevel, format, v) }

// Errorf writes an error.
func (l *serverLog) Errorf(format string, v ...any) { l.write(zap.ErrorLevel, format, v) }

// Fatalf writes an error: what is fatal to the embedded server does not end the process.
func (l *serverLog) Fatalf(format string, v ...any) { l.write(zap.ErrorLevel, format, v) }

// Debugf writes a debug line.
func (l *serverLog) Debugf(format string, v ...any) { l.write(zap.DebugLevel, format, v) }

// Tracef writes nothing: traces show messages and credentials.
func (l *serverLog) Tracef(string, ...any) {}

func (l *serverLog) write(level zapcore.Level, format string, v []any) {
	if level < zap.ErrorLevel && !l.log.Core().Enabled(level) {
		return
	}
	text := fmt.Sprintf(format, v...)
	suppressed, ok := l.admit(level, text)
	if !ok {
		return
	}
	if entry := l.log.Check(level, "embedded nats-server: "+text); entry != nil {
		var fields []zap.Field
		if suppressed > 0 {
			fields = append(fields, zap.Int("suppressed", suppressed))
		}
		entry.Write(fields...)
	}
}

// admit reports whether a line may be written, and how many of its level were not in the period before.
func (l *serverLog) admit(level zapcore.Level, text string) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level == zap.ErrorLevel {
		l.last = text
	}
	if now := time.Now(); now.Sub(l.since) >= linePeriod {
		suppressed = max(0, l.lines[level]-lineBurst)
		l.since = now
		clear(l.lines)
	}
	l.lines[level]++
	return suppressed, l.lines[level] <= lineBurst
}

package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"go.uber.org/zap"

	"github.com/eventrouter/router/internal/config"
)

// fileMarks tell what the files that a configuration names hold, in the order of the keys that name them.
type fileMarks []fileMark

// fileMark tells what a file holds, or why it could not be read.
type fileMark struct {
	config.NamedFile
	sum [sha256.Size]byte
	err error
}

// markFiles reads the files that a configuration names: certificates, keys and credentials.
func markFiles(cfg *config.Config, env config.Env) fileMarks {
	read := env.ReadFile
	if read == nil {
		read = readNamed
	}
	var marks fileMarks
	for _, f := range cfg.Files() {
		text, err := read(f.Name)
		marks = append(marks, fileMark{f, sha256.Sum256(text), reason(err)})
	}
	return marks
}

// reason is why a file could not be read, without its name, which may hold what a variable stood for.
func reason(err error) error {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// changed says which files hold something else now, nil if none does: the parts read theirs once, at the start. A file that
// its part reads again by itself is only logged. Both marks are of configurations whose sources and sinks are the same.
func (m fileMarks) changed(now fileMarks, log *zap.Logger) error {
	var changes []string
	seen := map[string]bool{}
	for i := range now {
		f := &now[i]
		if f.sum == m[i].sum && (f.err == nil) == (m[i].err == nil) || seen[f.Name] {
			continue
		}
		if f.Reread {
			log.Info("a file has changed; it is read at the next connection",
				zap.String("key", f.Key), zap.String("file", f.Written), zap.NamedError("reading", f.err))
			m[i] = *f
			continue
		}
		seen[f.Name] = true
		changes = append(changes, f.change())
	}
	if changes == nil {
		return nil
	}
	return errors.New(strings.Join(changes, "; "))
}

// change says what a changed file needs.
func (f *fileMark) change() string {
	if f.err != nil {
		return fmt.Sprintf("%s: %s: the file %s can no longer be read: %v; a restart would fail", f.Pos, f.Key, f.Written, f.err)
	}
	return fmt.Sprintf("%s: %s: the file %s has changed; a restart is needed", f.Pos, f.Key, f.Written)
}

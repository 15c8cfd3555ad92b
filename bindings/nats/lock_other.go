//go:build !unix

package nats

import (
	"os"
	"path/filepath"
)

// lockStore keeps the lock file open. Systems without advisory locks refuse to remove or replace an open file, and no
// more than that: do not start two routers on one store there.
func lockStore(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
}

//go:build linux || darwin || freebsd

package nats

import "syscall"

// diskOf returns the size of the filesystem that holds dir, and what an ordinary user may still write to it.
func diskOf(dir string) (d disk, ok bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return disk{}, false
	}
	// The types of these fields differ from system to system.
	block := int64(fs.Bsize) //nolint:unconvert // as above
	return disk{size: int64(fs.Blocks) * block, free: max(0, int64(fs.Bavail)*block)}, true
}

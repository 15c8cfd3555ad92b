package testbroker

import (
	"fmt"
	"syscall"
	"testing"
)

// SmallDisk mounts a filesystem of that many MiB until the test ends. It returns its folder and what gives it another
// size. The test is skipped where nothing can be mounted.
func SmallDisk(tb testing.TB, size int) (dir string, resize func(size int)) {
	tb.Helper()
	dir = tb.TempDir()
	mount := func(flags uintptr, size int) error {
		return syscall.Mount("none", dir, "tmpfs", flags, fmt.Sprintf("size=%dm", size))
	}
	if err := mount(0, size); err != nil {
		tb.Skipf("NOT TESTED: no filesystem can be mounted here, which needs root: %v", err)
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	return dir, func(size int) {
		tb.Helper()
		if err := mount(syscall.MS_REMOUNT, size); err != nil {
			tb.Fatal(err)
		}
	}
}

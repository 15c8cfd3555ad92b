//go:build !linux

package brokers

import "syscall"

// dieWithParent has no means here: a test binary that dies without cleaning up leaves its brokers running.
func dieWithParent() *syscall.SysProcAttr { return nil }

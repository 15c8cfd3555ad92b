//go:build brokers && !linux

package matrix

import "syscall"

// dieWithParent has no means here: a test binary that dies without cleaning up leaves its routers running.
func dieWithParent() *syscall.SysProcAttr { return nil }

//go:build brokers

package matrix

import "syscall"

// dieWithParent makes the kernel kill the router when the test binary dies without cleaning up, as it does on a test
// time-out.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

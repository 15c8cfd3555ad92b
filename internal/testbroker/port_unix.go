//go:build unix

package testbroker

import (
	"net"
	"sync"
	"syscall"
)

// reserve keeps a port of the loopback interface from other processes while nobody listens on it, so that it can be
// listened on again: whoever connects meanwhile is refused. It returns what gives the port up again, and does nothing if
// the port cannot be had.
func reserve(addr *net.TCPAddr) (release func()) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return func() {}
	}
	syscall.CloseOnExec(fd)
	local := &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	// Connections that have just ended on the port do not stand in the way.
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, local)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return func() {}
	}
	return sync.OnceFunc(func() { _ = syscall.Close(fd) })
}

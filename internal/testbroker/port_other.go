//go:build !unix

package testbroker

import "net"

// reserve does nothing where a port cannot be held without listening on it.
func reserve(*net.TCPAddr) (release func()) { return func() {} }

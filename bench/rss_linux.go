package main

import (
	"os"
	"syscall"
)

// maxRSS returns the most memory the process had, in MiB.
func maxRSS(state *os.ProcessState) float64 {
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		return float64(u.Maxrss) / 1024 // KiB on Linux
	}
	return 0
}

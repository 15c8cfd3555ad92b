package main

import (
	"io"
	"os"
)

// readFile reads at most a byte more than maxInput, so that a device cannot fill the memory.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxInput+1))
}

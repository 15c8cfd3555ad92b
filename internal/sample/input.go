package sample

import (
	"io"
	"os"
)

// MaxInput bounds what is read as events from a file or standard input, in bytes.
const MaxInput = 64 << 20

// Input reads at most a byte more than MaxInput, so that a device cannot fill the memory.
func Input(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxInput+1))
}

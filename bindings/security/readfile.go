package security

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxPEM is the largest file of certificates, keys or credentials in bytes.
const maxPEM = 4 << 20

// ReadFile reads a file that a configuration names: a regular one, and at most so many bytes of it and one more. What has no
// end, or waits for a writer, such as a device or a pipe, is refused without being opened.
func ReadFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if p := new(fs.PathError); errors.As(err, &p) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: p.Err} // which is what could not be done
	}
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe since
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, most+1))
}

// regular refuses what is no regular file.
func regular(path string, info fs.FileInfo) error {
	kind := "something else"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("is not a regular file but %s", kind)}
}

// readPEM reads a file of certificates or keys.
func readPEM(path string) ([]byte, error) {
	text, err := ReadFile(path, maxPEM)
	if err == nil && len(text) > maxPEM {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("is larger than 4 MiB")}
	}
	return text, err
}

//go:build !linux && !darwin && !freebsd

package nats

// diskOf knows nothing here: the server bounds its store itself, and a full disk shows by its write errors only.
func diskOf(string) (d disk, ok bool) { return disk{}, false }

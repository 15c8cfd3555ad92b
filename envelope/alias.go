package envelope

import "unsafe"

// String returns b as a string that shares b's memory. The caller promises that b is never written to again;
// the router recycles event structs but never payload bytes, which is what makes this safe.
func String(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Bytes returns s as a byte slice that shares s's memory. Writing to the result is undefined behaviour.
// The result of an empty string is empty and not nil, because nil means "absent" throughout this package.
func Bytes(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

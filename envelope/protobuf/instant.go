package protobuf

import (
	"strconv"
	"strings"
	"time"
)

// The seconds that google.protobuf.Timestamp allows: from 0001-01-01 to the end of 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// formatInstant writes an instant as RFC 3339 in UTC, with as many digits of a fraction as it has.
func formatInstant(seconds int64, nanos int32) (string, error) {
	if seconds < minSeconds || seconds > maxSeconds || nanos < 0 || nanos > 999_999_999 {
		return "", broken("a timestamp is out of range")
	}
	return time.Unix(seconds, int64(nanos)).UTC().Format(time.RFC3339Nano), nil
}

// instant returns a Timestamp's text as an instant. Digits past the nanosecond are cut. ok is false for what is not one:
// a leap second, and a year before the first.
func instant(text string) (seconds int64, nanos int32, ok bool) {
	text = strings.ToUpper(text)
	const seconds60 = len("2006-01-02T15:04:")
	if len(text) <= seconds60+2 || text[seconds60:seconds60+2] == "60" {
		return 0, 0, false
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Unix() < minSeconds || t.Unix() > maxSeconds {
		return 0, 0, false
	}
	return t.Unix(), int32(t.Nanosecond()), true
}

// appendTimestamp appends a Timestamp as field id of an attribute's value, as text where it is no instant.
func appendTimestamp(dst []byte, text string) []byte {
	seconds, nanos, ok := instant(text)
	if !ok {
		return appendBytes(dst, valueString, text)
	}
	dst, mark := begin(dst, valueTimestamp)
	if seconds != 0 {
		dst = appendVarint(dst, timeSeconds, uint64(seconds))
	}
	if nanos != 0 {
		dst = appendVarint(dst, timeNanosecond, uint64(nanos))
	}
	return end(dst, mark)
}

// parseInt returns the number of a valid Integer.
func parseInt(text string) (int32, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil
}

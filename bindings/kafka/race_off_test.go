//go:build !race

package kafka

// raceDetector is off.
const raceDetector = false

//go:build race

package kafka

// raceDetector is on: it makes pools forget at random, so allocations are not counted.
const raceDetector = true

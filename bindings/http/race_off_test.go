//go:build !race

package http

// raceDetector is on: it keeps memory of its own for what it watches, so that what a process has resident means nothing.
const raceDetector = false

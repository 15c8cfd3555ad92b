//go:build race

package routing

// raceEnabled: the race detector makes sync.Pool forget things on purpose, so allocations cannot be counted under it.
const raceEnabled = true

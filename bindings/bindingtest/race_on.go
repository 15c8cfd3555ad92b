//go:build race

package bindingtest

// raceEnabled says that the race detector is on. It makes sync.Pool forget at random, so that numbers of allocations
// mean nothing.
const raceEnabled = true

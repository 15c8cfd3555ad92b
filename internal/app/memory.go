package app

import (
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// LimitMemory keeps the garbage collector below nine tenths of the container's memory.
func LimitMemory(log *zap.Logger) {
	if limit, err := memlimit.Set(); err == nil && limit > 0 {
		log.Debug("memory limit set", zap.Int64("bytes", limit))
	}
}

// manyRoutes is from where on a configuration takes so much memory to read that it is given back.
const manyRoutes = 10_000

// freeMemory gives back to the system what reading a large configuration took: several times what its routes need, which
// the collector would keep for the next time. That may never come, and until then a container would have to be sized for
// it. A small one is not worth the collection.
func freeMemory(routes int) {
	if routes >= manyRoutes {
		debug.FreeOSMemory()
	}
}

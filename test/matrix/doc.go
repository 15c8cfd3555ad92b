// Package matrix is the proof on real brokers: it starts Kafka, nats-server and ElasticMQ, runs the built router
// between every kind of source and every kind of sink, and keeps a ledger of every event: lost, invented, corrupted,
// duplicated, reordered.
//
// TestKill does the same while the router is killed with SIGKILL again and again, ROUTER_TEST_KILLS times per pair.
//
// The tests of faults run one fault each, at a size that a variable sets: TestCrashKeepsOrder, TestKafkaTakesOverQuickly,
// TestStopDuringJoin, TestStopWithASinkDown, TestStartWithADeadSink, TestFailingEventsDoNotStarve, TestWindowRoom and
// TestReconnectDoesNotRepeatInBulk.
//
// The readers on the far side share no code with the router's codecs: they decode raw headers and encoding/json by
// themselves. The tests need the build tag brokers; see test/README.md.
package matrix

// Package brokers runs real brokers for tests: Apache Kafka, ElasticMQ (the SQS protocol) and nats-server, each as a
// process of its own on a loopback port, with its own data folder, that a test can kill -9 and start again.
//
// What it needs is downloaded once into a cache folder, $ROUTER_TEST_CACHE or eventrouter-test in the user's cache
// folder: the Java brokers by Maven, from the poms beside this file, and nats-server by the Go tool, in the version
// that go.mod pins. Java 17, mvn and go must be in the path.
//
// A suite calls [StartKafka], [StartElasticMQ] and [StartNATS]. Where ROUTER_TEST_KAFKA, ROUTER_TEST_SQS_ENDPOINT or
// ROUTER_TEST_NATS hold an address, they hand out that one instead, so that the same suite runs against compose or a
// cluster; such a broker cannot be killed, and a test that needs that is skipped. Where nothing can be had, the test
// is skipped and says what was not tested, or fails if ROUTER_TEST_REQUIRE_BROKERS is 1.
//
// test/brokers/up starts them by hand; see test/README.md.
package brokers

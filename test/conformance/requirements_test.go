package conformance

// requirement is one row of the document: a rule of the specification, or a decision where it is silent.
type requirement struct {
	id, rule string
	where    string // the file or package that implements it
	tests    string // the tests that would fail without it, separated by spaces: package.Test
}

// requirements are numbered as the project numbers the rules of the specification: 1 attributes and types, 2 JSON,
// 3 HTTP, 4 web hooks, 5 Kafka, 6 NATS, 7 the other formats, 8 SQS, 10 extensions, 11 filters, 12 CESQL, D decisions where it is silent.
var requirements = []requirement{
	{"1.1.1", "id, source, specversion and type are required", "envelope/header.go", "envelope.TestAttributeReader_Refuses envelope.TestConformance_InvalidEvents"},
	{"1.1.2", "required attributes are not empty; optional ones are not empty if present; time is RFC 3339, datacontenttype RFC 2046", "envelope/core.go", "envelope.TestVectorsA_Invalid envelope.TestMediaType envelope.TestTimestamp"},
	{"1.1.3", "dataschema is an absolute URI", "envelope/uri.go", "envelope.TestAbsoluteURI envelope.TestValidate"},
	{"1.1.4", "specversion is 1.0; everything else is refused", "envelope/core.go", "envelope.TestVectorsA_Invalid"},
	{"1.1.5", "an attribute appears at most once", "envelope/header.go", "envelope.TestAttributeReader_Refuses envelope/protobuf.TestRefused envelope/xml.TestSpec_InvalidEvents envelope/avro.TestRefused"},
	{"1.1.6", "extensions follow the rules of core attributes; an extension String may be empty", "envelope/header.go", "envelope.TestVectorsA_Attributes test/conformance.TestMatrix"},
	{"1.1.8", "datacontenttype may stand without data; media types are compared case-insensitively and forwarded verbatim", "envelope/mediatype.go", "envelope.TestIsJSON envelope.TestDetectStructured test/conformance.TestMatrix"},
	{"1.1.9", "an implied content type is written out in another format", "envelope/event.go", "envelope.TestVectorsA_Data test/conformance.TestMatrix"},
	{"1.2", "names are one or more of a-z and 0-9, not data; longer than 20 characters is accepted", "envelope/grammar.go", "envelope.TestName envelope.TestVectorsA_Invalid"},
	{"1.3", "the types' canonical texts: Boolean, Integer, String, Binary, URI, URI-reference, Timestamp", "envelope/grammar.go, envelope/uri.go, envelope/timestamp.go", "envelope.TestBoolean envelope.TestInteger envelope.TestString_EveryByte envelope.TestBinary envelope.TestURIReference envelope.TestTimestamp"},
	{"1.4", "timestamps are forwarded as text, in any offset and precision", "envelope/timestamp.go", "envelope.TestTimestamp test/conformance.TestMatrix"},
	{"1.5", "no value passes through time.Time, url.URL, float64 or a map", "envelope", "envelope.TestVectorsA_Encode test/conformance.TestMatrix"},
	{"1.6.1", "unknown extensions are forwarded", "bindings", "test/conformance.TestMatrix"},
	{"1.6.2", "other metadata stays apart and passes within one transport only", "bindings/*/codec.go", "bindings/kafka.TestForeignHeadersPassFromKafkaOnly bindings/nats.TestOtherHeadersPassButCommandsDoNot bindings/http.TestMeta"},
	{"1.6.4", "batches are taken apart and put together", "bindings/http/batch.go", "bindings/http.TestBatchOutcomes bindings/http.TestSendModes test/conformance.TestMatrix"},
	{"1.6.5", "events of up to 64 KiB pass in the least efficient encoding", "bindings", "test/conformance.TestMatrix test/conformance.TestDeepData bindings/http.TestLargestEventFitsIntoHeaders bindings/http.TestMaxHeaderIsKeptToTheByte bindings/sqs.TestSizeLimits bindings/kafka.TestTopicLimitIsExact bindings/nats.TestServerLimitIsExact"},
	{"1.6.8", "no attribute is added or changed on the way", "bindings", "test/conformance.TestMatrix"},
	{"2.1.1", "JSON: attributes and extensions are top-level members", "envelope/json_encode.go", "envelope.TestVectorsA_Encode"},
	{"2.1.2", "JSON: null is unset", "envelope/json_decode.go", "envelope.TestVectorsA_Attributes"},
	{"2.1.3", "JSON: Boolean and Integer are typed, the other types are strings", "envelope/json_encode.go", "envelope.TestVectorsA_A20 envelope.TestProperty_JSON"},
	{"2.1.4", "JSON: objects, arrays, fractions, exponents, bad names, duplicates and trailing bytes are refused", "envelope/json_decode.go", "envelope.TestVectorsA_Invalid envelope.TestConformance_InvalidEvents"},
	{"2.1.7", "JSON: another charset is unsupported; a byte order mark is refused unless lenient", "envelope/mediatype.go, envelope/json_decode.go", "envelope.TestDetectStructured envelope.TestParseJSON_Lenient"},
	{"2.2", "JSON: the order in which data is written as data_base64, data or a string", "envelope/json_encode.go", "envelope.TestVectorsA_Encode"},
	{"2.3", "JSON: how data members are read; both together are refused; data may nest to any depth", "envelope/json_data.go, envelope/json_scan.go", "envelope.TestVectorsA_Data envelope.TestVectorsA_Invalid envelope.TestDeepDataIsForwarded envelope.TestScan_AgreesWithJSONText"},
	{"2.4", "JSON: the encoder's table; data is copied, never marshalled anew", "envelope/json_encode.go", "envelope.TestVectorsA_Encode envelope.TestProperty_JSON"},
	{"2.5", "JSON batches: empty is valid; one bad element refuses all", "envelope/batch.go", "envelope.TestVectorsA_Batch envelope.TestConformance_ValidBatches envelope.TestConformance_InvalidBatches"},
	{"3.1", "HTTP: the mode by Content-Type, batch first, case-insensitively; structured wins over ce- headers", "bindings/http/codec.go", "bindings/http.TestDecodeVectors bindings/http.TestAnswers"},
	{"3.2.1", "HTTP: Content-Type is datacontenttype; ce-datacontenttype is not written and must not contradict", "bindings/http/codec.go", "bindings/http.TestDecodeVectors bindings/http.TestEncodeHeaderVectors"},
	{"3.2.3", "HTTP: no data is no body", "bindings/http/codec.go", "test/conformance.TestMatrix"},
	{"3.2.4", "HTTP: no Content-Type is invented", "bindings/http/codec.go", "bindings/http.TestDecodeVectors bindings/http.TestEncodeModes"},
	{"3.2.5", "a nested event leaves structured", "bindings/*/codec.go", "bindings/http.TestEncodeModes bindings/kafka.TestEncodeModes bindings/sqs.TestEncodeModes test/conformance.TestMatrix"},
	{"3.3", "HTTP and NATS: percent-coding of header values, one round, quoted strings, UTF-8 checked", "envelope/percent.go", "envelope.TestVectorsC_Encode envelope.TestVectorsC_Decode envelope.TestVectorsC_Reject envelope.TestVectorsC_NoCoding"},
	{"3.4", "HTTP: the media type of structured and batched messages; batches only where asked for", "bindings/http/codec.go", "bindings/http.TestEncodeModes bindings/http.TestFormats"},
	{"3.5", "HTTP: POST only; the answers; Content-Encoding within limits", "bindings/http/answer.go, bindings/http/body.go", "bindings/http.TestAnswers bindings/http.TestGzip bindings/http.TestHostileGzipBomb"},
	{"4.1", "web hooks: data-less events are structured; redirects are not followed; the table of status codes; Retry-After is kept", "bindings/http/sink.go, bindings/http/status.go", "bindings/http.TestEncodeModes bindings/http.TestT33RedirectIsNeverFollowed bindings/http.TestClassifyStatus bindings/http.TestG5PausesTheTarget"},
	{"4.2", "web hooks: bearer tokens in the header and in the query", "bindings/http/auth.go", "bindings/http.TestBearerAndBasic"},
	{"4.3", "web hooks: the handshake as receiver and as sender; origins match exactly; the granted rate is kept; no callback is called", "bindings/http/webhook.go", "bindings/http.TestHandshakeAsReceiver bindings/http.TestHandshakeAsSender bindings/http.TestReadConsent bindings/http.TestGrantedRateIsKept bindings/http.TestDeliveryOrigin"},
	{"5.1", "Kafka: the mode by content-type; batches are refused", "bindings/kafka/codec.go", "bindings/kafka.TestVectors bindings/kafka.TestDecodeRefuses"},
	{"5.2", "Kafka: ce_ headers are raw UTF-8", "bindings/kafka/codec.go", "bindings/kafka.TestVectors test/conformance.TestMatrix"},
	{"5.3", "Kafka: content-type wins over ce_datacontenttype", "bindings/kafka/codec.go", "bindings/kafka.TestVectors"},
	{"5.4", "Kafka: no data is a null value, both ways; an empty value is empty data", "bindings/kafka/codec.go", "bindings/kafka.TestVectors test/conformance.TestMatrix"},
	{"5.5", "Kafka: record keys are unchanged from Kafka to Kafka; the partitionkey mapper is opt-in and changes no attribute", "bindings/kafka/codec.go", "bindings/kafka.TestEncodeKeys"},
	{"5.6", "Kafka: structured records carry their media type", "bindings/kafka/codec.go", "bindings/kafka.TestEncodeModes bindings/kafka.TestFormats"},
	{"5.7", "Kafka: legacy structured records without content-type are read when lenient", "bindings/kafka/codec.go", "bindings/kafka.TestVectors"},
	{"5.9", "Kafka: duplicate ce_ headers are refused, null headers are unset", "bindings/kafka/codec.go", "bindings/kafka.TestVectors bindings/kafka.TestDecodeDetails bindings/kafka.TestNullHeaderCountsAsAbsent"},
	{"5.10", "Kafka: other headers pass from Kafka to Kafka", "bindings/kafka/codec.go", "bindings/kafka.TestForeignHeadersPassFromKafkaOnly"},
	{"6.2", "NATS: structured by Content-Type; only JSON is written", "bindings/nats/codec.go", "bindings/nats.TestVectorsE2AndE4 bindings/nats.TestSinkConfigIsChecked"},
	{"6.3", "NATS: all attributes are ce- headers, datacontenttype among them", "bindings/nats/codec.go", "bindings/nats.TestVectorE1 test/conformance.TestMatrix"},
	{"6.4", "NATS: values are coded as in HTTP", "bindings/nats/codec.go", "bindings/nats.TestVectorsC"},
	{"6.5", "NATS: structured messages of 1.0.2 senders, without headers, are read", "bindings/nats/codec.go", "bindings/nats.TestVectorsE2AndE4 test/conformance.TestMatrix"},
	{"6.6", "NATS: header names are folded; duplicates after folding are refused", "bindings/nats/codec.go", "bindings/nats.TestBinaryDetails bindings/nats.TestDecodeRefuses"},
	{"6.9", "NATS: Nats- headers do not pass; every message has an id for the duplicate window", "bindings/nats/codec.go, bindings/nats/sink_stream.go", "bindings/nats.TestOtherHeadersPassButCommandsDoNot bindings/nats.TestStreamSinkStoresAndRecognisesRepetitions"},
	{"7.4", "protobuf, single and batch, by the specification's schema", "envelope/protobuf", "envelope/protobuf.TestOracle envelope/protobuf.TestSpec_ValidEvents envelope/protobuf.TestSpec_InvalidEvents envelope/protobuf.TestSpec_ValidBatches envelope/protobuf.TestSpec_InvalidBatches envelope/protobuf.FuzzParse"},
	{"7.5", "Avro, by the specification's schema", "envelope/avro", "envelope/avro.TestGolden envelope/avro.TestForeign envelope/avro.TestRefused envelope/avro.FuzzParse"},
	{"7.6", "XML (working draft), single and batch", "envelope/xml", "envelope/xml.TestSpec_ValidEvents envelope/xml.TestSpec_InvalidEvents envelope/xml.TestSpec_ValidBatches envelope/xml.TestSpec_InvalidBatches envelope/xml.TestGolden envelope/xml.FuzzParse"},
	{"8.3", "SQS: the limits of attributes, characters and sizes", "bindings/sqs/codec.go, bindings/sqs/sink.go", "bindings/sqs.TestEncodeModes bindings/sqs.TestLegal bindings/sqs.TestSizeLimits bindings/sqs.TestSendSplits"},
	{"8.4", "SQS: structured by default, binary on request with its fall-back; the order in which a message is recognised; FIFO group and deduplication ids", "bindings/sqs/codec.go, bindings/sqs/sink.go", "bindings/sqs.TestDecode bindings/sqs.TestEncodeModes bindings/sqs.TestGroupsAndDeduplication test/conformance.TestMatrix"},
	{"8.5", "SNS, EventBridge and S3 adapters on request, for every source", "bindings/adapter", "bindings/adapter.TestAdapters bindings/adapter.FuzzAdapt bindings/kafka.TestAdapters bindings/nats.TestAdaptersCore bindings/nats.TestAdaptersStream bindings/sqs.TestAdapters bindings/http.TestAdapters"},
	{"10 partitionkey", "maps to a Kafka key, an SQS group or a lane where the sink says so", "bindings/kafka/codec.go, bindings/sqs/sink.go", "bindings/kafka.TestEncodeKeys bindings/sqs.TestGroupsAndDeduplication"},
	{"10 expirytime", "an expired event is dropped or dead-lettered where the sink says so (expired:), looked at before every attempt; counted", "pipeline/expiry.go", "pipeline.TestExpired pipeline.TestExpiresWhileTheTargetIsDown pipeline.TestHasExpired"},
	{"10 sampledrate", "a route that samples (sample:) chooses the same events in every process and multiplies the rate", "pipeline/sample.go", "pipeline.TestSample pipeline.TestSampleIsTheSameInEveryRelease pipeline.TestSampledRateIsMultiplied"},
	{"10 dataref", "data that dataref names as well is left out where the sink says so (dataref:); nothing is fetched", "pipeline/dataref.go", "pipeline.TestDataRef pipeline.TestWithoutDataLeavesTheEventWhole"},
	{"10 dataclassification", "a sink gets the classified data that it accepts (accepts:), and no other; the attributes are never changed", "pipeline/accepts.go", "pipeline.TestAcceptsCheck pipeline.TestAccepts pipeline.TestDeadLettersAreGated"},
	{"10 traceparent", "the event's own is never changed; the transport's is metadata", "bindings/http/sink.go", "bindings/http.TestMeta test/conformance.TestMatrix"},
	{"10 others", "all extensions are forwarded untouched", "bindings", "test/conformance.TestMatrix"},
	{"11", "filters of the Subscriptions API: exact, prefix, suffix, all, any, not and sql; several are ANDed, an empty list passes all, an unknown dialect is refused", "routing/filters_parse.go", "routing.TestFilterVectors routing.TestParseProblems routing.TestMatchEqualsReference"},
	{"12", "CESQL 1: grammar, types, casts, errors and functions, by the specification's own test cases; the deviations of sdk-go are listed and held", "routing/cesql", "routing/cesql.TestTCK routing/cesql.TestEval routing/cesql.TestParseErrors routing/cesql.TestAgreesWithTheSDK routing/cesql.TestDeviationsOfTheSDK routing/cesql.FuzzParse"},
	{"D1", "header_encoding: strict, lenient or raw, for each HTTP source", "envelope/percent.go, bindings/http/config.go", "envelope.TestVectorsC_NoCoding bindings/http.TestDecodeVectors"},
	{"D2", "a route can give types to attributes that came through headers (attribute_types:); unstated they are untyped and become JSON strings", "pipeline/types.go", "pipeline.TestAttributeTypes pipeline.TestAttributeTypesLeaveAlone pipeline.TestAttributeTypesAndOriginalBytes"},
	{"D4", "what came structured and leaves in the same format untouched is the same bytes", "envelope, envelope/format", "envelope/format.TestProperty_RoundTrip test/conformance.TestMatrix"},
	{"D5", "structure is strict; the grammar of URIs is left to the validator", "envelope/options.go", "envelope.TestValidate envelope.TestVectorsA_Attributes"},
	{"D14", "see 3.2.5", "bindings/*/codec.go", "bindings/kafka.TestEncodeModes"},
	{"D16", "empty data is absent over HTTP and NATS; Kafka and the formats tell the two apart", "bindings/*/codec.go", "test/conformance.TestMatrix"},
	{"lint", "every violation of an event is listed with its rule and place", "internal/lint", "internal/lint.TestAllAtOnce internal/lint.TestViolations internal/lint.TestFormats internal/lint.TestSpec internal/lint.TestDocumentedRules internal/lint.FuzzJSON"},
}

// vectorIDs are the numbers of the project's test vectors, by table; what a table lacks was never given out.
var vectorIDs = []string{
	"A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A10", "A11", "A13", "A14", "A15", "A16", "A17", "A18", "A19", "A20", "A21", "A22", "A23", "A24",
	"A25", "A26", "A27", "A29", "A30", "A31", "A32", "A34", "A35", "A36", "A37", "A39", "A40", "A41", "A42", "A43", "A44", "A45", "A47",
	"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B10", "B11", "B12", "B13", "B15", "B17", "B18", "B19", "B20", "B21", "B22",
	"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C7b", "C8", "C10", "C11", "C14", "C15", "C16", "C18", "C19", "C20",
	"D1", "D2", "D4", "D5", "D6", "D7", "D8", "D9", "D11", "D12", "D13",
	"E1", "E2", "E4", "E6", "E7", "E8", "E9", "E10", "E11", "E12", "E13", "E14", "E15", "E16", "E17", "E18", "E19", "E20",
	"F1", "F2", "F4", "F5", "F6", "F7", "F9", "F10", "F11", "F12", "F13", "F14", "F15", "F16", "F18", "F19",
	"G1", "G2", "G3", "G4", "G5", "G6", "G8",
}

// vectorTests are the vectors whose tests do not bear their number.
var vectorTests = map[string]string{
	"A36": "test/conformance.TestMatrix envelope.TestURIReference",
	"B20": "bindings/http.TestLargestEventFitsIntoHeaders",
	"F9":  "routing/cesql.TestParseErrors",
	"G3":  "bindings/http.TestDeliveryOrigin",
	"G4":  "bindings/http.TestT33RedirectIsNeverFollowed",
	"G6":  "bindings/http.TestClassifyStatus",
}

// vectorsApart are the vectors that are not ours, each with why.
var vectorsApart = map[string]string{
	"E6": "AMQP is not built", "E7": "AMQP is not built", "E8": "AMQP is not built", "E9": "MQTT is not built", "E10": "MQTT is not built",
	"E16": "Pub/Sub is not built", "E17": "Pub/Sub is not built",
}

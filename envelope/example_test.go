package envelope_test

import (
	"errors"
	"fmt"

	"github.com/eventrouter/router/envelope"
)

// A structured message is decoded without copying it, and leaves as it came until someone changes the event.
func ExampleParseJSON() {
	message := []byte(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","retries":2,"data":{ "total": 1.0 }}`)
	var e envelope.Event
	if err := envelope.ParseJSON(&e, message, envelope.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Type, e.ContentType(), string(e.Data))
	e.Set("subject", "orders/4711", envelope.KindString)
	fmt.Println(string(envelope.AppendJSON(nil, &e)))
	// Output:
	// order.paid application/json { "total": 1.0 }
	// {"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","subject":"orders/4711","datacontenttype":"application/json","retries":2,"data":{ "total": 1.0 }}
}

// What breaks a rule of the specification is told apart from what is not a CloudEvent at all.
func ExampleParseJSON_errors() {
	for _, message := range []string{
		`{"specversion":"1.0","id":"","source":"/shop","type":"order.paid"}`,
		`{"orderId":4711}`,
		`{"orderId":`,
	} {
		err := envelope.ParseJSON(new(envelope.Event), []byte(message), envelope.Options{})
		fmt.Println(errors.Is(err, envelope.ErrNotCloudEvent), err)
	}
	// Output:
	// false id: must not be empty
	// true not a CloudEvent: the JSON object has no specversion
	// false not a JSON document: at byte 11: the text ends where a value should be
}

// A binary-mode message is collected attribute by attribute.
func ExampleAttributeReader() {
	var (
		e      envelope.Event
		reader envelope.AttributeReader
	)
	reader.Begin(&e, envelope.Options{})
	for _, header := range [][2]string{
		{"specversion", "1.0"}, {"id", "1"}, {"source", "/shop"}, {"type", "order.paid"}, {"customer", "Ren%C3%A9e%20D."},
	} {
		value, err := envelope.DecodeHeaderValue(header[1], envelope.HeaderStrict)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := reader.Attribute(header[0], value); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(reader.Finish(), e.Extension(0).Value)
	// Output: <nil> Renée D.
}

func ExamplePath_Lookup() {
	path, err := envelope.ParsePath(`order.items[1]."unit price"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, kind := path.Lookup([]byte(`{"order":{"items":[{},{"unit price":12.50}]}}`))
	fmt.Println(text, kind == envelope.PathNumber)
	// Output: 12.50 true
}

package cesql_test

import (
	"fmt"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/routing/cesql"
)

func Example() {
	x, err := cesql.Parse(`type LIKE 'com.example.order.%' and (not exists tenant or tenant = 'acme')`)
	if err != nil {
		fmt.Println(err)
		return
	}
	event := &envelope.Event{ID: "1", Source: "/orders", Type: "com.example.order.created"}
	fmt.Println(x.True(event))
	for _, c := range x.Conjuncts() {
		fmt.Println(c.Attribute, c.Op, c.Values)
	}
	fmt.Println(x)
	// Output:
	// true
	// type prefix [com.example.order.]
	// type LIKE 'com.example.order.%' AND (NOT EXISTS tenant OR tenant = 'acme')
}

func ExampleParse_error() {
	_, err := cesql.Parse(`type LIKE order`)
	fmt.Println(err)
	// Output: cesql: at character 11: unexpected `order`, want a string literal after LIKE
}

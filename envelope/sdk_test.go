package envelope_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/eventrouter/router/bindings/bindingtest"
	"github.com/eventrouter/router/envelope"
)

// sdkDiffers names the golden events that sdk-go does not give back as it got them, with the reason. The test fails
// when one of them comes back whole, so that the list stays true.
var sdkDiffers = map[string]string{
	"source-upper-case":   "lower-cases the scheme of a source",
	"time-zeros":          "normalises time to UTC and the shortest fraction",
	"time-long-fraction":  "cuts fractions at nanoseconds",
	"time-lower-case":     "refuses lower-case t and z",
	"time-leap-second":    "refuses leap seconds",
	"time-unknown-offset": "normalises -00:00",
	"integer-minus-zero":  "writes -0 as 0",
	"json-html":           "escapes angle brackets and ampersands in data",
	"json-spaces":         "removes white space from data",
	"json-type-1":         "takes a vendor type with +json for one that is not JSON",
	"json-type-3":         "compares media types case-sensitively",
	"json-type-5":         "compares media types case-sensitively",
	"nested-upper-case":   "compares media types case-sensitively",
}

// TestDifferential_SDK sends the golden events through sdk-go's JSON codec and reads what it makes of them.
func TestDifferential_SDK(t *testing.T) {
	for _, n := range bindingtest.Events() {
		t.Run(n.Name, func(t *testing.T) {
			err := throughSDK(n.Event)
			if reason, known := sdkDiffers[n.Name]; known {
				if err == nil {
					t.Errorf("comes back whole, although the list says that sdk-go %s", reason)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// throughSDK returns what is different about an event that sdk-go has read and written.
func throughSDK(e *envelope.Event) error {
	var theirs event.Event
	if err := json.Unmarshal(envelope.AppendJSON(nil, e), &theirs); err != nil {
		return err
	}
	text, err := json.Marshal(theirs)
	if err != nil {
		return err
	}
	back := new(envelope.Event)
	if err := envelope.ParseJSON(back, text, envelope.Options{}); err != nil {
		return err
	}
	if diff := bindingtest.Equal(e, back, bindingtest.Structured); diff != "" {
		return errors.New(diff)
	}
	return nil
}

package envelope

// Options relaxes or bounds what decoders accept. The zero value is strict and unbounded.
//
// Structure is strict in both modes: names, types, required attributes, duplicates, the JSON grammar and UTF-8.
// Neither mode refuses a message for the grammar of a URI, because peers send sources with spaces in them and the text
// is forwarded as it came; [Event.Validate] is what reports such values.
type Options struct {
	// Lenient relaxes the rules that peers are known to break: one leading byte order mark before a JSON document is
	// skipped, and a header whose attribute name is not one is dropped instead of refusing the message.
	Lenient bool
	// MaxAttributes is the most extension attributes an event may have, 0 for no limit.
	MaxAttributes int
}

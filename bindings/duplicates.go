package bindings

// DuplicateCounter is a Sink whose target may say that it had stored an event before, and so confirms it without storing
// it again: a retry after a lost answer, an event that a source brought twice, or another event with the same source and
// id. Such an event counts as delivered.
type DuplicateCounter interface {
	// TellsDuplicates reports whether this sink's target says so; its configuration may decide that.
	TellsDuplicates() bool
	// Duplicates returns how many events were confirmed like that so far. It is called concurrently with Send.
	Duplicates() int64
}

// Package routing turns the rules that a user wrote into an immutable table that finds the rules an event matches.
//
// [ParseWhen] reads one condition from the [Value] tree of a configuration file, [Compile] builds a [Table] of rules,
// [Table.Match] is the hot path, and [Table.Explain] tells why a rule did or did not match.
//
// # What a condition means
//
// Every predicate compares the canonical text of an attribute and is either true or false. A predicate on an
// attribute that is missing is false, and so "not" of it is true; exists: false is the not of exists: true. Texts are
// compared byte by byte. In a glob, * is any run of characters and ? is one; there is no escape, a regex finds a
// literal star. Numbers are compared exactly, whatever their size; what is not a number as JSON writes it never
// satisfies gt, gte, lt or lte.
//
// Predicates below "data" see the text of a JSON string, and a number, true or false as the payload has it; a number
// without quotes in the rule also equals other spellings of the same number (5 finds 5.0). Objects and arrays only
// exist; a JSON null exists and equals null. The payload is read whatever its datacontenttype says; what is not JSON
// has nothing at any path.
//
// # How matching works
//
// Conditions become trees in which only leaves are negated. For every rule the index holds an access: keys of which
// any matching event has at least one, an exact value, a prefix, a suffix, or the mere existence of an attribute,
// whichever is shared by the fewest rules. The alternatives of an "any" are several keys of one rule. Looking up the
// attributes of an event yields candidates; what their access leaves open is then checked, what reads the payload
// last and only where no earlier rule has stopped the list. Rules without any access, such as those with negations
// alone, are tried for every event.
package routing

// Package cesql reads and evaluates the CloudEvents SQL Expression Language, version 1.0.0, over envelope events.
//
// An expression is parsed once, then evaluated by any number of goroutines. It always yields a value of type
// String, Integer or Boolean, and perhaps an error beside it. As a filter it lets an event pass only if the value is
// the Boolean true and there was no error.
//
// Evaluation stops at the first error, which the language allows: the operators around it yield the zero value of
// their own type. The right side of AND and OR is not evaluated once the left side has decided.
//
// # Where the specification leaves a choice
//
//   - AND, OR and XOR are one level of precedence and are read from left to right, as its prose has it (its ANTLR
//     grammar reads them from right to left). Mixing them without parentheses yields a warning.
//   - A minus after an operand is always an operator: 5-3 is 2.
//   - Identifiers are folded to lower case; attribute names have no upper case. An attribute whose name is a keyword
//     (in, or, true) or has only digits cannot be addressed.
//   - A backslash in a string escapes only the string's own delimiter, every other one stands for itself. A doubled
//     delimiter, which the lexer's grammar knows and the prose does not, is read as one and yields a warning.
//   - Integers never wrap: what does not fit 32 bits is 0 and a math error.
//   - NOT 10 is false: §3.7 casts 10 to true. The conformance test "Invalid int cast", which wants a cast error,
//     contradicts that.
//   - INT, BOOL and STRING exist, as §3.7 and the conformance tests have it.
//   - "Character" means a Unicode code point.
//   - An attribute is Boolean or Integer only where its carrier said so and its text is canonical; from carriers
//     that know only text (HTTP, Kafka, NATS headers) it is a String, and operators cast it.
//
// # Limits
//
// A source is at most [MaxLength] bytes, nesting at most [MaxDepth] levels, and an evaluation at most [MaxSteps]
// steps, so that neither a rule nor an event can hold up the router. No input panics.
package cesql

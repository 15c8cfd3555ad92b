// Package xml reads and writes the XML event format, a working draft of the specification:
// application/cloudevents+xml and its batch.
//
//   - https://github.com/cloudevents/spec/blob/main/cloudevents/working-drafts/xml-format.md
//
// Documents are read with encoding/xml and namespaces are kept beside it, because xsi:type holds names with prefixes and
// XML data has to leave with the namespaces it was written under. A document type definition is refused, so there are
// no entities to expand; prefixes have to be declared, except ce and xs in xsi:type, which the specification's own samples
// leave out. Elements may nest as deep and declare as many namespaces as the message has room for: nothing recurses, and
// the time grows with the message alone.
//
// # Where it goes beyond the draft
//
//   - In strict mode a dataschema without a scheme is refused, as the specification's tests of this format want it.
//   - Elements and attributes of other namespaces are ignored, as the draft says; they survive only where the document
//     leaves untouched in this format.
//
// # What the format changes
//
//   - An untyped value becomes a String.
//   - An attribute whose name begins with a digit cannot be the name of an element: such an event has no XML form.
//   - Text with characters that XML has none for travels as base64Binary. All other text, XML among it, travels as
//     xs:string, which keeps every byte; xs:any would have to change its namespaces.
//   - Data of type xs:any becomes the text of its element, with the declarations of the prefixes it uses, and is
//     application/xml unless the event says otherwise.
//   - An event of a batch does not keep its original bytes, because they mean nothing without the batch's namespaces.
package xml

// The namespaces of the format.
const (
	namespace         = "http://cloudevents.io/xmlformat/V1"
	schemaNamespace   = "http://www.w3.org/2001/XMLSchema"
	instanceNamespace = "http://www.w3.org/2001/XMLSchema-instance"
	xmlNamespace      = "http://www.w3.org/XML/1998/namespace"
)

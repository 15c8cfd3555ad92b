package envelope

// coreAttribute numbers the attributes that the specification itself defines, so that a decoder can keep which of them
// it has seen in one word.
type coreAttribute uint8

const (
	notCore coreAttribute = iota
	coreSpecVersion
	coreID
	coreSource
	coreType
	coreSubject
	coreTime
	coreDataContentType
	coreDataSchema
)

// coreNames holds the names by number; it is also the order in which encoders write them.
var coreNames = [...]string{
	coreSpecVersion: "specversion", coreID: "id", coreSource: "source", coreType: "type", coreSubject: "subject",
	coreTime: "time", coreDataContentType: "datacontenttype", coreDataSchema: "dataschema",
}

// coreNumber returns the number of a core attribute, notCore for every other name.
func coreNumber(name string) coreAttribute {
	switch name {
	case "specversion":
		return coreSpecVersion
	case "id":
		return coreID
	case "source":
		return coreSource
	case "type":
		return coreType
	case "subject":
		return coreSubject
	case "time":
		return coreTime
	case "datacontenttype":
		return coreDataContentType
	case "dataschema":
		return coreDataSchema
	}
	return notCore
}

// field returns where the event keeps the attribute. Specversion has no field, because it has one value.
func (c coreAttribute) field(e *Event) *string {
	switch c {
	case coreID:
		return &e.ID
	case coreSource:
		return &e.Source
	case coreType:
		return &e.Type
	case coreSubject:
		return &e.Subject
	case coreTime:
		return &e.Time
	case coreDataContentType:
		return &e.DataContentType
	case coreDataSchema:
		return &e.DataSchema
	case notCore, coreSpecVersion:
	}
	return nil
}

// check returns the rule that value breaks as a value of this attribute, or the empty string. URIs are judged by their
// characters alone; see Options.
func (c coreAttribute) check(value string) (rule string) {
	switch {
	case value == "":
		return "must not be empty"
	case c == coreSpecVersion && value != SpecVersion:
		return "must be " + SpecVersion
	case c == coreTime && !validTimestamp(value):
		return "must be an RFC 3339 timestamp such as 2018-04-05T17:31:00Z"
	case c == coreDataContentType && !validMediaType(value):
		return "must be a media type such as application/json"
	case !validString(value):
		return ruleCharacters
	}
	return ""
}

// The rules that several checks share.
const (
	ruleCharacters = "must be Unicode text without control characters and noncharacters"
	ruleName       = "is not an attribute name: one or more of a-z and 0-9, and not \"data\""
	ruleDuplicate  = "must not appear more than once"
	ruleRequired   = "is required"
)

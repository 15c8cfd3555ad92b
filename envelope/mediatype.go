package envelope

import "strings"

// structuredPrefix begins the media type of every message in structured or batched mode.
const structuredPrefix = "application/cloudevents"

// DetectStructured tells the content mode by the media type, case-insensitively and whatever its parameters. ok is
// false where the message is binary; with ok true and FormatNone it is structured in a way this package does not read:
// an unknown or missing format suffix, or a charset other than utf-8. Bindings answer that as an unsupported media
// type.
func DetectStructured(contentType string) (format Format, batch, ok bool) {
	mediaType, params, _ := strings.Cut(contentType, ";")
	suffix, ok := cutPrefixFold(strings.Trim(mediaType, " \t"), structuredPrefix)
	if !ok {
		return FormatNone, false, false
	}
	// The batch types share the prefix of the single ones, so they are told apart first.
	if rest, isBatch := cutPrefixFold(suffix, "-batch"); isBatch {
		suffix, batch = rest, true
	}
	format = formatOf(suffix)
	if batch && format == FormatAvro {
		format = FormatNone // the Avro format has no batch
	}
	if charset, given := parameter(params, "charset"); given && !strings.EqualFold(charset, "utf-8") {
		format = FormatNone
	}
	return format, batch, true
}

// formatOf returns the format of a structured syntax suffix, with its plus sign.
func formatOf(suffix string) Format {
	switch {
	case strings.EqualFold(suffix, "+json"):
		return FormatJSON
	case strings.EqualFold(suffix, "+protobuf"):
		return FormatProtobuf
	case strings.EqualFold(suffix, "+xml"):
		return FormatXML
	case strings.EqualFold(suffix, "+avro"):
		return FormatAvro
	}
	return FormatNone
}

// IsJSON reports whether a media type, with its parameters left aside, is */json or */*+json.
func IsJSON(mediaType string) bool {
	top, sub := splitMediaType(mediaType)
	return top != "" && (strings.EqualFold(sub, "json") || hasSuffixFold(sub, "+json"))
}

// isText reports whether bytes of that media type are characters in UTF-8 by the type's own word: text/*, */xml and
// */*+xml whose charset is absent, utf-8 or us-ascii. The bytes themselves still have to be looked at.
func isText(mediaType string) bool {
	top, sub := splitMediaType(mediaType)
	if top == "" || !strings.EqualFold(top, "text") && !strings.EqualFold(sub, "xml") && !hasSuffixFold(sub, "+xml") {
		return false
	}
	_, params, _ := strings.Cut(mediaType, ";")
	charset, given := parameter(params, "charset")
	return !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}

// splitMediaType returns the type and the subtype without parameters, both empty where there is no slash.
func splitMediaType(s string) (top, sub string) {
	s, _, _ = strings.Cut(s, ";")
	top, sub, ok := strings.Cut(s, "/")
	if !ok {
		return "", ""
	}
	return strings.Trim(top, " \t"), strings.Trim(sub, " \t")
}

// validMediaType reports whether s is a media type: two tokens around a slash, then nothing or parameters. The
// parameters are taken as they are, because their text is forwarded and peers send them in every shape.
func validMediaType(s string) bool {
	mediaType, _, _ := strings.Cut(s, ";")
	top, sub, ok := strings.Cut(strings.TrimRight(mediaType, " \t"), "/")
	return ok && validToken(top) && validToken(sub) && validString(s)
}

// validToken checks a token of RFC 2045 as RFC 7230 narrows it.
func validToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// parameter returns the first parameter of that name, without its quotes. params is what follows the first semicolon.
func parameter(params, name string) (value string, ok bool) {
	for params != "" {
		var one string
		one, params = cutParameter(params)
		key, value, found := strings.Cut(one, "=")
		if found && strings.EqualFold(strings.Trim(key, " \t"), name) {
			return strings.Trim(value, " \t\""), true
		}
	}
	return "", false
}

// cutParameter cuts at the next semicolon that is not inside quotes.
func cutParameter(s string) (first, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		case ';':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

package lint

import (
	"regexp"
	"strings"

	"github.com/eventrouter/router/envelope"
)

// maxSize is what every intermediary has to forward (specification, Size Limits); more may be refused on the way.
const maxSize = 64 << 10

// maxName is how long a name should be at most (specification, Naming Conventions).
const maxName = 20

// patterns of the advice. They are compiled once and never change.
var (
	reverseDNS = regexp.MustCompile(`^[a-z]{2,}\.[a-z0-9-]+(\.[A-Za-z0-9_-]+)+$`)
	versioned  = regexp.MustCompile(`(^|[._-])[vV]\d+([._-]|$)|\d{4}-\d{2}-\d{2}|(^|\.)\d+(\.\d+)*$`)
	scheme     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	secretName = regexp.MustCompile(`pass(word|wd)?$|secret|token|apikey|credential|privatekey|cookie|ssn$|creditcard|email|phone`)
	secrets    = regexp.MustCompile(`(?i)^(bearer|basic) \S+|^eyJ[\w-]+\.[\w-]+\.|AKIA[0-9A-Z]{16}|-----BEGIN|//[^/@\s:]+:[^/@\s]+@`)
	mailbox    = regexp.MustCompile(`^[\w.+-]+@[\w-]+(\.[\w-]+)+$`)
)

// judge lists what an event that a decoder has accepted breaks nevertheless, and gives advice.
func (l *linter) judge(e *envelope.Event) {
	if err := e.Validate(envelope.Options{}); err != nil {
		l.reject(err)
	}
	l.advise(e)
}

// advise gives advice on an event that is valid.
func (l *linter) advise(e *envelope.Event) {
	if !reverseDNS.MatchString(e.Type) {
		l.advice("type", "reverse-dns", "should begin with a reverse-DNS name of whoever defines it, such as com.example.order.paid")
	}
	if !versioned.MatchString(e.Type) && e.DataSchema == "" {
		l.advice("type", "version", "should carry a version, such as com.example.order.paid.v1, unless dataschema does")
	}
	if !scheme.MatchString(e.Source) {
		l.advice("source", "absolute-source", "should be an absolute URI, so that it is unique beyond its own system")
	}
	if e.Time == "" {
		l.advice("time", "time", "should be there: nobody can add later when it happened")
	}
	if e.Data != nil && e.ContentType() == "" {
		l.advice("datacontenttype", "datacontenttype", "should say what the data is")
	}
	if e.Data != nil && e.DataSchema == "" {
		l.advice("dataschema", "dataschema", "should name the schema of the data")
	}
	l.names(e)
	l.sensitive(e)
	if size := largest(e); size > maxSize {
		l.advice("", "size", "takes up to %d bytes on the wire; only events of up to %d are sure to be forwarded", size, maxSize)
	}
	key := [2]string{e.Source, e.ID}
	if before, ok := l.seen[key]; ok {
		l.advice("id", "unique", "is the id of event %s too, which has the same source: consumers take one for a repetition", before)
	} else {
		l.seen[key] = l.event
	}
}

func (l *linter) names(e *envelope.Event) {
	for i := range e.NumExtensions() {
		name := e.Extension(i).Name
		if len(name) > maxName {
			l.advice(name, "name-length", "should have at most %d characters", maxName)
		}
		if name[0] >= '0' && name[0] <= '9' {
			l.advice(name, "name-letter", "should begin with a letter; the XML format cannot carry it")
		}
	}
}

// sensitive looks for what should not be where every intermediary logs it.
func (l *linter) sensitive(e *envelope.Event) {
	for a := range e.TypedAttributes {
		_, core := envelope.CoreKind(a.Name)
		switch {
		case !core && secretName.MatchString(a.Name):
			l.advice(a.Name, "sensitive", "looks sensitive by its name; attributes are logged on the way, data need not be")
		case secrets.MatchString(a.Value):
			l.advice(a.Name, "sensitive", "looks like a credential; attributes are logged on the way, data need not be")
		case mailbox.MatchString(strings.TrimPrefix(a.Value, "mailto:")) && a.Name != "source":
			l.advice(a.Name, "sensitive", "looks like the address of a person; attributes are logged on the way, data need not be")
		}
	}
}

// largest returns how many bytes the event takes in the least efficient of the encodings it may meet: JSON with its
// data in base64, or headers that are percent-encoded.
func largest(e *envelope.Event) int {
	written := e.Clone()
	written.Touch()
	if e.Data != nil {
		written.DataKind = envelope.DataBinary
	}
	structured := len(envelope.AppendJSON(nil, written))
	binary := len(e.Data)
	for name, value := range e.Attributes {
		binary += len("ce-: \r\n") + len(name) + len(envelope.AppendHeaderValue(nil, value))
	}
	return max(structured, binary)
}

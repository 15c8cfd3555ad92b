package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// maxReplaced is the longest value in bytes that variables may make of one scalar.
const maxReplaced = 1 << 20

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// environmentError says that a variable cannot be replaced because the machine lacks something.
type environmentError struct{ error }

// interpolation replaces the variables of one scalar.
type interpolation struct {
	env Env
	dir string // what relative paths in ${file:…} start from
	// replaced are the variables met, with what they stood for.
	replaced []replacement
}

// expand replaces every variable in s.
func (i *interpolation) expand(s string) (string, error) {
	var out strings.Builder
	for s != "" {
		at := strings.IndexByte(s, '$')
		if at < 0 || at+1 == len(s) {
			break
		}
		out.WriteString(s[:at])
		s = s[at:]
		used, value, err := i.dollar(s)
		if err != nil {
			return "", err
		}
		out.WriteString(value)
		s = s[used:]
		if out.Len() > maxReplaced {
			return "", fmt.Errorf("variables make this value longer than %d bytes", maxReplaced)
		}
	}
	out.WriteString(s)
	return out.String(), nil
}

// dollar replaces what begins with the dollar sign at the start of s and tells how many bytes of s that used.
func (i *interpolation) dollar(s string) (used int, value string, err error) {
	switch s[1] {
	case '$':
		return 2, "$", nil
	case '{':
	default: // a lone dollar sign is itself: it ends many a regular expression
		return 1, "$", nil
	}
	end := closing(s)
	if end < 0 {
		return 0, "", errors.New("${ is never closed; write $${ for the two characters themselves")
	}
	value, err = i.variable(s[2:end])
	if err != nil {
		return 0, "", err
	}
	i.replaced = append(i.replaced, replacement{written: s[:end+1], value: value})
	return end + 1, value, nil
}

// closing returns the index of the brace that closes the ${ at the start of s, -1 if there is none. Variables may
// stand inside the default of another.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			i++
		case strings.HasPrefix(s[i:], "${"):
			depth++
			i++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// variable returns what the inside of ${…} stands for. Its errors quote no default, because that may be a secret.
func (i *interpolation) variable(inside string) (string, error) {
	if path, ok := strings.CutPrefix(inside, "file:"); ok {
		return i.file(path)
	}
	name := variableName.FindString(inside)
	rest := inside[len(name):]
	if name == "" {
		return "", errors.New("${ is followed by no name; write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:/path}")
	}
	value, set := i.env.LookupEnv(name)
	byDefault, isDefault := strings.CutPrefix(rest, ":-")
	message, isRequired := strings.CutPrefix(rest, ":?")
	switch {
	case isDefault && value == "":
		return i.expand(byDefault)
	case isRequired && value == "":
		if message == "" {
			message = "it is required"
		}
		return "", fmt.Errorf("environment variable %s is not set: %s", name, message)
	case rest != "" && !isDefault && !isRequired:
		return "", fmt.Errorf("behind ${%s may come :-default, :?message or }", name)
	case !set:
		return "", fmt.Errorf("environment variable %s is not set; set it, or write ${%s:-default}", name, name)
	}
	return value, nil
}

// file returns what a file holds, without the newline that editors and echo put at its end.
func (i *interpolation) file(written string) (string, error) {
	path, err := i.expand(written)
	switch {
	case err != nil:
		return "", err
	case path == "":
		return "", errors.New("${file:} names no file")
	case !filepath.IsAbs(path):
		path = filepath.Join(i.dir, path)
	}
	text, err := i.env.ReadFile(path)
	switch {
	case err != nil:
		return "", environmentError{fmt.Errorf("file %s: %w", written, cause(err))}
	case len(text) > maxReplaced:
		return "", fmt.Errorf("file %s is larger than %d bytes", written, maxReplaced)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// cause returns why a file could not be read, without the path, which may hold what a variable stood for.
func cause(err error) error {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

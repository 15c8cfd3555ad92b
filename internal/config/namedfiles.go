package config

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/eventrouter/router/routing"
)

// NamedFile is a file that a key of a source, a sink or another part names. What ${file:} names is no such file: it is part
// of the value.
type NamedFile struct {
	// Key is the YAML path of the key, and Pos where its value stands.
	Key string
	Pos routing.Pos
	// Name is the path of the file, and Written how the configuration has it.
	Name, Written string
	// Reread says that whoever uses the file reads it again by itself, at every new connection.
	Reread bool
}

// The values of the tag file: when the file of a key is read.
const (
	fileTag     = "file"
	readAtStart = "start"
	readAgain   = "connect"
)

// Files returns the files that the configuration names, by key. The tag file marks the fields that name one.
func (c *Config) Files() []NamedFile {
	var all []NamedFile
	c.filesOf(reflect.ValueOf(c).Elem(), "", &all)
	slices.SortFunc(all, func(a, b NamedFile) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// filesOf adds the files that a value below a path names.
func (c *Config) filesOf(v reflect.Value, path string, all *[]NamedFile) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.filesOf(v.Elem(), path, all)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			c.filesOf(v.MapIndex(key), path+"."+key.String(), all)
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.filesOf(v.Index(i), path+"["+strconv.Itoa(i)+"]", all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || key == "" || key == "-" {
				continue
			}
			at := strings.TrimPrefix(path+"."+key, ".")
			if when := f.Tag.Get(fileTag); when == "" {
				c.filesOf(v.Field(i), at, all)
			} else if name := v.Field(i).String(); name != "" {
				n, _ := c.root.nearest(at)
				*all = append(*all, NamedFile{Key: at, Pos: n.pos, Name: name, Written: n.text, Reread: when == readAgain})
			}
		}
	default:
	}
}

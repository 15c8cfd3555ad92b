package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/routing"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[routing.Value]()
	stringsType  = reflect.TypeFor[bindings.Strings]()
	sizeType     = reflect.TypeFor[bindings.Size]()
	rateType     = reflect.TypeFor[bindings.Rate]()
	secretType   = reflect.TypeFor[security.Secret]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decoder fills Go values from nodes. It goes on after a mistake and leaves the zero value in its place.
type decoder struct {
	*collector
	structs map[reflect.Type][]structField
}

// structField is a key of a map that a struct is read from.
type structField struct {
	name  string
	index []int
	// commas says that a comma ends an item of the list.
	commas bool
}

// decode fills target, a pointer, from n.
func (d *decoder) decode(n *node, target any) { d.value(n, reflect.ValueOf(target).Elem()) }

func (d *decoder) value(n *node, v reflect.Value) {
	t := v.Type()
	if lists(t) && (t != stringsType || strings.Contains(n.value, ",")) { // one item alone needs no list there
		d.variableList(n)
	}
	switch {
	case n.bad:
		return
	case t == valueType:
		v.Set(reflect.ValueOf(n.asValue()))
		return
	case n.kind == routing.Null:
		d.add(n, "expected %s, got nothing; %s", expected(t), emptyHint(n, t))
		return
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem())
		return
	case reflect.PointerTo(t).Implements(textType):
		d.text(n, v)
		return
	case t == stringsType && n.kind == routing.Scalar:
		v.Set(reflect.ValueOf(bindings.Strings{n.literal()}))
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		d.structure(n, v)
	case reflect.Map:
		d.mapping(n, v)
	case reflect.Slice:
		d.list(n, v)
	default:
		d.scalar(n, v)
	}
}

// wrong records that n is not what its place expects.
func (d *decoder) wrong(n *node, t reflect.Type, hint string) {
	d.add(n, "expected %s, got %s%s", expected(t), got(n, t), hint)
}

// text fills a type that reads itself from text. Its own error is not shown, since it would show the value.
func (d *decoder) text(n *node, v reflect.Value) {
	if v.Type() == secretType {
		n.secret = true
	}
	if n.kind != routing.Scalar {
		d.wrong(n, v.Type(), "")
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.literal())); err != nil {
		d.wrong(n, v.Type(), "")
	}
}

func (d *decoder) structure(n *node, v reflect.Value) {
	if n.kind != routing.Map {
		d.wrong(n, v.Type(), " (keys: "+names(d.fieldsOf(v.Type()))+")")
		return
	}
	known := d.fieldsOf(v.Type())
	for _, f := range n.fields {
		i := slices.IndexFunc(known, func(k structField) bool { return k.name == f.key })
		if i < 0 {
			d.unknown(f, known)
			continue
		}
		if known[i].commas {
			f.value.commaList()
		}
		d.value(f.value, v.FieldByIndex(known[i].index))
	}
}

// unknown records a key that its map does not have.
func (d *decoder) unknown(f *field, known []structField) {
	candidates := make([]string, len(known))
	for i, k := range known {
		candidates[i] = k.name
	}
	hint := "known here: " + names(known)
	if len(known) == 0 {
		hint = "no keys are known here: write {}"
	}
	if s := routing.Suggest(f.key, candidates); s != "" {
		hint = fmt.Sprintf("did you mean %q?", s)
	}
	d.key(f.value, f.pos, "unknown key %q; %s", f.key, hint)
}

func names(known []structField) string {
	all := make([]string, len(known))
	for i, k := range known {
		all[i] = k.name
	}
	return strings.Join(all, ", ")
}

// fieldsOf lists the keys of a struct in declaration order, those of embedded structs included.
func (d *decoder) fieldsOf(t reflect.Type) []structField {
	if known, ok := d.structs[t]; ok {
		return known
	}
	var known []structField
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case options == "inline":
			for _, inner := range d.fieldsOf(f.Type) {
				known = append(known, structField{inner.name, append([]int{i}, inner.index...), inner.commas})
			}
		case name == "":
			known = append(known, structField{name: strings.ToLower(f.Name), index: []int{i}})
		default:
			known = append(known, structField{name, []int{i}, f.Tag.Get(commasTag) != ""})
		}
	}
	if d.structs == nil {
		d.structs = map[reflect.Type][]structField{}
	}
	d.structs[t] = known
	return known
}

func (d *decoder) mapping(n *node, v reflect.Value) {
	if n.kind != routing.Map {
		d.wrong(n, v.Type(), "")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.fields)))
	for _, f := range n.fields {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, item)
		v.SetMapIndex(reflect.ValueOf(f.key).Convert(v.Type().Key()), item)
	}
}

func (d *decoder) list(n *node, v reflect.Value) {
	if n.kind != routing.List {
		hint := ""
		if n.kind == routing.Scalar {
			hint = "; write it in brackets: [ ]"
		}
		d.wrong(n, v.Type(), hint)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i))
	}
}

func (d *decoder) scalar(n *node, v reflect.Value) {
	t := v.Type()
	if n.kind != routing.Scalar {
		d.wrong(n, t, "")
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(n.literal())
		return
	}
	// A variable gives text that its place retypes; what the user put into quotes is text and stays it.
	if n.quoted && len(n.replaced) == 0 && t != durationType {
		d.wrong(n, t, "; remove the quotes")
		return
	}
	if hint, ok := parseScalar(n.value, v); !ok {
		d.wrong(n, t, hint)
	}
}

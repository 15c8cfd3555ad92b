package config

import (
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/eventrouter/router/routing"
)

// emptyHint says how to write an empty value of a type on purpose.
func emptyHint(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch expected(t) {
	case expectMap:
		return "remove the key, or write {}"
	case expectList:
		return "remove the key, or write []"
	case expectText:
		return `remove the key, or write ""`
	}
	return "remove the key"
}

// What a type expects, in the words of a user of YAML.
const (
	expectMap  = "a map"
	expectList = "a list"
	expectText = "text"
)

func expected(t reflect.Type) string {
	switch t {
	case durationType:
		return "a duration such as 10s or 1m30s"
	case sizeType:
		return "a size such as 512, 64KiB or 1MiB"
	case rateType:
		return "a rate such as 100/s or 60/m"
	case stringsType:
		return "text or a list of texts"
	case secretType:
		return expectText
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Map:
		return expectMap
	case reflect.Struct:
		if !reflect.PointerTo(t).Implements(textType) {
			return expectMap
		}
	case reflect.Slice:
		return expectList
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return expectText
}

// got names what stands at n. The value itself is shown only where a scalar of a type that is no secret is expected:
// a secret may well have been written where a map or a list belongs.
func got(n *node, t reflect.Type) string {
	switch {
	case n.kind == routing.Map:
		return expectMap
	case n.kind == routing.List:
		return expectList
	case t == secretType || expected(t) == expectMap || expected(t) == expectList:
		return "a single value"
	}
	return n.quote()
}

// parseScalar reads a bool or a number into v; hint helps with what is not one.
func parseScalar(s string, v reflect.Value) (hint string, ok bool) {
	switch {
	case v.Type() == durationType:
		return parseDuration(s, v)
	case v.Kind() == reflect.Bool:
		switch s {
		case "true", "True", "TRUE":
			v.SetBool(true)
		case "false", "False", "FALSE":
			v.SetBool(false)
		case "yes", "on":
			return "; write true", false
		case "no", "off":
			return "; write false", false
		default:
			return "", false
		}
	case v.CanInt():
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return "", false
		}
		v.SetInt(i)
	case v.CanUint():
		i, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if err != nil {
			return "", false
		}
		v.SetUint(i)
	case v.CanFloat():
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "", false
		}
		v.SetFloat(f)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	return "", true
}

func parseDuration(s string, v reflect.Value) (hint string, ok bool) {
	d, err := time.ParseDuration(s)
	if err == nil {
		v.SetInt(int64(d))
		return "", true
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return "; it lacks a unit", false
	}
	if number, ok := strings.CutSuffix(s, "d"); ok {
		if _, err := strconv.ParseFloat(number, 64); err == nil {
			return "; write a day as 24h", false
		}
	}
	return "", false
}

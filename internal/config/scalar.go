package config

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eventrouter/router/routing"
)

// stated are the keys that some block cannot do without, so that removing them is no advice.
var stated = []string{
	"brokers", "group", "topic", "url", "subject", "queue", "listen", "mechanism", "username", "password",
	"sources", "sinks", "unmatched", "dead_letter", "to", "routes",
}

// emptyHint says what to do about a key without a value. It offers an empty value only where that is accepted.
func emptyHint(n *node, t reflect.Type) string {
	switch {
	case n.parent != nil && n.parent.kind == routing.List:
		return "remove the entry"
	case n.key == "dataclassification":
		return "name the levels that may go here, or write [] for none"
	case slices.Contains(stated, n.key), n.parent != nil && n.parent.key == "wrap" && (n.key == "type" || n.key == "source"):
		return "give it a value"
	case t.Kind() == reflect.Pointer:
		if v, ok := reflect.TypeAssert[validator](reflect.New(t.Elem())); ok && v.Validate() == nil {
			return "remove the key, or write {}"
		}
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
		if octal(s) {
			return octalHint, false
		}
		if err != nil {
			return "", false
		}
		v.SetInt(i)
	case v.CanUint():
		i, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if octal(s) {
			return octalHint, false
		}
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

const octalHint = "; some readers of YAML take a leading zero for octal: write it without"

// octal reports whether YAML 1.1 reads a number of base 8 where a person may mean one of base 10: 010 is eight there.
func octal(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && strings.Trim(s, "0123456789") == ""
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

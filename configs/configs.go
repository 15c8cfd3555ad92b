// Package configs holds the examples and the JSON Schema of the configuration file.
package configs

import _ "embed" // for the schema

// Schema is the JSON Schema (draft 2020-12) of the configuration file. A test of internal/config generates it from the
// configuration's types.
//
//go:embed router.schema.json
var Schema string

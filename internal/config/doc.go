// Package config reads the router's configuration: strict YAML, one file or many, into typed values.
//
// A file is parsed into a tree of nodes that know their place (node.go), variables are replaced in the tree's scalars
// (interpolate.go), the trees of all files are merged (merge.go), the result is decoded into structs (decode.go) and
// then checked as a whole (validate.go, routes.go, tests.go, loops.go). Every stage goes on after a mistake, so that
// one run lists all of them, each with file, line, column, YAML path and what was expected.
//
// Two rules hold throughout. Messages quote a value as it was written, so what a variable stood for is never printed;
// and a value that belongs into a secret is not printed at all.
package config

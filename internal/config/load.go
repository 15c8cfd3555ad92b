package config

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/routing"
)

// Env is what Load takes from the machine. A nil function is the operating system's own.
type Env struct {
	// LookupEnv returns an environment variable and whether it is set.
	LookupEnv func(name string) (string, bool)
	// ReadFile returns what a file holds that the configuration names; by default only a regular file is read.
	ReadFile func(path string) ([]byte, error)
	// ReadConfig returns what a file of the configuration itself holds, which may be a pipe. By default it is ReadFile where
	// that is given.
	ReadConfig func(path string) ([]byte, error)
	// ReadDir lists a folder by name. It fails for what is not a folder.
	ReadDir func(path string) ([]fs.DirEntry, error)
}

func (e Env) withDefaults() Env {
	if e.LookupEnv == nil {
		e.LookupEnv = os.LookupEnv
	}
	switch {
	case e.ReadConfig != nil:
	case e.ReadFile != nil:
		e.ReadConfig = e.ReadFile
	default:
		e.ReadConfig = readAny
	}
	if e.ReadFile == nil {
		e.ReadFile = func(path string) ([]byte, error) { return security.ReadFile(path, maxFile) }
	}
	if e.ReadDir == nil {
		e.ReadDir = os.ReadDir
	}
	return e
}

// readAny reads at most a byte more than any file may have, so that a device cannot fill the memory.
func readAny(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Load reads the configuration from files and folders; of a folder it takes every *.yaml and *.yml by name, except hidden
// ones. It returns the configuration, or an error of type *Problems that lists everything that is wrong.
func Load(paths []string, env Env) (*Config, error) {
	l := &loader{env: env.withDefaults()}
	if len(paths) == 0 {
		l.at(routing.Pos{}, "", "no configuration file is named")
	}
	trees := l.trees(paths)
	root := l.merge(trees)
	if root == nil {
		return nil, l.err()
	}
	c := &Config{root: root, shown: &shownParts{by: map[string]*scrubber{}}}
	d := decoder{collector: &l.collector}
	d.decode(root, c)
	l.blocks(c)
	if !slices.Contains(trees, nil) { // what one file says of another cannot be judged when one is missing
		l.references(c)
	}
	if err := l.err(); err != nil {
		return nil, err
	}
	c.Warnings = tidy(l.warnings)
	return c, nil
}

// loader is one run of Load.
type loader struct {
	collector
	env Env
}

// trees reads every file; one that cannot be read or parsed leaves a nil.
func (l *loader) trees(paths []string) []*node {
	var trees []*node
	seen := map[string]bool{}
	for _, path := range paths {
		for _, file := range l.files(path) {
			if clean := filepath.Clean(file); !seen[clean] {
				seen[clean] = true
				trees = append(trees, l.tree(file))
			}
		}
	}
	return trees
}

// lacks records that a file on the command line is not there.
func (l *loader) lacks(path string, err error) {
	l.at(routing.Pos{File: path}, "", "%v", cause(err))
	l.problems[len(l.problems)-1].Environment = true
}

func (l *loader) tree(file string) *node {
	text, err := l.env.ReadConfig(file)
	if err != nil {
		l.lacks(file, err)
		return nil
	}
	r := reader{collector: &l.collector, env: l.env, file: file}
	return r.read(text)
}

// merge joins the files: maps by their keys, lists one after the other; everything else may be said once. It returns
// nil if there is no file.
func (l *loader) merge(trees []*node) *node {
	var root *node
	for _, t := range trees {
		switch {
		case t == nil:
		case root == nil:
			root = t
		default:
			for _, f := range t.fields {
				l.join(root, f)
			}
		}
	}
	return root
}

// join adds a top-level key of another file.
func (l *loader) join(root *node, f *field) {
	f.value.parent = root
	if f.value.damaged { // its own file's root is marked, which is not the one that stays
		f.value.damaged = false
		f.value.damage()
	}
	have := root.get(f.key)
	switch {
	case have == nil:
		root.fields = append(root.fields, f)
	case have.bad || f.value.bad:
	case have.kind == routing.List && f.value.kind == routing.List:
		for _, item := range f.value.items {
			item.parent, item.index = have, len(have.items)
			have.damaged = have.damaged || item.damaged
			have.items = append(have.items, item)
		}
	case have.kind == routing.Map && f.value.kind == routing.Map:
		l.joinMaps(have, f.value)
	case have.kind != f.value.kind && have.kind != routing.Scalar && have.kind != routing.Null:
		l.add(f.value, "expected %s, as at %s", map[routing.ValueKind]string{
			routing.List: expectList, routing.Map: expectMap,
		}[have.kind], root.keyPos(f.key))
	default:
		l.key(f.value, f.pos, "%s is set here and at %s; it can be set once", f.key, root.keyPos(f.key))
	}
}

func (l *loader) joinMaps(have, more *node) {
	for _, f := range more.fields {
		if have.get(f.key) != nil {
			l.key(f.value, f.pos, "%q is defined here and at %s", f.key, have.keyPos(f.key))
			continue
		}
		f.value.parent = have
		have.damaged = have.damaged || f.value.damaged
		have.fields = append(have.fields, f)
	}
}

// keyPos returns where a key of a map stands.
func (n *node) keyPos(key string) routing.Pos {
	for _, f := range n.fields {
		if f.key == key {
			return f.pos
		}
	}
	return n.pos
}

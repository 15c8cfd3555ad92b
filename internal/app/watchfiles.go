package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eventrouter/router/bindings/security"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/sample"
)

// ReadFiles are the files and folders that the configuration was last read from, those that were not there included: what
// ${file:} and events name, and not only what the command line does. They belong to whoever reads.
type ReadFiles struct{ files, folders map[string]bool }

// Record makes every later reading with an environment note what it reads.
func Record(env *config.Env) *ReadFiles {
	files := &ReadFiles{}
	files.forget()
	text, own, list := env.ReadFile, env.ReadConfig, env.ReadDir
	switch {
	case own != nil:
	case text != nil:
		own = text
	default:
		own = sample.Input
	}
	if text == nil {
		text = readNamed
	}
	if list == nil {
		list = os.ReadDir
	}
	recording := func(read func(string) ([]byte, error)) func(string) ([]byte, error) {
		return func(path string) ([]byte, error) {
			files.files[absolute(path)] = true
			return read(path)
		}
	}
	env.ReadFile, env.ReadConfig = recording(text), recording(own)
	env.ReadDir = func(path string) ([]fs.DirEntry, error) {
		entries, err := list(path)
		if err == nil {
			files.folders[absolute(path)] = true
		}
		return entries, err
	}
	return files
}

// readNamed reads a file that the configuration names, which is a regular one, and at most a byte more than
// sample.MaxInput of it.
func readNamed(path string) ([]byte, error) { return security.ReadFile(path, sample.MaxInput) }

// forget makes room for the next reading.
func (r *ReadFiles) forget() { r.files, r.folders = map[string]bool{}, map[string]bool{} }

// named returns which changes concern the configuration that paths name and that was read.
func (r *ReadFiles) named(paths []string) concern {
	c := concern{names: map[string]bool{}, configs: map[string]bool{}, events: map[string]bool{}}
	for _, path := range paths {
		path = absolute(path)
		c.follow(path)
		if isFolder(path) {
			c.configs[path] = true
		}
	}
	for path := range r.files {
		c.follow(path)
	}
	for path := range r.folders {
		c.follow(path)
		c.events[path] = true
	}
	return c
}

// concern tells the changes in a folder that may change the configuration from those of other files beside it, such as a
// log that is written all the time.
type concern struct {
	names   map[string]bool // files, the links that lead to them, and the folders that these are in
	configs map[string]bool // folders of which every configuration file is read
	events  map[string]bool // folders that were listed, of which every file with events may be read
}

// follow adds a path and everything on the way to what it is. With a ConfigMap, the link that changes is the folder
// ..data, behind the link that has the file's name.
func (c *concern) follow(path string) {
	if c.names[path] {
		return
	}
	c.names[path] = true
	if dir := filepath.Dir(path); dir != path {
		c.follow(dir)
	}
	target, err := os.Readlink(path)
	if err != nil {
		return // no link, or nothing at all
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	c.follow(filepath.Clean(target))
}

// has reports whether a change of a file may change the configuration.
func (c *concern) has(path string) bool {
	path = filepath.Clean(path) // fsnotify has //name for what is in the root
	dir, name := filepath.Dir(path), filepath.Base(path)
	return c.names[path] ||
		c.configs[dir] && config.InFolder(name) ||
		c.events[dir] && !strings.HasPrefix(name, ".") && slices.Contains(sample.Extensions(), filepath.Ext(name))
}

package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// InFolder reports whether the file of a folder belongs to the configuration when the folder does, by its name: it ends in
// .yaml or .yml and is not hidden. Editors hide files there while they have one open: copies, and locks that are links to
// nothing.
func InFolder(name string) bool {
	ext := filepath.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(name, ".")
}

// files returns path itself, or the configuration files in the folder that it is.
func (l *loader) files(path string) []string {
	entries, err := l.env.ReadDir(path)
	if err != nil { // not a folder; if it is nothing at all, reading it says so
		return []string{path}
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && InFolder(e.Name()) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		l.lacks(path, errors.New("the folder holds no *.yaml or *.yml"))
	}
	return files
}

package http

import (
	"net/url"
	"strings"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/template"
)

// target is a parsed sink URL. Exactly one of fixed and path is set.
type target struct {
	origin string // scheme://host
	host   string
	fixed  *url.URL
	path   *template.Template
}

// parseTarget splits raw into its static origin and its path, which may be a template. No error shows userinfo.
func parseTarget(raw string) (*target, error) {
	if raw == "" {
		return nil, bindings.Invalid("url", "is missing")
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || (scheme != "http" && scheme != "https") {
		return nil, bindings.Invalid("url", "must begin with http:// or https://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	switch {
	case strings.Contains(host, "@"):
		return nil, bindings.Invalid("url", "must not hold credentials; they belong in auth.basic")
	case strings.ContainsAny(host, "{}"):
		return nil, bindings.Invalid("url", "the host must not hold placeholders: who sends events must not choose who gets them")
	case strings.Contains(path, "#"):
		return nil, bindings.Invalid("url", "must not hold a fragment")
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	t := &target{origin: scheme + "://" + host, host: host}
	tmpl, err := template.Compile(path, template.URLPath)
	if err != nil {
		return nil, bindings.Invalid("url", "%w", err)
	}
	check := t.origin
	if text, static := tmpl.Static(); static {
		check += text
	} else {
		t.path = tmpl
	}
	u, err := url.Parse(check)
	if err != nil || u.Hostname() == "" {
		return nil, bindings.Invalid("url", "is not a URL with a host")
	}
	if t.path == nil {
		t.fixed = u
	}
	return t, nil
}

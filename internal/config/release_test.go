package config

import (
	"runtime"
	"strings"
	"testing"
	"weak"
)

// TestReleasedConfigurationKeepsNoRoutes: a configuration that was kept for its parts kept every value of every route.
func TestReleasedConfigurationKeepsNoRoutes(t *testing.T) {
	c, err := loadText(t, small+"tests: [ { name: t, event: { type: a }, goes_to: out } ]\n")
	if err != nil {
		t.Fatal(err)
	}
	routes := weak.Make(c.root.get("routes").items[0])
	tests := weak.Make(c.root.get("tests").items[0])
	place := c.Pos("sinks." + c.SinkNames()[0])
	c.Release()
	runtime.GC()
	if routes.Value() != nil || tests.Value() != nil {
		t.Error("routes or tests are still reachable")
	}
	if c.Routes != nil || c.Rules != nil || c.Table != nil || c.Tests != nil {
		t.Errorf("left: %d routes, %d rules, %d tests, table %v", len(c.Routes), len(c.Rules), len(c.Tests), c.Table)
	}
	if len(c.Sinks) == 0 || len(c.SourceNames()) == 0 || c.Pos("sinks."+c.SinkNames()[0]) != place || !strings.Contains(c.String(), `"sinks"`) {
		t.Error("the parts are gone too")
	}
}

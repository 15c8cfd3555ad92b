package config

// Release lets go of what only reading, checking and testing need: the routes and tests as they were written, with the
// place of each of their values, the compiled rules and the warnings. A file with many routes is mostly that. Sources,
// sinks and policies stay, and so do their names and places. Release is for who keeps a configuration for its parts; it
// changes no table that was taken from it.
func (c *Config) Release() {
	c.Routes, c.Tests, c.Rules, c.Table, c.Warnings = nil, nil, nil, nil, nil
	for _, key := range []string{"routes", "tests"} {
		// In place, because every value that stays leads to the root by its parents.
		if n := c.root.get(key); n != nil {
			n.items, n.fields = nil, nil
		}
	}
}

package config

// unsignedAttributes warns of HTTP sinks that sign binary requests: the signature covers the body, and the attributes are
// headers beside it, which anybody who sees a request can change under the same signature.
func (l *loader) unsignedAttributes(c *Config) {
	for _, name := range c.SinkNames() {
		s := c.Sinks[name]
		if s.HTTP == nil || s.HTTP.Sign == nil || s.HTTP.Sign.Attributes == "unsigned" || s.Mode == "structured" || s.Mode == "batch" {
			continue
		}
		l.warn(c.root.at("sinks", name, "http", "sign"), "the signature covers the body alone, and in binary mode the attributes "+
			"are headers beside it; write mode: structured or mode: batch for the sink, or attributes: unsigned here if that is meant")
	}
}

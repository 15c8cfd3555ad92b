package nats

import (
	"errors"
	"regexp"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// Authenticates reports whether other clients must say who they are.
func (c *EmbeddedConfig) Authenticates() bool { return c.User != "" || !c.Token.IsZero() }

// hashed is what the server takes for the bcrypt hash of a password; a client that sends it is refused.
var hashed = regexp.MustCompile(`^\$2[abxy]\$\d\d\$`)

// validateAuth reports mistakes in who may connect.
func (c *EmbeddedConfig) validateAuth() error {
	var errs []error
	switch {
	case c.Token.Stated() && c.Token.IsZero(): // an empty variable would let everybody in
		errs = append(errs, bindings.Invalid("token", "is empty; remove the key to let everybody in"))
	case c.User != "" && !c.Token.IsZero():
		errs = append(errs, bindings.Invalid("token", "user and token exclude each other"))
	case c.User == "" && c.Password.Stated():
		errs = append(errs, bindings.Invalid("password", "needs user"))
	case c.User != "" && c.Password.IsZero():
		errs = append(errs, bindings.Invalid("password", "is missing; user needs one"))
	case c.Authenticates() && c.Listen == "":
		errs = append(errs, bindings.Invalid("listen", "is missing; user and token are for other clients, which connect there"))
	}
	for field, secret := range map[string]security.Secret{"password": c.Password, "token": c.Token} {
		if hashed.MatchString(secret.Reveal()) {
			errs = append(errs, bindings.Invalid(field, "must not look like a bcrypt hash"))
		}
	}
	return errors.Join(errs...)
}

// authorize makes the server ask every client who it is, those of this process too.
func (c *EmbeddedConfig) authorize(o *server.Options) {
	o.Username, o.Password, o.Authorization = c.User, c.Password.Reveal(), c.Token.Reveal()
}

// credentials are what the clients of this process present.
func (e *Embedded) credentials() []natsgo.Option {
	switch {
	case e.cfg.User != "":
		return []natsgo.Option{natsgo.UserInfo(e.cfg.User, e.cfg.Password.Reveal())}
	case !e.cfg.Token.IsZero():
		return []natsgo.Option{natsgo.Token(e.cfg.Token.Reveal())}
	}
	return nil
}

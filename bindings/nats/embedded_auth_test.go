package nats

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/bindings/security"
)

// TestEmbeddedListenerAsksWhoItIs: embedded.listen let everybody in who reached the port, and nothing could be done about it.
// The router's own connections go on to work.
func TestEmbeddedListenerAsksWhoItIs(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   EmbeddedConfig
		right natsgo.Option
		wrong []natsgo.Option
	}{
		"user": {
			EmbeddedConfig{User: "app", Password: security.NewSecret("s3cret")},
			natsgo.UserInfo("app", "s3cret"),
			[]natsgo.Option{natsgo.Name("nobody"), natsgo.UserInfo("app", "other"), natsgo.UserInfo("app", ""), natsgo.Token("s3cret")},
		},
		"token": {
			EmbeddedConfig{Token: security.NewSecret("t0ken")},
			natsgo.Token("t0ken"),
			[]natsgo.Option{natsgo.Name("nobody"), natsgo.Token("other"), natsgo.UserInfo("app", "t0ken")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Store, c.cfg.Listen = t.TempDir(), "127.0.0.1:0"
			em, err := NewEmbedded(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer em.Close()
			k, err := NewSink(SinkConfig{URL: "embedded", Stream: "S", Subject: "s.a", Create: &StreamConfig{}}, sinkSettings(), em)
			if err != nil {
				t.Fatal(err)
			}
			ready(t, k)
			defer k.Close(t.Context())
			if err := k.Send(t.Context(), events(3, "e")); err != nil {
				t.Fatal(err)
			}
			s, err := NewSource(SourceConfig{URL: "embedded", Stream: "S"}, sourceSettings(k.log), em)
			if err != nil {
				t.Fatal(err)
			}
			r := &router{}
			stop := start(t, s, r)
			eventually(t, "the router's own events arrive", func() bool { return r.count() == 3 })
			stop()
			for i, option := range c.wrong {
				if nc, err := natsgo.Connect(em.ClientURL(), option, natsgo.NoReconnect()); !errors.Is(err, natsgo.ErrAuthorization) {
					t.Errorf("wrong credentials %d: got %v, want %v", i, err, natsgo.ErrAuthorization)
					if nc != nil {
						nc.Close()
					}
				}
			}
			nc, err := natsgo.Connect(em.ClientURL(), c.right, natsgo.NoReconnect())
			if err != nil {
				t.Fatalf("the right credentials are refused: %v", err)
			}
			defer nc.Close()
			js, err := nc.JetStream()
			if err != nil {
				t.Fatal(err)
			}
			if info, err := js.StreamInfo("S"); err != nil || info.State.Msgs != 3 {
				t.Errorf("the client sees %+v, %v", info, err)
			}
		})
	}
}

func TestEmbeddedCredentialsAreChecked(t *testing.T) {
	secret := security.NewSecret
	for _, c := range []struct {
		cfg         EmbeddedConfig
		field, want string
	}{
		{EmbeddedConfig{Listen: ":1", User: "a", Password: secret("b"), Token: secret("c")}, "token", "exclude each other"},
		{EmbeddedConfig{Listen: ":1", Password: secret("b")}, "password", "needs user"},
		{EmbeddedConfig{Listen: ":1", User: "a"}, "password", "is missing"},
		// Empty variables let everybody in.
		{EmbeddedConfig{Listen: ":1", Token: secret("")}, "token", "is empty"},
		{EmbeddedConfig{Listen: ":1", Password: secret("")}, "password", "needs user"},
		{EmbeddedConfig{Token: secret("a")}, "listen", "is missing"},
		{EmbeddedConfig{Listen: ":1", Token: secret("$2a$11$abc")}, "token", "bcrypt"},
	} {
		err := c.cfg.Validate()
		if f, ok := errors.AsType[*bindings.FieldError](err); !ok || f.Field != c.field || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "abc") {
			t.Errorf("%+v: got %v, want %s: %s", c.cfg, err, c.field, c.want)
		}
	}
	if text := fmt.Sprintf("%+v", EmbeddedConfig{Token: secret("t0ken")}); strings.Contains(text, "t0ken") {
		t.Errorf("the token is printed: %s", text)
	}
}

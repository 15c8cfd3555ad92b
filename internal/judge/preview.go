package judge

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/wire"
	"github.com/eventrouter/router/pipeline"
)

// Target is a delivery as it would go on the wire.
type Target struct {
	Sink    string `json:"sink"`
	Route   string `json:"route,omitempty"`
	Mode    string `json:"mode,omitempty"`
	Address string `json:"address,omitempty"`
	Key     string `json:"key,omitempty"`
	Bytes   int    `json:"bytes,omitempty"`
	Limit   int    `json:"limit,omitempty"`
	// Set are the attributes that the delivered copy has otherwise than the event, null for a removed one.
	Set map[string]*string `json:"set,omitempty"`
	// Types are the types that the route gave attributes.
	Types map[string]string `json:"types,omitempty"`
	// DataDropped is true where the sink's dataref makes the event go without its data.
	DataDropped bool `json:"data_dropped,omitempty"`
	// DeadLetter is the reason for which the delivery would be refused, and Error says why.
	DeadLetter string `json:"dead_letter,omitempty"`
	Error      string `json:"error,omitempty"`

	// broken is why the sink could not even be made.
	broken error
}

// previews asks sinks what they would send. Each is made once, when it is first asked, and never connected.
type previews struct {
	wiring *wire.Wiring
	made   map[string]*pipeline.Sink
	broken map[string]error
}

func newPreviews(cfg *config.Config) (*previews, error) {
	w, err := wire.New(cfg, zap.NewNop(), io.Discard)
	if err != nil {
		return nil, err
	}
	return &previews{wiring: w, made: map[string]*pipeline.Sink{}, broken: map[string]error{}}, nil
}

// CheckSinks makes every sink without connecting it: some of what a transport cannot do shows only then. What this
// machine lacks, such as the file of a certificate, is no error of it.
func CheckSinks(ctx context.Context, cfg *config.Config) error {
	p, err := newPreviews(cfg)
	if err != nil {
		return err
	}
	defer p.close(ctx)
	var errs []error
	for _, name := range cfg.SinkNames() {
		var field *bindings.FieldError
		if _, err := p.sink(name); !errors.As(err, &field) || !field.Environment {
			errs = append(errs, err) // which may be none
		}
	}
	return errors.Join(errs...)
}

func (p *previews) close(ctx context.Context) {
	for _, s := range p.made {
		_ = s.Sink.Close(ctx) // it was only looked at
	}
	p.wiring.Close()
}

func (p *previews) sink(name string) (*pipeline.Sink, error) {
	if err := p.broken[name]; err != nil {
		return nil, err
	}
	if s := p.made[name]; s != nil {
		return s, nil
	}
	made, err := p.wiring.Sink(name)
	if err != nil {
		err = p.wiring.Locate("sinks."+name+"."+p.wiring.Config().SinkKind(name), err)
		p.broken[name] = err
		return nil, err
	}
	p.made[name] = &made
	return &made, nil
}

// of says what a sink would send.
func (p *previews) of(l leg) Target {
	t := Target{Sink: l.Sink, Route: l.Route, Set: l.Set, Types: l.Types}
	if l.Err != nil {
		t.refused(l.Err)
		return t
	}
	sink, err := p.sink(l.Sink)
	if err != nil {
		t.Error, t.broken = err.Error(), err
		return t
	}
	e := l.Event
	if sink.DataRef == pipeline.DropData {
		e, t.DataDropped = pipeline.WithoutData(e)
	}
	if err := sink.Accepts.Check(e); err != nil {
		t.refused(err)
		return t
	}
	previewer, ok := sink.Sink.(bindings.Previewer)
	if !ok {
		return t
	}
	wire, err := previewer.Preview(e)
	if sink.DataRef == pipeline.DropTooLarge && pipeline.TooLarge(err) {
		if e, t.DataDropped = pipeline.WithoutData(e); t.DataDropped {
			wire, err = previewer.Preview(e)
		}
	}
	t.Mode, t.Address, t.Key, t.Bytes, t.Limit = wire.Mode, wire.Address, wire.Key, wire.Bytes, wire.Limit
	if err != nil {
		t.refused(err)
	}
	return t
}

func (t *Target) refused(err error) {
	t.Error, t.DeadLetter = err.Error(), string(refusal(err))
}

// refusal is the reason that a dead letter would carry for an error of set or of a sink.
func refusal(err error) bindings.Reason {
	if permanent, ok := errors.AsType[*bindings.PermanentError](err); ok {
		return permanent.Reason
	}
	return bindings.ReasonUnencodable
}

// field returns one field of a delivery by the name that a test's renders has for it.
func (t *Target) field(name string) string {
	word, address, _ := strings.Cut(t.Address, " ")
	switch name {
	case "key":
		return t.Key
	case "mode":
		return t.Mode
	case "path":
		if u, err := url.Parse(address); err == nil {
			return u.EscapedPath()
		}
	case word:
		return address
	}
	return ""
}

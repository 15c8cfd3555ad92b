package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/eventrouter/router/envelope"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/phrase"
	"github.com/eventrouter/router/internal/sample"
	"github.com/eventrouter/router/internal/wire"
)

// sendFlags are the flags of router send.
type sendFlags struct {
	paths                              []string
	to, inline                         string
	id, source, typ, subject, data, ct string
	attributes                         []string
	count                              int
	timeout                            time.Duration
}

func (a *cli) sendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send [EVENT...]",
		Short: "Send events to a sink",
		Long: "send delivers events to a sink of a configuration (--to), or to one described on the command line\n" +
			"(--sink 'kafka: {brokers: [localhost:9092], topic: orders}'). Events come from files, from standard input\n" +
			"with -, or are made of flags. It exits with 0 when the sink confirmed every one of them.",
		Example: "  router send --sink 'nats: {url: nats://localhost:4222, subject: \"acme.{type}\"}' --type com.acme.hello --data '{\"a\":1}'\n" +
			"  router send -c router.yaml --to bus event.json",
		RunE: func(cmd *cobra.Command, args []string) error { return a.send(cmd.Context(), &f, args) },
	}
	configFlag(cmd, &f.paths)
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "the sink of the configuration to send to")
	flags.StringVar(&f.inline, "sink", "", "a sink, as YAML, instead of one of a configuration")
	flags.StringVar(&f.id, "id", "", "id of the event (default a new UUID)")
	flags.StringVar(&f.source, "source", "/router/send", "source of the event")
	flags.StringVar(&f.typ, "type", "", "type of the event")
	flags.StringVar(&f.subject, "subject", "", "subject of the event")
	flags.StringVar(&f.data, "data", "", "data of the event; @FILE reads a file")
	flags.StringVar(&f.ct, "content-type", "application/json", "datacontenttype of the event, if it has data")
	flags.StringArrayVar(&f.attributes, "attribute", nil, "an extension attribute as NAME=VALUE; may be repeated")
	flags.IntVar(&f.count, "count", 1, "how many events to make of the flags")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to try")
	return cmd
}

func (a *cli) send(ctx context.Context, f *sendFlags, args []string) error {
	usage := func(format string, args ...any) error {
		return &exit.Error{Code: exit.Config, Err: fmt.Errorf(format, args...)}
	}
	if (f.to == "") == (f.inline == "") {
		return usage("send: name a sink of the configuration with --to, or describe one with --sink")
	}
	events, err := a.eventsToSend(f, args)
	if err != nil {
		return err
	}
	cfg, name, err := a.sendConfig(f)
	if err != nil {
		return err
	}
	if _, ok := cfg.Sinks[name]; !ok {
		return &exit.Error{Code: exit.Config, Err: unknownName("sink", name, cfg.SinkNames())}
	}
	w, err := wire.New(cfg, zap.NewNop(), a.events())
	if err != nil {
		return exit.OfConfig(err)
	}
	defer w.Close()
	sink, err := w.Sink(name)
	if err != nil {
		return exit.OfConfig(inArgument(w.Locate("sinks."+name+"."+cfg.SinkKind(name), err)))
	}
	defer func() { _ = sink.Sink.Close(context.WithoutCancel(ctx)) }() // everything was confirmed, or its error told
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	begin := a.progress
	if cfg.Sinks[name].Stdout != nil {
		begin = a.writing
	}
	p := begin("sending", len(events))
	defer p.end()
	if err := wire.AwaitSink(ctx, sink.Sink); err != nil {
		return &exit.Error{Code: exit.Environment, Err: fmt.Errorf("sink %s: %w", name, cfg.ErrorAsWritten(config.SinkPath(name), err))}
	}
	failed := (&wire.Sender{Sink: sink, Step: p.step}).Send(ctx, events)
	for i, err := range failed {
		failed[i] = cfg.ErrorAsWritten(config.SinkPath(name), err)
	}
	p.end()
	a.printSent(name, len(events), failed)
	if len(failed) > 0 {
		return &exit.Error{Code: exit.Failed, Err: errors.Join(failed...), Silent: true}
	}
	return nil
}

// sendConfig returns the configuration that has the sink, and the sink's name in it.
func (a *cli) sendConfig(f *sendFlags) (*config.Config, string, error) {
	if f.inline == "" {
		cfg, err := a.load(f.paths)
		return cfg, f.to, err
	}
	cfg, err := a.inlineSink(f.inline)
	if err != nil {
		return nil, "", exit.OfConfig(err)
	}
	return cfg, inlineName, nil
}

// eventsToSend reads the events from files, or makes them of the flags.
func (a *cli) eventsToSend(f *sendFlags, args []string) ([]*envelope.Event, error) {
	var events []*envelope.Event
	if len(args) > 0 {
		for _, path := range args {
			read, err := a.readEvents(path)
			if err != nil {
				return nil, err
			}
			for _, s := range read {
				events = append(events, s.Event)
			}
		}
		return events, nil
	}
	if f.typ == "" {
		return nil, &exit.Error{Code: exit.Config, Err: errors.New("send: name files with events, or make one with --type")}
	}
	for range f.count {
		e, err := a.makeEvent(f)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

func (a *cli) makeEvent(f *sendFlags) (*envelope.Event, error) {
	e := &envelope.Event{ID: f.id, Source: f.source, Type: f.typ, Subject: f.subject}
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, &exit.Error{Code: exit.Failed, Err: err}
		}
		e.ID = id.String()
	}
	for _, pair := range f.attributes {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, &exit.Error{Code: exit.Config, Err: fmt.Errorf("send: --attribute %q is not NAME=VALUE", pair)}
		}
		e.Set(name, value, envelope.KindUntyped)
	}
	if f.data != "" {
		e.Data, e.DataContentType = []byte(f.data), f.ct
		if path, ok := strings.CutPrefix(f.data, "@"); ok {
			var err error
			if e.Data, err = sample.Input(path); err != nil {
				return nil, &exit.Error{Code: exit.Environment, Err: err}
			}
		}
	}
	if err := e.Validate(envelope.Options{}); err != nil {
		return nil, &exit.Error{Code: exit.Config, Err: fmt.Errorf("send: %w", err)}
	}
	return e, nil
}

func (a *cli) printSent(name string, total int, failed []error) {
	if a.json {
		texts := []string{}
		for _, err := range failed {
			texts = append(texts, err.Error())
		}
		a.writeJSON(map[string]any{"ok": len(failed) == 0, "sink": name, "sent": total - len(failed), "failed": texts})
		return
	}
	for _, err := range failed {
		fmt.Fprintf(a.stderr, "router: %s\n", err)
	}
	fmt.Fprintf(a.stderr, "%d of %s confirmed\n", total-len(failed), phrase.Count(total, "event"))
}

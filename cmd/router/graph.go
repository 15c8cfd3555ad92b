package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/judge"
	"github.com/eventrouter/router/routing"
)

func (a *cli) graphCommand() *cobra.Command {
	var paths []string
	var format string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Draw a configuration as Mermaid or DOT",
		Long: "graph writes the sources, the routes with their conditions, the sinks, and where unmatched events and dead\n" +
			"letters go, as a Mermaid flowchart or, with --format dot, for Graphviz.",
		Args: wantsNone,
		RunE: func(*cobra.Command, []string) error {
			if format != "mermaid" && format != "dot" {
				err := fmt.Errorf("graph: --format is mermaid or dot, not %q", format)
				if s := routing.Suggest(format, []string{"mermaid", "dot"}); s != "" {
					err = fmt.Errorf("%w; did you mean %s?", err, s)
				}
				return &exit.Error{Code: exit.Config, Err: err}
			}
			cfg, err := a.load(paths)
			if err != nil {
				return err
			}
			g := judge.NewGraph(cfg)
			switch {
			case a.json:
				a.writeJSON(map[string]any{"ok": true, "graph": g})
				return nil
			case format == "dot":
				err = dot(a.stdout, g)
			default:
				err = mermaid(a.stdout, g)
			}
			if err != nil {
				return &exit.Error{Code: exit.Failed, Err: err}
			}
			return nil
		},
	}
	configFlag(cmd, &paths)
	cmd.Flags().StringVar(&format, "format", "mermaid", "mermaid or dot")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"mermaid", "dot"}, cobra.ShellCompDirectiveNoFileComp)) // only fails for a flag that does not exist
	return cmd
}

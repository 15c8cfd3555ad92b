package main

import (
	"github.com/spf13/cobra"

	"github.com/eventrouter/router/configs"
	"github.com/eventrouter/router/internal/exit"
)

func (a *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Long: "schema prints the JSON Schema (draft 2020-12) of the configuration file, for editors and for tools. An editor\n" +
			"that speaks the YAML language server's protocol takes it from a first line such as\n" +
			"  # yaml-language-server: $schema=router.schema.json",
		Args: wantsNone,
		RunE: func(*cobra.Command, []string) error {
			if _, err := a.stdout.Write([]byte(configs.Schema)); err != nil {
				return &exit.Error{Code: exit.Failed, Err: err}
			}
			return nil
		},
	}
}

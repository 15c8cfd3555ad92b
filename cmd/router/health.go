package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventrouter/router/internal/app"
	"github.com/eventrouter/router/internal/exit"
)

func (a *cli) healthCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running router whether it is ready",
		Long: "health asks the /readyz of a running router and exits with 0 if it is ready and with 1 if it is not.\n" +
			"A container's health check needs no shell for it.",
		Args: wantsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.health(cmd, address)
		},
	}
	cmd.Flags().StringVar(&address, "address", app.DefaultAdmin, "the router's admin address")
	return cmd
}

func (a *cli) health(cmd *cobra.Command, address string) error {
	if host, port, err := net.SplitHostPort(address); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	target := url.URL{Scheme: "http", Host: address, Path: "/readyz", RawQuery: "verbose"}
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, target.String(), nil)
	if err != nil {
		return &exit.Error{Code: exit.Config, Err: err}
	}
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return &exit.Error{Code: exit.Failed, Err: fmt.Errorf("health: %w", err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return &exit.Error{Code: exit.Failed, Err: fmt.Errorf("health: %w", err)}
	}
	ready := resp.StatusCode == http.StatusOK
	if a.json {
		a.writeJSON(map[string]any{"ready": ready, "parts": strings.Split(strings.TrimSpace(string(body)), "\n")})
	} else {
		fmt.Fprint(a.stdout, string(body))
	}
	if !ready {
		return &exit.Error{Code: exit.Failed, Err: fmt.Errorf("health: not ready"), Silent: true}
	}
	return nil
}

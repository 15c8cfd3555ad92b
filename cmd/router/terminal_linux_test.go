package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/eventrouter/router/internal/exit"
	"github.com/eventrouter/router/internal/terminal"
)

// TestEventsOnATerminalAreHarmless holds that a stdout sink writes the same event to a terminal, with nothing that it obeys,
// and every byte elsewhere.
func TestEventsOnATerminalAreHarmless(t *testing.T) {
	event := `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"x":"` + bomb + `"}}`
	workspace(t, map[string]string{"event.json": event})
	outside, inside := openTerminal(t)
	a := &cli{stdin: strings.NewReader(""), stdout: inside, stderr: io.Discard}
	if code := a.run(t.Context(), []string{"send", "--sink", "{stdout: {}}", "event.json"}); code != exit.Fine {
		t.Fatalf("exit %d", code)
	}
	line, err := bufio.NewReader(outside).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if line = strings.TrimSuffix(line, "\r\n"); strings.ContainsFunc(line, terminal.Hidden) || !strings.Contains(line, `\u202e`) || !strings.Contains(line, `\u009b2J`) {
		t.Errorf("got %q", line)
	}
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal([]byte(line), &got), json.Unmarshal([]byte(event), &want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v: %v", got, want, err)
	}
	var plain bytes.Buffer
	a = &cli{stdin: strings.NewReader(""), stdout: &plain, stderr: io.Discard}
	if code := a.run(t.Context(), []string{"send", "--sink", "{stdout: {}}", "event.json"}); code != exit.Fine || !strings.Contains(plain.String(), bomb) {
		t.Errorf("what is no terminal gets %q", plain.String())
	}
}

package exit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/eventrouter/router/bindings"
	"github.com/eventrouter/router/internal/config"
	"github.com/eventrouter/router/internal/exit"
)

func TestCodeOfConfig(t *testing.T) {
	wrong := errors.New("wrong")
	problems := func(environment bool) error {
		return fmt.Errorf("load: %w", &config.Problems{List: []config.Problem{{Environment: environment}}})
	}
	field := func(environment bool) error {
		return fmt.Errorf("wire: %w", &bindings.FieldError{Field: "url", Err: wrong, Environment: environment})
	}
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"another error", wrong, exit.Config},
		{"a problem of the file", problems(false), exit.Config},
		{"a problem of the machine", problems(true), exit.Environment},
		{"a field", field(false), exit.Config},
		{"a field that names what is missing", field(true), exit.Environment},
	} {
		if got := exit.CodeOfConfig(c.err); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
		coded, ok := errors.AsType[*exit.Error](exit.OfConfig(c.err))
		if !ok || coded.Code != c.want || coded.Silent || coded.Error() != c.err.Error() || !errors.Is(coded, c.err) {
			t.Errorf("%s: got %+v", c.name, coded)
		}
	}
}

package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/eventrouter/router/internal/config"
)

// writeFile puts text into a file of a folder and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// watched builds what paths name and watches it until the test ends.
func watched(t *testing.T, paths ...string) *Instance {
	t.Helper()
	s := Settings{Log: zap.NewNop(), Events: io.Discard}
	s.Files = Record(&s.Env)
	in := built(t, paths[0], s)
	ctx, stop := context.WithCancel(t.Context())
	watching := in.Watch(ctx, paths, nil)
	t.Cleanup(func() {
		stop()
		<-watching
	})
	return in
}

// TestChangedTestIsNoticed: a change that broke only the tests was passed over as no change at all.
func TestChangedTestIsNoticed(t *testing.T) {
	good := fmt.Sprintf(reloadConfig, "a", "drop") + "tests: [ { event: { type: a, n: 1 }, goes_to: out, routes: only } ]\n"
	dir := t.TempDir()
	path := writeFile(t, dir, "router.yaml", good)
	core, logs := observer.New(zap.InfoLevel)
	in := built(t, path, Settings{Log: zap.New(core), Events: io.Discard})
	step := func(what, text string, done, failed int64, refused string) {
		t.Helper()
		writeFile(t, dir, "router.yaml", text)
		in.reload([]string{path}, false)
		got := in.reloads.figures()
		if got.Done != done || got.Failed != failed || (got.Last != nil) != (refused != "") ||
			refused != "" && !strings.Contains(got.Last.Error(), refused) {
			t.Errorf("%s: got %+v, want %d done, %d failed, refused %q", what, got, done, failed, refused)
		}
	}
	broken := strings.Replace(good, "goes_to: out", "goes_to: []", 1)
	step("nothing has changed", good, 0, 0, "")
	step("a test that fails", broken, 0, 1, "1 test failed")
	step("something else beside it", broken+"# a comment\n", 0, 1, "1 test failed")
	step("taken back", good, 1, 1, "")
	if n := logs.FilterMessageSnippet("not applied").Len(); n != 1 {
		t.Errorf("%d refusals are logged, want 1", n)
	}
	step("one more test", good+"  # still the same tests\n", 1, 1, "")
	step("a test that asks for less", strings.Replace(good, "goes_to: out, ", "", 1), 2, 1, "")
	step("another event", strings.Replace(good, "n: 1", "n: 2", 1), 3, 1, "")
	step("its type", strings.Replace(good, "n: 1", `n: "2"`, 1), 4, 1, "")
	step("another attribute expected", strings.Replace(good, "routes: only", "set: { n: 1 }", 1), 5, 1, "")
	step("another delivery expected", strings.Replace(good, "routes: only", "renders: { out: mode structured }", 1), 6, 1, "")
	step("another name", strings.Replace(good, "event:", "name: x, event:", 1), 7, 1, "")
}

// TestBusyNeighbourDoesNotStarveReload: a file beside the configuration that was written all the time put the reading of
// the configuration off forever.
func TestBusyNeighbourDoesNotStarveReload(t *testing.T) {
	for _, busy := range []string{"other.log", "extra.yaml"} { // the second one is named too
		t.Run(busy, func(t *testing.T) {
			dir := t.TempDir()
			path := writeFile(t, dir, "router.yaml", fmt.Sprintf(reloadConfig, "a", "drop"))
			paths := []string{path}
			neighbour := writeFile(t, dir, busy, "")
			if busy == "extra.yaml" {
				paths = append(paths, neighbour)
			}
			in := watched(t, paths...)
			stop, stopped := make(chan struct{}), make(chan error)
			go func() {
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						close(stopped)
						return
					case <-tick.C:
						if err := os.WriteFile(neighbour, []byte("# x\n"), 0o600); err != nil {
							stopped <- err
							return
						}
					}
				}
			}()
			writeFile(t, dir, "router.yaml", fmt.Sprintf(reloadConfig, "b", "drop"))
			eventually(t, "the changed file is applied", func() bool { return in.reloads.figures().Done > 0 })
			close(stop)
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSettlingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const often = 7 * time.Millisecond // never at the moment at which something is due
		began := time.Now()
		s := newSettling()
		defer s.Stop()
		touch := time.NewTicker(often)
		defer touch.Stop()
		wait := func(touched time.Duration) time.Duration {
			for {
				select {
				case <-s.C:
					s.read()
					return time.Since(began)
				case <-touch.C:
					if time.Since(began) <= touched {
						s.changed()
					}
				}
			}
		}
		if got, want := wait(14*often), 14*often+settleTime; got != want {
			t.Errorf("what is left alone after %v is read after %v, want %v", 14*often, got, want)
		}
		began = time.Now()
		if got := wait(time.Hour); got < longestSettle || got > longestSettle+often {
			t.Errorf("what is never left alone is read after %v, want %v", got, longestSettle)
		}
	})
}

// TestWatchedFiles holds which changes of a folder are changes of the configuration.
func TestWatchedFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(in("..v1"), 0o700))
	must(os.Mkdir(in("all"), 0o700))
	must(os.Symlink("..v1", in("..data")))
	must(os.Symlink("..data/map.yaml", in("map.yaml")))
	writeFile(t, dir, "..v1/map.yaml", "dead_letter: ${file:policy}\n")
	writeFile(t, dir, "policy", "hold\n")
	writeFile(t, dir, "all/one.yml", strings.Replace(fmt.Sprintf(reloadConfig, "a", "drop"), "dead_letter: hold\n", "", 1)+
		"tests: [ { events: one.json, goes_to: out } ]\n")
	writeFile(t, dir, "here.yaml", "tests: [ { events: ., goes_to: out } ]\n")
	for _, name := range []string{"all/one.json", "some.jsonl"} {
		writeFile(t, dir, name, `{"specversion":"1.0","id":"1","source":"/s","type":"a"}`)
	}
	var env config.Env
	read := Record(&env)
	paths := []string{in("map.yaml"), in("here.yaml"), in("all")}
	if _, err := config.Load(paths, env); err != nil {
		t.Fatal(err)
	}
	files := read.named(paths)
	for name, want := range map[string]bool{
		"map.yaml": true, "..data": true, "here.yaml": true, "policy": true, "some.jsonl": true, "new.http": true, "all": true,
		"all/one.yml": true, "all/new.yaml": true, "all/one.json": true, "..data_tmp": false, "other.log": false,
		"other.yaml": false, ".new.json": false, "all/other.json": true, "all/.one.yml.swp": false, "all/.#one.yml": false,
		"all/one.yml~": false,
	} {
		if got := files.has(in(name)); got != want {
			t.Errorf("a change of %s: got %t, want %t", name, got, want)
		}
	}
	must(os.Remove(in("policy")))
	read.forget()
	if _, err := config.Load(paths, env); err == nil {
		t.Fatal("a missing file is not missed")
	}
	if files = read.named(paths); !files.has(in("policy")) {
		t.Error("a file that is not there is not waited for")
	}
}

// TestReloadSeesEveryWayToReplaceAFile: a folder is watched for the names of the configuration, however they change.
func TestReloadSeesEveryWayToReplaceAFile(t *testing.T) {
	dir := t.TempDir()
	swap := func(version, typ string) error {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			return err
		}
		writeFile(t, dir, version+"/router.yaml", fmt.Sprintf(reloadConfig, typ, "drop"))
		return errors.Join(os.Symlink(version, filepath.Join(dir, "..data_tmp")),
			os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	if err := errors.Join(swap("..v1", "a"), os.Symlink("..data/router.yaml", filepath.Join(dir, "router.yaml"))); err != nil {
		t.Fatal(err)
	}
	in := watched(t, filepath.Join(dir, "router.yaml"))
	done := int64(0)
	for _, way := range []struct {
		name   string
		change func() error
	}{
		{"a ConfigMap", func() error { return swap("..v2", "b") }},
		{"a ConfigMap again", func() error { return swap("..v3", "c") }},
		{"an editor that renames", func() error {
			return os.Rename(writeFile(t, dir, "4913", fmt.Sprintf(reloadConfig, "d", "drop")), filepath.Join(dir, "router.yaml"))
		}},
		{"a write in place", func() error {
			writeFile(t, dir, "router.yaml", fmt.Sprintf(reloadConfig, "e", "drop"))
			return nil
		}},
	} {
		if err := way.change(); err != nil {
			t.Fatal(err)
		}
		done++
		eventually(t, way.name, func() bool { return in.reloads.figures().Done == done })
	}
}

// TestFilesOfTheRootAreWatched: a change of /router.yaml is told as one of //router.yaml, and was passed over.
func TestFilesOfTheRootAreWatched(t *testing.T) {
	var files ReadFiles
	files.forget()
	if c := files.named([]string{"/router.yaml"}); !c.has("//router.yaml") {
		t.Errorf("%+v", c)
	}
}

// TestWatchedFolderThatComesBack: a folder that was renamed, or removed and recreated, was watched no more.
func TestWatchedFolderThatComesBack(t *testing.T) {
	dir, away := filepath.Join(t.TempDir(), "etc"), filepath.Join(t.TempDir(), "away")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	in := watched(t, writeFile(t, dir, "router.yaml", fmt.Sprintf(reloadConfig, "a", "drop")))
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a refusal", func() bool { return in.reloads.figures().Failed == 1 })
	writeFile(t, away, "router.yaml", fmt.Sprintf(reloadConfig, "b", "drop"))
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the folder is back", func() bool { return in.reloads.figures().Done == 1 })
	writeFile(t, dir, "router.yaml", fmt.Sprintf(reloadConfig, "c", "drop"))
	eventually(t, "a change in it", func() bool { return in.reloads.figures().Done == 2 })
	if n := in.reloads.figures().Failed; n != 1 {
		t.Errorf("%d refusals, want 1", n)
	}
}

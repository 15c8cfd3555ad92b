// Package compose holds that docker-compose.yml, the Dockerfile and the configurations they mount fit each other. It
// starts no container: whether the images of other projects do what their documentation says is not tested here.
package compose

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/eventrouter/router/internal/config"
)

// root is the folder of docker-compose.yml.
const root = "../.."

// own is the image that the Dockerfile makes.
const own = "eventrouter/router:dev"

// defaultDrain is how long a router may take to stop when its configuration does not say.
const defaultDrain = 25 * time.Second

// project reads docker-compose.yml as docker compose does, with these profiles.
func project(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")},
		cli.WithWorkingDirectory(dir), cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The quickstart must need no image but our own, so that it can be built and run where no registry can be reached.
func TestQuickstartIsOurImageAlone(t *testing.T) {
	p := project(t)
	names := p.ServiceNames()
	if want := []string{"receiver", "router"}; !slices.Equal(names, want) {
		t.Errorf("got services %v, want %v", names, want)
	}
	for _, s := range p.Services {
		if s.Image != own || s.Build == nil {
			t.Errorf("%s: got image %s, want %s, built here", s.Name, s.Image, own)
		}
	}
	brokers := project(t, "brokers").ServiceNames()
	if want := []string{"bridge", "elasticmq", "kafka", "kafka-topics", "nats", "receiver", "router"}; !slices.Equal(brokers, want) {
		t.Errorf("with brokers: got services %v, want %v", brokers, want)
	}
}

// A service may wait for the health of another only where something tells that health.
func TestStartOrderHasHealthChecks(t *testing.T) {
	p := project(t, "brokers")
	dockerfile := strings.Contains(text(t, "Dockerfile"), `CMD ["/router", "health"]`)
	for _, s := range p.Services {
		for name, dep := range s.DependsOn {
			to, ok := p.Services[name]
			if !ok {
				t.Errorf("%s waits for %s, which there is not", s.Name, name)
				continue
			}
			checked := to.HealthCheck != nil || to.Image == own && dockerfile
			if dep.Condition == types.ServiceConditionHealthy && !checked {
				t.Errorf("%s waits for the health of %s, which has no health check", s.Name, name)
			}
		}
	}
	for _, name := range []string{"kafka", "nats", "elasticmq"} {
		if s := p.Services[name]; s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
	}
	for _, name := range []string{"kafka-topics", "nats", "elasticmq"} {
		if _, ok := p.Services["bridge"].DependsOn[name]; !ok {
			t.Errorf("bridge does not wait for %s", name)
		}
	}
}

// The brokers are the versions that test/brokers starts, so that both ways of testing test the same.
func TestImagesArePinned(t *testing.T) {
	version := func(path, pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text(t, path))
		if m == nil {
			t.Fatalf("%s: no version found", path)
		}
		return m[1]
	}
	want := map[string]string{
		"kafka":     version("test/brokers/kafka/pom.xml", `<version>(\d[\d.]+)</version>`),
		"elasticmq": version("test/brokers/elasticmq/pom.xml", `<version>(\d[\d.]+)</version>`),
		"nats":      version("go.mod", `nats-server/v2 v(\S+)`),
	}
	want["kafka-topics"] = want["kafka"]
	for _, s := range project(t, "brokers").Services {
		if s.Image == own {
			continue
		}
		_, tag, _ := strings.Cut(s.Image, ":")
		if got := strings.TrimSuffix(tag, "-alpine"); got != want[s.Name] {
			t.Errorf("%s: got version %q, want %q", s.Name, got, want[s.Name])
		}
	}
	goVersion := version("go.mod", `(?m)^go (\d+\.\d+)`)
	if got := version("Dockerfile", `FROM golang:([\d.]+)`); got != goVersion {
		t.Errorf("the Dockerfile compiles with Go %s, go.mod says %s", got, goVersion)
	}
}

func TestPortsAreOnLoopbackAndDistinct(t *testing.T) {
	taken := map[string]string{}
	for _, s := range project(t, "brokers").Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q", s.Name, port.Published, port.HostIP)
			}
			if by, ok := taken[port.Published]; ok {
				t.Errorf("%s and %s publish port %s", by, s.Name, port.Published)
			}
			taken[port.Published] = s.Name
		}
	}
}

// The image has no user but 65532 and no folder to write to but /tmp and /data.
func TestImageIsClosed(t *testing.T) {
	file := text(t, "Dockerfile")
	if got := strings.Count(file, "\nUSER 65532:65532\n"); got != 1 {
		t.Errorf("got %d USER 65532:65532, want one, in the base of both images", got)
	}
	if !strings.Contains(file, "\nENTRYPOINT [\"/router\"]\n") {
		t.Error("the entry point is not the router")
	}
	for _, s := range project(t).Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Privileged {
			t.Errorf("%s: the container can change its own image or has capabilities", s.Name)
		}
	}
}

func TestMountedConfigurations(t *testing.T) {
	p := project(t, "brokers")
	checked := 0
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", s.Name, err)
			}
			if filepath.Ext(v.Source) == ".yaml" {
				checked++
				t.Run(s.Name, func(t *testing.T) { mounted(t, p, s, v) })
			}
		}
	}
	if checked != 3 {
		t.Errorf("checked %d configurations, want 3", checked)
	}
}

// mounted checks the configuration of one of our services.
func mounted(t *testing.T, p *types.Project, s types.ServiceConfig, v types.ServiceVolumeConfig) {
	cfg, err := config.Load([]string{v.Source}, config.Env{LookupEnv: func(name string) (string, bool) {
		value, ok := s.Environment[name]
		return deref(value), ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		// A container listens on all of its addresses. That its ports are published on loopback only is held above.
		if !strings.HasSuffix(w.Path, ".listen") || !strings.HasPrefix(w.Message, "other machines reach") {
			t.Error(w)
		}
	}
	if len(cfg.Tests) == 0 {
		t.Error("the configuration has no tests")
	}
	if filepath.Dir(v.Target) != "/etc/router" || !v.ReadOnly {
		t.Errorf("mounted at %s, want a file in /etc/router, read-only", v.Target)
	}
	drain := defaultDrain
	if cfg.Shutdown.Drain > 0 {
		drain = cfg.Shutdown.Drain
	}
	if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) <= drain {
		t.Errorf("the container is killed before the router has drained for %v", drain)
	}
	listens := []string{portOf(t, cfg.Admin.Listen)}
	for _, source := range cfg.Sources {
		if source.HTTP != nil {
			listens = append(listens, portOf(t, source.HTTP.Listen))
		}
	}
	for _, port := range s.Ports {
		if target := strconv.Itoa(int(port.Target)); !slices.Contains(listens, target) {
			t.Errorf("port %s is published, and the router listens on %v", target, listens)
		}
	}
	// router health, the image's check, asks the port that is the default.
	if listens[0] != "8081" {
		t.Errorf("admin listens on port %s, where the health check does not ask", listens[0])
	}
	for _, host := range hosts(t, cfg) {
		if _, ok := p.Services[host]; !ok {
			t.Errorf("the configuration speaks to %s, which is no service", host)
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != "" {
		t.Fatalf("%q does not listen on all interfaces of the container", address)
	}
	return port
}

// hosts returns the names that a configuration connects to.
func hosts(t *testing.T, cfg *config.Config) []string {
	t.Helper()
	var all []string
	add := func(address string) {
		if address == "embedded" {
			return
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u.Hostname())
	}
	for _, s := range cfg.Sources {
		switch {
		case s.Kafka != nil:
			add("kafka://" + s.Kafka.Brokers[0])
		case s.NATS != nil:
			add(s.NATS.URL)
		case s.SQS != nil:
			add(s.SQS.Endpoint)
		}
	}
	for _, s := range cfg.Sinks {
		switch {
		case s.Kafka != nil:
			add("kafka://" + s.Kafka.Brokers[0])
		case s.NATS != nil:
			add(s.NATS.URL)
		case s.SQS != nil:
			add(s.SQS.Endpoint)
		case s.HTTP != nil:
			add(s.HTTP.URL)
		}
	}
	return all
}

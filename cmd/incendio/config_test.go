package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/pipelines"
)

// resolved is the configuration of a command line with these flags.
func resolved(t *testing.T, file string, environ []string, flags ...string) (pipelines.Config, error) {
	t.Helper()
	a := &app{}
	if file != "" {
		a.configFile = filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(a.configFile, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	runFlags(f)
	if err := f.Parse(flags); err != nil {
		t.Fatal(err)
	}
	c, _, err := a.resolve(f, environ)
	return c, err
}

func mustResolve(t *testing.T, file string, environ []string, flags ...string) pipelines.Config {
	t.Helper()
	c, err := resolved(t, file, environ, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPrecedence(t *testing.T) {
	file := "seed: 2\nworkers: 2\nsimulation:\n  cluster:\n    invokers: 2\n"
	env := []string{"HOME=/root", "INCENDIO_SEED=3", "INCENDIO_SIMULATION_CLUSTER_INVOKERS=3"}
	c := mustResolve(t, file, env, "--invokers", "4")
	if c.Workers != 2 || c.Seed != 3 || c.Simulation.Cluster.Invokers != 4 {
		t.Errorf("workers %d of the file, seed %d of the variable, invokers %d of the flag: want 2, 3, 4", c.Workers, c.Seed, c.Simulation.Cluster.Invokers)
	}
	want := pipelines.DefaultConfig()
	want.Workers, want.Seed, want.Simulation.Cluster.Invokers = 2, 3, 4
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	// A flag that stands there with the value of the default is still stronger.
	if c := mustResolve(t, file, env, "--seed", "1"); c.Seed != 1 {
		t.Errorf("--seed 1: seed %d", c.Seed)
	}
}

func TestDefaults(t *testing.T) {
	if c := mustResolve(t, "{}\n", nil); !reflect.DeepEqual(c, pipelines.DefaultConfig()) {
		t.Errorf("an empty file: got  %+v\nwant %+v", c, pipelines.DefaultConfig())
	}
}

// The settings of the sample run are for the embedded trace where nothing was configured.
func TestSample(t *testing.T) {
	defaults := pipelines.DefaultConfig()
	known := schemaOf(&defaults).open()
	sample, err := readSettings("sample.yaml", "yaml", pipelines.Sample, known)
	if err != nil {
		t.Fatal(err)
	}
	key := "simulation.cluster.invokers"
	want, ok := sample[key].value.(int)
	other := pipelines.DefaultConfig().Simulation.Cluster.Invokers
	if !ok || want == other {
		t.Fatalf("%s is %v in the sample and %d by default: the test needs two values", key, sample[key], other)
	}
	invokers := func(c pipelines.Config) int { return c.Simulation.Cluster.Invokers }
	if got := invokers(mustResolve(t, "", nil)); got != want {
		t.Errorf("nothing configured: %d invokers, want %d of the sample", got, want)
	}
	if got := invokers(mustResolve(t, "", nil, "--trace", "synthetic")); got != want {
		t.Errorf("--trace synthetic: %d invokers, want %d", got, want)
	}
	if got := invokers(mustResolve(t, "", nil, "--invokers", "5")); got != 5 {
		t.Errorf("--invokers 5: %d invokers", got)
	}
	for _, c := range []pipelines.Config{
		mustResolve(t, "trace: synthetic\n", nil),
		mustResolve(t, "", nil, "--trace", "real"),
		mustResolve(t, "", []string{"INCENDIO_TRACE=real"}),
	} {
		if got := invokers(c); got != other {
			t.Errorf("trace %s: %d invokers, want the default %d", c.Trace, got, other)
		}
	}
}

func TestFilesThatAreShipped(t *testing.T) {
	tiny, err := os.ReadFile("testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"sample.yaml": pipelines.Sample, "nightly.yaml": pipelines.Nightly, "tiny.yaml": tiny} {
		c, err := resolved(t, string(text), nil)
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What it shows in a comment must be right too.
	text := strings.Replace(string(pipelines.Nightly), "holidays: []           # - ", "holidays:\n  - ", 1)
	if text == string(pipelines.Nightly) {
		t.Fatal("nightly.yaml has no example of a holiday")
	}
	c := mustResolve(t, text, nil)
	if len(c.Holidays) != 1 || c.Holidays[0] != (pipelines.Holiday{Name: "christmas", Day: "2026-12-25"}) {
		t.Errorf("holidays %+v", c.Holidays)
	}
}

// Every key has a variable of its own, and its default as text is its default.
func TestVariables(t *testing.T) {
	defaults := pipelines.DefaultConfig()
	known := schemaOf(&defaults).open()
	if len(known) < 50 {
		t.Fatalf("%d keys", len(known))
	}
	names := map[string]string{}
	for key, v := range known {
		if other, ok := names[variable(key)]; ok {
			t.Errorf("%s and %s are both %s", key, other, variable(key))
		}
		names[variable(key)] = key
		text := show(v.Interface())
		switch {
		case v.Kind() == reflect.String:
			text = v.String()
		case v.Kind() == reflect.Slice && v.Len() == 0:
			text = "[]"
			if v.Type().Elem().Kind() != reflect.Struct {
				text = ""
			}
		case v.Kind() == reflect.Slice:
			text = strings.ReplaceAll(strings.Trim(text, "[]"), " ", ",")
		}
		got, err := parse(v.Type(), key, text)
		if err != nil {
			t.Errorf("%s: %v", key, err)
		} else if g := reflect.ValueOf(got); g.Type() != v.Type() || !reflect.DeepEqual(got, v.Interface()) && g.Kind() != reflect.Slice {
			t.Errorf("%s=%s is %v, want %v", key, text, got, v)
		}
	}
	for _, key := range []string{"agent.seed", "forecast.workers", "forecast.trees.objective"} {
		if _, ok := known[key]; ok {
			t.Errorf("%s can be set, but does nothing", key)
		}
	}
}

func TestLists(t *testing.T) {
	c := mustResolve(t, "synthetic:\n  holidays: [1, 2]\n", []string{
		"INCENDIO_FORECAST_TREES_IGNORE_COLUMN=5, 60", "INCENDIO_SIMULATION_POLICIES=", "INCENDIO_FORECAST_TIME_LIMIT=1m30s",
		`INCENDIO_HOLIDAYS=[{"name": "a", "day": "2026-03-01"}]`,
	})
	if !slices.Equal(c.Synthetic.Holidays, []int{1, 2}) || !slices.Equal(c.Forecast.Trees.IgnoreColumn, []int{5, 60}) || len(c.Simulation.Policies) != 0 ||
		c.Forecast.TimeLimit != 90*time.Second || len(c.Holidays) != 1 || c.Holidays[0].Day != "2026-03-01" {
		t.Errorf("%+v %+v %+v", c.Forecast, c.Simulation, c.Holidays)
	}
}

func TestConvert(t *testing.T) {
	var (
		i8 int8
		u  uint64
		f  float64
		s  string
		b  bool
	)
	for _, c := range []struct {
		of   any
		in   any
		want any // nil: an error
	}{
		{i8, 127, int8(127)}, {i8, 128, nil}, {i8, -128, int8(-128)}, {i8, 3.0, int8(3)}, {i8, 3.5, nil}, {i8, 300.0, nil}, {i8, "3", nil}, {i8, true, nil}, {i8, nil, nil},
		{u, 0, uint64(0)}, {u, -1, nil}, {u, uint64(1<<64 - 1), uint64(1<<64 - 1)}, {u, 1e15, uint64(1e15)}, {u, 1e20, nil}, {u, -0.5, nil},
		{f, 3, 3.0}, {f, 0.25, 0.25}, {f, "0.25", nil}, {f, uint64(3), 3.0},
		{s, "x", "x"}, {s, 3, nil}, {s, time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC), "2026-12-25"}, {s, time.Date(2026, 12, 25, 6, 0, 0, 0, time.UTC), "2026-12-25T06:00:00Z"},
		{b, true, true}, {b, "true", nil}, {b, 1, nil},
		{time.Duration(0), "90s", 90 * time.Second}, {time.Duration(0), 90, nil}, {time.Duration(0), 0, time.Duration(0)},
		{[]int{}, []any{1, 2.0}, []int{1, 2}}, {[]int{}, []any{1, nil}, nil}, {[]int{}, 1, nil}, {[]int{}, []any{}, []int{}},
	} {
		got, err := convert(reflect.TypeOf(c.of), "key", c.in)
		switch {
		case c.want == nil && err == nil:
			t.Errorf("%T from %v (%T): got %v, want an error", c.of, c.in, c.in, got)
		case c.want == nil && !strings.HasPrefix(err.Error(), "key"):
			t.Errorf("%T from %v: %q does not begin with the key", c.of, c.in, err)
		case c.want != nil && (err != nil || !reflect.DeepEqual(got, c.want)):
			t.Errorf("%T from %v (%T): got %v, %v, want %v", c.of, c.in, c.in, got, err, c.want)
		}
	}
}

func TestLineOf(t *testing.T) {
	yaml := "# seed: 1\na:\n  seed: 1\nb:\n  c:\n    seed: 2\n  d: {x: 1, y: 2}\nseed: 3\n"
	for key, want := range map[string]int{"a.seed": 3, "b.c.seed": 6, "seed": 8, "b.d": 7, "b.d.y": 7, "b": 4, "nowhere": 0} {
		if got := lineOf(yaml, key); got != want {
			t.Errorf("%s: line %d, want %d", key, got, want)
		}
	}
}

func TestClosest(t *testing.T) {
	names := []string{"seed", "workers", "agent.hidden"}
	for name, want := range map[string]string{"sed": "seed", "sead": "seed", "worker": "workers", "agent.hiden": "agent.hidden", "gent.hiden": "agent.hidden", "tree": "", "": ""} {
		if got := closest(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab]{0,5}`)
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if d := distance(a, b); (d == 0) != (a == b) || d != distance(b, a) || d > distance(a, c)+distance(c, b) {
			t.Fatalf("distance(%q, %q) = %d is no metric", a, b, d)
		}
	})
}

package pipelines_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/scheduler"
)

// silent shows no progress.
type silent struct{}

func (silent) Begin(string, int) stage.Bar { return silent{} }
func (silent) Set(int, string)             {}
func (silent) End()                        {}

// at is the clock of the tests, which stands still.
var at = time.Date(2026, 3, 20, 2, 0, 0, 0, time.UTC)

func env(workers int, revision string) pipelines.Env {
	return pipelines.Env{
		Version: "test", Build: &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "github.com/incendio-faas/incendio"}}, Code: func(string) (string, error) { return revision, nil }, Now: func() time.Time { return at },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Progress: silent{}, Workers: workers,
	}
}

// tiny is a configuration whose run takes about a second.
func tiny(store string) pipelines.Config {
	c := pipelines.DefaultConfig()
	c.Store = store
	c.Out = filepath.Join(store, "run")
	c.Synthetic.Functions, c.Synthetic.Days, c.Synthetic.Holidays = 30, 2, []int{}
	c.Forecast.Trees.NumIterations, c.Forecast.Trees.NumLeaves = 8, 7
	c.Forecast.MaxClusters, c.Forecast.MaxRefits, c.Forecast.MaxRows = 1, 2, 2000
	c.Forecast.Ahead = []int{60}
	c.Priority.Search.Trials, c.Priority.Search.Startup, c.Priority.Finalists = 7, 2, 2
	c.Learning.Windows, c.Learning.WindowMinutes, c.Learning.AgentWindows, c.Learning.AgentWindowMinutes = 1, 10, 2, 10
	c.Agent.TotalTimesteps, c.Agent.FineTuneTimesteps, c.Agent.Hidden = 100, 50, 8
	c.Agent.LearningStarts, c.Agent.PretrainSteps, c.Agent.Demonstrations, c.Agent.Evaluations = 20, 10, 100, 1
	c.Agent.BatchSize, c.Agent.JudgeSeeds, c.Agent.JudgeWindows = 16, 1, 1
	c.Simulation.Cluster.Invokers, c.Simulation.Cluster.Cores, c.Simulation.Cluster.MemoryMB = 2, 4, 8192
	c.Index.Generations, c.Index.Candidates = 1, 4
	c.Simulation.Policies = []string{"native"}
	// Gates that any candidate passes: what is tested is what happens then.
	c.Gates.Forecast, c.Gates.Latency, c.Gates.Dropped, c.Gates.Scenario = 100, 100, 1, 100
	c.Gates.Champion.Seeds = 2
	return c
}

func open(t *testing.T, c pipelines.Config, asOf time.Time, e pipelines.Env) *pipelines.Run {
	t.Helper()
	r, err := pipelines.Open(context.Background(), c, asOf, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all runs c, whatever the verdict, and returns the summary and the stages that were
// not up to date.
func all(t *testing.T, c pipelines.Config, e pipelines.Env) (*pipelines.Summary, []string) {
	t.Helper()
	r := open(t, c, time.Time{}, e)
	s, err := r.All(context.Background())
	if err != nil && !errors.Is(err, pipelines.ErrRefused) {
		t.Fatal(err)
	}
	return s, ran(r)
}

func ran(r *pipelines.Run) []string {
	var names []string
	for _, s := range r.Progress().Stages {
		if !s.Cached {
			names = append(names, s.Name)
		}
	}
	return names
}

// finished is a run folder and its store, made once; tests work on copies.
var finished = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "incendio-pipelines-")
	if err != nil {
		return "", err
	}
	r, err := pipelines.Open(context.Background(), tiny(dir), time.Time{}, env(2, "r1"))
	if err != nil {
		return "", err
	}
	_, err = r.All(context.Background())
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := finished(); dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			code = 1
		}
	}
	os.Exit(code)
}

// after returns the configuration of a finished run in a folder of its own.
func after(t *testing.T) pipelines.Config {
	t.Helper()
	from, err := finished()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return tiny(to)
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		out[strings.TrimPrefix(name, dir)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var stages = []string{"features", "forecast", "slices", "tune", "agents", "index", "export", "validate"}

// TestCache: a stage runs again if what it depends on has changed, and only then.
func TestCache(t *testing.T) {
	flip := func(path string) func(*testing.T, *pipelines.Config) {
		return func(t *testing.T, c *pipelines.Config) {
			name := filepath.Join(c.Out, path)
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.Chmod(name, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*testing.T, *pipelines.Config)
		want   []string
	}{
		{"nothing", func(*testing.T, *pipelines.Config) {}, nil},
		{"where things lie", func(t *testing.T, c *pipelines.Config) {
			c.Registry = filepath.Join(c.Store, "registry")
			c.Workers = 1
		}, nil},
		{"how many work", func(_ *testing.T, c *pipelines.Config) {
			c.Forecast.Workers, c.Forecast.Trees.Workers, c.Agent.Workers, c.Agent.Cluster.Workers = 1, 1, 1, 1
		}, nil},
		{"a byte of the decomposition", flip("frames/decomposition.parquet"), stages[:1]},
		{"a byte of a model", flip("models/forecast/model.json"), stages[1:2]},
		{"a byte of the bundle", flip("bundle/priority.json"), stages[6:7]},
		{"a byte of the index", flip("models/index.json"), stages[5:6]},
		{"a byte of the figures", flip("metrics.json"), stages[7:]},
		{"a file too many", func(t *testing.T, c *pipelines.Config) {
			if err := os.WriteFile(filepath.Join(c.Out, "models", "agent", "stray.onnx"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, stages[4:5]},
		{"a file missing", func(t *testing.T, c *pipelines.Config) {
			if err := os.Remove(filepath.Join(c.Out, "models", "priority.json")); err != nil {
				t.Fatal(err)
			}
		}, stages[3:4]},
		{"a gate", func(_ *testing.T, c *pipelines.Config) { c.Gates.Latency = 99 }, stages[5:]},
		{"the objective", func(_ *testing.T, c *pipelines.Config) { c.SLO.Urgent = 0.3 }, stages[3:]},
		{"an option of the agents", func(_ *testing.T, c *pipelines.Config) { c.Agent.TotalTimesteps = 90 }, []string{"agents", "export", "validate"}},
		{"an option of the index", func(_ *testing.T, c *pipelines.Config) { c.Index.Candidates = 5 }, stages[5:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := after(t)
			c.change(t, &cfg)
			if _, got := all(t, cfg, env(2, "r1")); !slices.Equal(got, c.want) {
				t.Errorf("%v ran again, want %v", got, c.want)
			}
			if _, got := all(t, cfg, env(2, "r1")); got != nil {
				t.Errorf("%v ran once more", got)
			}
		})
	}
}

// TestProgramChanges: results of other code are none.
func TestProgramChanges(t *testing.T) {
	cfg := after(t)
	r := open(t, cfg, time.Time{}, env(2, "r2"))
	if err := r.Until(context.Background(), "features"); err != nil {
		t.Fatal(err)
	}
	if got := ran(r); !slices.Equal(got, stages[:1]) {
		t.Errorf("%v ran, want the features again", got)
	}
	if err := r.Until(context.Background(), "feature"); err == nil || !strings.Contains(err.Error(), `"feature"`) {
		t.Errorf("error is %v, want one about a stage that there is not", err)
	}
}

// TestWorkers: the bundle does not depend on how many there are, nor on the folder.
func TestWorkers(t *testing.T) {
	dir, err := finished()
	if err != nil {
		t.Fatal(err)
	}
	cfg := tiny(t.TempDir())
	all(t, cfg, env(1, "r1"))
	if !maps.Equal(tree(t, filepath.Join(dir, "run", "bundle")), tree(t, filepath.Join(cfg.Out, "bundle"))) {
		t.Error("one worker makes another bundle than two")
	}
}

// recorded is days of a trace as an input for a store.
type recorded struct {
	functions []datasets.Function
	days      []*datasets.Counts
}

func (in recorded) Provenance() datasets.Provenance {
	return datasets.Provenance{
		Format: "recorded", Files: []datasets.SourceFile{{Name: "days", SHA256: strings.Repeat("0", 64)}},
		Start: synthetic.Start(), Span: datasets.Window{To: len(in.days) * datasets.MinutesPerDay},
	}
}

func (in recorded) Read(_ context.Context, _ []datasets.Function, sink datasets.Sink) ([]datasets.Function, error) {
	for _, d := range in.days {
		if err := sink.Day(d); err != nil {
			return nil, err
		}
	}
	return in.functions, sink.Rows("days", 1)
}

// record stores the first days of a synthetic trace of four as the trace "recorded".
func record(t *testing.T, days int) pipelines.Config {
	t.Helper()
	cfg := tiny(t.TempDir())
	cfg.Trace = "recorded"
	o := cfg.Synthetic
	o.Days = 4
	in, err := synthetic.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		t.Fatal(err)
	}
	counts := []*datasets.Counts(in.Source.(datasets.Memory))[:days]
	if _, _, err := store.Ingest(context.Background(), recorded{in.Functions, counts}, parquet.DefaultIngestOptions(cfg.Trace)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestAsOf: what a run learns is what it would learn from a trace that ends there.
func TestAsOf(t *testing.T) {
	ends, cfg := record(t, 2), record(t, 4)
	all(t, ends, env(2, "r1"))
	r := open(t, cfg, synthetic.Start().Add(48*time.Hour+30*time.Second), env(2, "r1"))
	if _, err := r.All(context.Background()); err != nil && !errors.Is(err, pipelines.ErrRefused) {
		t.Fatal(err)
	}
	got, want := tree(t, filepath.Join(cfg.Out, "bundle")), tree(t, filepath.Join(ends.Out, "bundle"))
	for _, files := range []map[string]string{got, want} { // they name the trace by its digest
		delete(files, "/manifest.json")
		delete(files, "/manifest.sha256")
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs from that of a trace that ends at the as-of", name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	h, err := bundle.NewRegistry(cfg.RegistryDir()).History()
	if err != nil || len(h) == 0 {
		t.Fatalf("history is %v, %v", h, err)
	}
	if when := h[0].Time; !strings.Contains(when, "2026-03-04T00:00:30Z") {
		t.Errorf("the journal says %v, want the as-of", when)
	}
	for _, early := range []time.Time{synthetic.Start(), synthetic.Start().Add(-time.Hour), synthetic.Start().Add(30 * time.Second)} {
		if _, err := pipelines.Open(context.Background(), cfg, early, env(2, "r1")); err == nil || !strings.Contains(err.Error(), "as-of") {
			t.Errorf("as of %v: error is %v, want one about as-of", early, err)
		}
	}
	if _, err := pipelines.Open(context.Background(), cfg, synthetic.Start().Add(time.Hour), env(2, "r1")); err == nil || !strings.Contains(err.Error(), "60 minutes") {
		t.Errorf("error is %v, want one about a span of 60 minutes", err)
	}
}

// TestClaim: a run writes into no folder that is not its own.
func TestClaim(t *testing.T) {
	cfg := after(t)
	cfg.Out = t.TempDir()
	mine := filepath.Join(cfg.Out, "thesis.txt")
	if err := os.WriteFile(mine, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pipelines.Open(context.Background(), cfg, time.Time{}, env(2, "r1")); err == nil || !strings.Contains(err.Error(), cfg.Out) {
		t.Errorf("error is %v, want one that names %s", err, cfg.Out)
	}
	if entries, err := os.ReadDir(cfg.Out); err != nil || len(entries) != 1 {
		t.Errorf("the folder now holds %v, %v", entries, err)
	}
	cfg.Out = mine
	if _, err := pipelines.Open(context.Background(), cfg, time.Time{}, env(2, "r1")); err == nil {
		t.Error("a file was taken for a run folder")
	}
}

// TestPromotion: an accepted candidate becomes champion; the same one again is
// neither promoted twice nor refused; a refused one leaves the champion where it is.
func TestPromotion(t *testing.T) {
	cfg := after(t)
	registry := bundle.NewRegistry(cfg.RegistryDir())
	first, err := registry.Champion()
	if err != nil {
		t.Fatal(err)
	}
	actions := func() string {
		h, err := registry.History()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range h {
			out = append(out, string(e.Action))
		}
		return strings.Join(out, " ")
	}
	before := actions()

	cfg.Out = filepath.Join(cfg.Store, "again")
	s, _ := all(t, cfg, env(2, "r1"))
	if s.Digest != first || s.Verdict != bundle.Accepted || actions() != before {
		t.Errorf("the champion again: %s is %s, and the journal says %s", s.Digest, s.Verdict, actions())
	}

	cfg.Seed, cfg.Gates.Latency, cfg.Gates.Network = 2, 0, 1e-300
	cfg.Out = filepath.Join(cfg.Store, "refused")
	r := open(t, cfg, time.Time{}, env(2, "r1"))
	s, err = r.All(context.Background())
	if !errors.Is(err, pipelines.ErrRefused) || s == nil || s.Verdict != bundle.Refused || s.Digest == first {
		t.Fatalf("summary is %+v and error %v, want a candidate that is refused", s, err)
	}
	if got := actions(); got != before+" refuse" {
		t.Errorf("journal says %s, want one more refusal than %s", got, before)
	}
	if champion, err := registry.Champion(); err != nil || champion != first {
		t.Errorf("champion is %s, %v, want still %s", champion, err, first)
	}
	if _, err := os.Stat(filepath.Join(cfg.Out, "report.html")); err != nil {
		t.Errorf("no report of the refusal: %v", err)
	}
}

// TestWithdrawn: a run does not promote again what somebody has rolled back, until somebody has
// promoted it by hand.
func TestWithdrawn(t *testing.T) {
	cfg := after(t)
	registry := bundle.NewRegistry(cfg.RegistryDir())
	first, err := registry.Champion()
	if err != nil {
		t.Fatal(err)
	}
	made, err := registry.Open(bundle.ChampionRef, bundle.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	// Another one, which costs more: it keeps every container for a day.
	other := modeltest.Changed(t, made, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), func(m *scheduler.Models) {
		m.Index.Used, m.Index.Options.Keep = true, 86400
	})
	decide := func(o bundle.Outcome, err error) {
		t.Helper()
		if err != nil || !o.Changed {
			t.Fatal(o, err)
		}
	}
	if err := registry.Add(other, "test", at); err != nil {
		t.Fatal(err)
	}
	decide(registry.Promote(other.Digest(), bundle.Decision{At: at}))
	decide(registry.Promote(first, bundle.Decision{At: at}))
	decide(registry.Rollback(bundle.Decision{At: at, Reason: "it holds requests"}))
	for range 2 {
		r := open(t, cfg, time.Time{}, env(2, "r1"))
		s, err := r.All(context.Background())
		if !errors.Is(err, pipelines.ErrRefused) || !strings.Contains(err.Error(), "Rolled back at 2026-03-20T02:00:00Z (it holds requests)") || s.Verdict != bundle.Refused {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	h, err := registry.History()
	if err != nil {
		t.Fatal(err)
	}
	if last := h[len(h)-1]; last.Action != bundle.Refuse || h[len(h)-2].Action != bundle.Rollback {
		t.Errorf("the journal ends with %+v", h[len(h)-2:])
	}
	decide(registry.Promote(first, bundle.Decision{At: at}))
	if s, _ := all(t, cfg, env(2, "r1")); s.Verdict != bundle.Accepted || s.Digest != first {
		t.Errorf("after a promotion by hand: %+v", s)
	}
}

// TestReportAgain: the page of a run is made from its report.json alone.
func TestReportAgain(t *testing.T) {
	cfg := after(t)
	page := filepath.Join(cfg.Out, "report.html")
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	name, err := pipelines.WriteReport(cfg.Out)
	if err != nil || name != page {
		t.Fatalf("wrote %s, %v", name, err)
	}
	if got, err := os.ReadFile(page); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the page is another one: %v", err)
	}
	if _, err := pipelines.WriteReport(t.TempDir()); err == nil {
		t.Error("a page was made of nothing")
	}
}

// TestDegenerate: a trace of one function, and one that is hardly long enough.
func TestDegenerate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*pipelines.Config)
		asOf   time.Time
	}{
		{"one function", func(c *pipelines.Config) { c.Synthetic.Functions, c.Synthetic.Days = 1, 1 }, time.Time{}},
		{"two hours", func(c *pipelines.Config) { c.Synthetic.Days = 1 }, synthetic.Start().Add(2 * time.Hour)},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := tiny(t.TempDir())
			c.change(&cfg)
			if _, err := open(t, cfg, c.asOf, env(2, "r1")).All(context.Background()); err != nil && !errors.Is(err, pipelines.ErrRefused) {
				t.Error(err)
			}
		})
	}
}

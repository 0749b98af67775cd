package pipelines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Files of the end of a run.
const (
	metricsFile = "metrics.json"
	runFile     = "run.json"
	pageFile    = "report.html"
	curvesFile  = "models/simulation.json"
	exampleFile = "models/forecast-example.json"
)

// Default returns the stages of a run, in order: reading this function is reading the
// pipeline. Ingest comes before them, in Open, because every stage depends on what
// the trace is; promotion and the report come after them, in All.
func Default(r *Run) []Stage {
	return []Stage{
		featureStage(r),  // trace            -> decomposition
		forecastStage(r), // trace            -> forecaster
		slicesStage(r),   // trace            -> ranks and slices for ALPS
		tuneStage(r),     // forecaster       -> priorities, by simulation
		agentStage(r),    // both             -> agents, judged against the rules
		exportStage(r),   // all of it        -> bundle
		validateStage(r), // bundle, test part -> figures and verdict
	}
}

// Until runs the stages up to and including the one named last.
func (r *Run) Until(ctx context.Context, last string) error {
	stages := Default(r)
	i := slices.IndexFunc(stages, func(s Stage) bool { return s.Name == last })
	if i < 0 {
		return fmt.Errorf("no stage %q", last)
	}
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return r.execute(ctx, stages[:i+1])
}

// A Summary is what `incendio run --json` prints. Paths are as the run folder was given.
type Summary struct {
	Run     string `json:"run"`
	Bundle  string `json:"bundle"`
	Digest  string `json:"digest"`
	Report  string `json:"report"`
	Verdict string `json:"verdict"`

	Text string `json:"-"` // for a terminal
}

// All runs every stage, promotes or refuses the candidate and writes the report. The
// summary is there also with ErrRefused and ErrFallback.
func (r *Run) All(ctx context.Context) (*Summary, error) {
	began := r.clock()
	unlock, err := r.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := r.execute(ctx, Default(r)); err != nil {
		return nil, err
	}
	v, err := r.validation()
	if err != nil {
		return nil, err
	}
	if err := r.crown(v); err != nil {
		return nil, err
	}
	data, err := r.report(v, r.clock().Sub(began))
	if err != nil {
		return nil, err
	}
	s := &Summary{Run: r.ID, Bundle: r.Path(bundleFolder), Digest: v.Bundle, Report: r.Path(pageFile), Verdict: v.Verdict}
	if err := writeJSON(r.Path(runFile), s); err != nil {
		return nil, err
	}
	if _, err := WriteReport(r.Dir); err != nil {
		return nil, err
	}
	s.Text = report.Summary(data)
	switch {
	case v.Verdict == bundle.Refused:
		return s, fmt.Errorf("%w: %s", ErrRefused, v.Reason)
	case r.fallbacks() > 0:
		return s, fmt.Errorf("%w: %d; the report names them", ErrFallback, r.fallbacks())
	}
	return s, nil
}

func (r *Run) fallbacks() int {
	n := 0
	for _, d := range r.Done {
		n += d.Fallbacks
	}
	return n
}

// A StageState is a stage in the JSON of the commands that run some.
type StageState struct {
	Name     string   `json:"name"`
	Cached   bool     `json:"cached"`
	Rows     int64    `json:"rows"`
	Summary  string   `json:"summary"`
	Warnings []string `json:"warnings,omitempty"`
}

// A StageReport is what those commands print.
type StageReport struct {
	Run    string       `json:"run"`
	Folder string       `json:"folder"`
	Stages []StageState `json:"stages"`
}

// Progress says which stages ran.
func (r *Run) Progress() StageReport {
	out := StageReport{Run: r.ID, Folder: r.Dir}
	for _, d := range r.Done {
		out.Stages = append(out.Stages, StageState{d.Name, d.Cached, d.Rows, d.Summary, d.Warnings})
	}
	return out
}

// validateStage judges the candidate on the test part.
func validateStage(r *Run) Stage {
	return Stage{
		Name:    "validate",
		Inputs:  []string{bundleFolder},
		Outputs: []string{metricsFile, curvesFile, exampleFile},
		Options: struct {
			Config   Config
			Window   datasets.Window
			Champion rival
		}{r.recorded(), r.splits.Test, rival{r}},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.validate(ctx) },
	}
}

// A rival is the bundle that a candidate is judged against, as an option of the stage:
// it is looked up when the stage is due, for the candidate is new and the registry may
// have changed while the stages before ran.
type rival struct{ r *Run }

// MarshalJSON implements [json.Marshaler].
func (v rival) MarshalJSON() ([]byte, error) {
	digest, err := v.digest()
	if err != nil {
		return nil, err
	}
	return json.Marshal(digest)
}

// digest returns the champion, or "". A candidate that an earlier run made champion is
// judged against the one before it, as it was then.
func (v rival) digest() (string, error) {
	champion, err := v.r.registry.Champion()
	if errors.Is(err, bundle.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	candidate, err := bundle.Open(v.r.Path(bundleFolder), bundle.Policy{})
	if err != nil {
		return "", err
	}
	if champion != candidate.Digest() {
		return champion, nil
	}
	history, err := v.r.registry.History()
	if err != nil {
		return "", err
	}
	before, current := "", ""
	for _, e := range history {
		if e.Action != bundle.Promote && e.Action != bundle.Rollback {
			continue
		}
		if e.Action == bundle.Promote && e.Digest == champion && current != champion {
			before = current
		}
		current = e.Digest
	}
	return before, nil
}

func (r *Run) validate(ctx context.Context) (Outcome, error) {
	candidate, err := OpenSubject(r.Path(bundleFolder))
	if err != nil {
		return Outcome{}, err
	}
	var champion *Subject
	digest, err := rival{r}.digest()
	if err != nil {
		return Outcome{}, err
	}
	if digest != "" {
		ref := digest
		if current, err := r.registry.Champion(); err == nil && current == digest {
			ref = bundle.ChampionRef // must be there
		}
		if champion, err = OpenReference(r.registry, ref); err != nil {
			return Outcome{}, fmt.Errorf("champion: %w", err)
		}
	}
	val := Validator{Trace: r.trace, Window: r.splits.Test, Config: r.cfg, Env: r.env}
	if val.Baseline, err = TrainBaseline(ctx, r.trace, r.splits, r.cfg, r.env); err != nil {
		return Outcome{}, err
	}
	v, err := val.Validate(ctx, candidate, champion)
	if err != nil {
		return Outcome{}, err
	}
	if err := writeJSON(r.Path(curvesFile), curvesOf(v.Simulation)); err != nil {
		return Outcome{}, err
	}
	if err := writeJSON(r.Path(exampleFile), v.Example); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Summary: v.Verdict, Warnings: v.Notes}
	return out, writeJSON(r.Path(metricsFile), v)
}

// validation reads what the stage "validate" wrote.
func (r *Run) validation() (*Validation, error) {
	var v Validation
	return &v, readJSON(r.Path(metricsFile), &v)
}

// crown promotes an accepted candidate, or records that it was refused.
func (r *Run) crown(v *Validation) error {
	current, err := r.registry.Champion()
	if err != nil && !errors.Is(err, bundle.ErrNotFound) {
		return err
	}
	if current == v.Bundle {
		_, err := r.registry.Open(bundle.ChampionRef, bundle.Policy{}) // it may be damaged meanwhile
		return err
	}
	b, err := bundle.Open(r.Path(bundleFolder), bundle.Policy{})
	if err != nil {
		return err
	}
	if v.Verdict == bundle.Refused {
		return r.registry.Refuse(b.Digest(), v.Reason, r.when())
	}
	if err := r.registry.Add(b, "run "+r.ID, r.when()); err != nil {
		return err
	}
	_, err = r.registry.Promote(b.Digest(), bundle.Decision{Reason: v.Reason, At: r.when(), By: "run " + r.ID})
	return err
}

// WriteReport makes the page of a run folder from its report.json and returns its path.
func WriteReport(dir string) (string, error) {
	f, err := os.Open(filepath.Join(dir, report.File))
	if err != nil {
		return "", err
	}
	defer f.Close()
	d, err := report.Decode(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	page := filepath.Join(dir, pageFile)
	var b bytes.Buffer
	if err := report.Render(&b, d); err != nil {
		return "", err
	}
	return page, writeFile(page, b.Bytes())
}

// Trace opens the trace of cfg; the embedded one is made if the store does not have it.
func Trace(ctx context.Context, cfg Config) (*datasets.Trace, error) {
	store, _, err := openTrace(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return store.Trace(ctx, cfg.Trace)
}

// openTrace opens the store and makes the embedded trace up to date, if that is the
// one. It reports whether that changed anything.
func openTrace(ctx context.Context, cfg Config) (*parquet.Store, bool, error) {
	store, err := parquet.Open(cfg.Store)
	if err != nil || cfg.Trace != synthetic.Format {
		return store, false, err
	}
	in, err := synthetic.New(cfg.Synthetic)
	if err != nil {
		return nil, false, err
	}
	o := parquet.IngestOptions{Name: cfg.Trace, QuarantineLimit: cfg.QuarantineLimit}
	_, changed, err := store.Ingest(ctx, in, o)
	if errors.Is(err, parquet.ErrConflict) {
		// What was made under other options is made again; what somebody observed and
		// gave this name is not.
		if d, derr := store.Describe(cfg.Trace); derr == nil && d.Format == synthetic.Format {
			o.Replace = true
			_, changed, err = store.Ingest(ctx, in, o)
		}
	}
	return store, changed, err
}

// SimulationOptions are the options of a simulation of w under cfg.
func SimulationOptions(cfg Config, w datasets.Window) sim.Options { return simOptions(cfg, w) }

// Policies are the rows of a comparison by name. The name "all" is every policy that
// needs no bundle, and those that do if there is one.
func Policies(ctx context.Context, names []string, cfg Config, w datasets.Window, s *Subject) ([]sim.Contender, error) {
	var out []sim.Contender
	add := func(name string) error {
		if learned(name) {
			if s == nil {
				return fmt.Errorf("policy %q runs a bundle: name one with --bundle", name)
			}
			if name == scheduler.TrainedALPSName {
				if _, err := s.Models.TrainedALPS(); err != nil {
					return err
				}
				out = append(out, sim.Contender{Name: name, Sharing: sim.ALPS, New: func(*datasets.Trace, policy.Site) (scheduler.Stack, error) {
					return s.Models.TrainedALPS()
				}})
				return nil
			}
			out = append(out, sim.Contender{Name: name, New: ReplayVariant(ctx, name, s.Models, simOptions(cfg, w))})
			return nil
		}
		p, err := sim.Baseline(name, cfg.Seed)
		if err != nil {
			return err
		}
		out = append(out, p)
		return nil
	}
	for _, name := range names {
		if name != "all" {
			if err := add(name); err != nil {
				return nil, err
			}
			continue
		}
		for _, row := range scheduler.Baselines() {
			if err := add(row.Name); err != nil {
				return nil, err
			}
		}
		if s == nil {
			continue
		}
		for _, row := range scheduler.Learned() {
			if row.Name == scheduler.TrainedALPSName && s.Models.Slices == nil {
				continue // a bundle from before there were any
			}
			if err := add(row.Name); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// learned reports whether a policy of that name runs a bundle.
func learned(name string) bool {
	return slices.ContainsFunc(scheduler.Learned(), func(r scheduler.LearnedRow) bool { return r.Name == name })
}

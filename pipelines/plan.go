package pipelines

import (
	"context"
	"errors"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines/stage"
)

// A Plan is what `incendio plan --json` prints: which stages a run would go through.
type Plan struct {
	Run    string         `json:"run"` // "" where the trace is not there yet
	Folder string         `json:"folder"`
	Trace  string         `json:"trace"`
	Stages []PlannedStage `json:"stages"`
	// CostS is how long the stages that would run took when they last did, in seconds; perhaps ones
	// count. 0 where none has run before.
	CostS float64 `json:"cost_s"`
}

// A PlannedStage is one of them.
type PlannedStage struct {
	Name  string   `json:"name"`
	State string   `json:"state"` // run, perhaps or up to date
	Why   []string `json:"why,omitempty"`
	TookS float64  `json:"took_s"` // when it last ran; 0 if it never did
}

// MakePlan says what a run under cfg would do, and why. It writes nothing and runs nothing; the
// embedded trace, if the store does not have it as cfg wants it, makes every stage new.
func MakePlan(ctx context.Context, cfg Config, asOf time.Time, env Env) (*Plan, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		return nil, err
	}
	made, err := embedded(store, cfg)
	if err != nil {
		return nil, err
	}
	if !made {
		p := &Plan{Folder: cfg.Out, Trace: cfg.Trace}
		for _, name := range stageNames() {
			p.Stages = append(p.Stages, PlannedStage{Name: name, State: stage.Due, Why: []string{"the embedded trace is made first"}})
		}
		return p, nil
	}
	r, err := prepare(ctx, cfg, store, asOf, env)
	if err != nil {
		return nil, err
	}
	p := &Plan{Run: r.ID, Folder: r.Dir, Trace: cfg.Trace}
	planned, err := r.job.Plan(r.job.Stages[len(r.job.Stages)-1].Name)
	if err != nil {
		return nil, err
	}
	for _, s := range planned {
		p.Stages = append(p.Stages, PlannedStage{s.Name, s.State, s.Why, s.Took.Seconds()})
		if s.State != stage.Fresh {
			p.CostS += s.Took.Seconds()
		}
	}
	return p, nil
}

// embedded reports whether the trace need not be made: it is not the embedded one, or the store has
// it from the same options.
func embedded(store *parquet.Store, cfg Config) (bool, error) {
	if cfg.Trace != synthetic.Format {
		return true, nil
	}
	d, err := store.Describe(cfg.Trace)
	if errors.Is(err, parquet.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	in, err := synthetic.New(cfg.Synthetic)
	if err != nil {
		return false, err
	}
	want := in.Provenance().Files
	return d.Format != synthetic.Format || len(d.Files) == 1 && d.Files[0].SHA256 == want[0].SHA256, nil
}

// stageNames are those of [Job].
func stageNames() []string {
	var out []string
	for _, s := range Job(Material{Trace: &datasets.Trace{}}) {
		out = append(out, s.Name)
	}
	return out
}

package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
)

// minSpan is the number of minutes below which the parts of a trace are too short to
// mean anything.
const minSpan = 120

// Open prepares a run: the store, the trace (the synthetic one is made if it is not
// there), the split in time and the run folder. A zero asOf uses the whole trace;
// otherwise minutes from asOf on are as if they had not happened yet.
func Open(ctx context.Context, cfg Config, asOf time.Time, env Env) (*Run, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if env.Workers < 1 {
		return nil, fmt.Errorf("workers must be at least 1, got %d", env.Workers)
	}
	began := env.Now()
	store, changed, err := openTrace(ctx, cfg)
	if err != nil {
		return nil, err
	}
	r, err := prepare(ctx, cfg, store, asOf, env)
	if err != nil {
		return nil, err
	}
	if err := r.folder.Claim(); err != nil {
		return nil, err
	}
	r.Done = append(r.Done, stage.Done{
		Name: "ingest", Cached: !changed, Took: env.Now().Sub(began),
		Outcome: stage.Outcome{Summary: fmt.Sprintf("%d functions, %d invocations, %d days", r.description.Functions, r.material.Invocations, r.material.Trace.Days())},
	})
	return r, nil
}

// prepare does what is to be done before the first stage, and writes nothing.
func prepare(ctx context.Context, cfg Config, store *parquet.Store, asOf time.Time, env Env) (*Run, error) {
	r := &Run{AsOf: asOf, env: env}
	r.publisher = publisher{registry: bundle.NewRegistry(cfg.RegistryDir()), release: cfg.Release, log: env.Log}
	var err error
	if r.publisher.key, err = cfg.Release.Key(); err != nil {
		return nil, err
	}
	// A statement that has expired stops loaders, and not the run that renews it.
	if r.publisher.trust, err = cfg.Trust.Policy(time.Time{}, env.Log); err != nil {
		return nil, err
	}
	m := Material{Program: env.Version, Config: cfg.recorded()}
	if m.Trace, err = store.Trace(ctx, cfg.Trace); err != nil {
		return nil, err
	}
	if r.description, err = store.Describe(cfg.Trace); err != nil {
		return nil, err
	}
	recorded := m.Trace.Span
	if m.Splits, err = cfg.Windows.Cut(m.Trace, asOf); err != nil {
		return nil, err
	}
	m.Invocations = r.description.Invocations
	if m.Trace.Span != recorded {
		if m.Invocations, err = m.Trace.Invocations(ctx, m.Trace.Span); err != nil {
			return nil, err
		}
	}
	if err := Enough(cfg.Trace, m.Trace.Span); err != nil {
		return nil, err
	}
	if m.Holidays, err = cfg.Calendar(); err != nil {
		return nil, err
	}
	if r.ID, err = identity(m); err != nil {
		return nil, err
	}
	if m.Recorded, err = bundle.CanonicalJSON(m.Config); err != nil {
		return nil, err
	}
	r.Dir = cfg.Out
	if r.Dir == "" {
		r.Dir = filepath.Join(cfg.Store, "runs", r.ID)
	}
	r.folder = stage.Folder(r.Dir)
	m.Champion = r.publisher.rival(r.folder.Path(export.Folder))
	r.material = m
	r.job = &stage.Job{Folder: r.folder, Stages: Job(m), Code: env.Code, Now: env.Now, Log: env.Log, Progress: env.Progress, Workers: env.Workers}
	return r, nil
}

// Enough reports an error if the span of a trace is too short for a run.
func Enough(name string, span datasets.Window) error {
	if span.Len() < minSpan {
		return fmt.Errorf("trace %q spans %d minutes: a run needs at least %d to train, choose and judge on", name, span.Len(), minSpan)
	}
	return nil
}

// identity digests all that a run depends on: equal runs have equal ids.
func identity(m Material) (string, error) {
	config, err := json.Marshal(m.Config)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%v\n%s\n", m.Program, m.Trace.Digest, m.Trace.Span, config)
	return hex.EncodeToString(h.Sum(nil))[:12], nil
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

package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/export/bundle"
)

// A Run is one pass of the pipeline over a trace, and its folder:
//
//	frames/       what models see, as Parquet
//	models/       what the stages before the export learned
//	bundle/       the candidate
//	metrics.json  its validation, as `incendio validate --json` prints it
//	report.json   what the report shows, and report.html, the page
//	run.json      where all this lies, and the verdict
type Run struct {
	Dir  string
	ID   string // of inputs, configuration and program: equal runs have equal ids
	AsOf time.Time
	Done []Done

	cfg      Config
	env      Env
	log      *slog.Logger
	registry *bundle.Registry
	revision func() (string, error)

	trace       *datasets.Trace
	description parquet.Description
	invocations int64 // in the span of the trace
	splits      datasets.Splits
	holidays    []datasets.Holiday
}

// ErrRefused is returned by a run whose candidate a gate refused; the champion stays.
var ErrRefused = errors.New("candidate refused")

// ErrLocked is returned while another process works in the run folder.
var ErrLocked = errors.New("another process works in it")

// ErrFallback is returned by a run that finished, but an error or a time limit forced
// some functions to a simpler model.
var ErrFallback = errors.New("some functions fell back to a simpler model")

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
	r := &Run{cfg: cfg, env: env, log: env.Log, registry: bundle.NewRegistry(cfg.RegistryDir()), AsOf: asOf, revision: sync.OnceValues(env.Revision)}
	began := r.clock()
	store, changed, err := openTrace(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if r.trace, err = store.Trace(ctx, cfg.Trace); err != nil {
		return nil, err
	}
	if r.description, err = store.Describe(cfg.Trace); err != nil {
		return nil, err
	}
	r.invocations = r.description.Invocations
	if !asOf.IsZero() {
		until := int(asOf.Sub(r.trace.Start) / time.Minute)
		if until <= r.trace.Span.From {
			return nil, fmt.Errorf("as-of %s is before trace %q, which begins at %s", asOf.Format(time.RFC3339), cfg.Trace, r.trace.Time(r.trace.Span.From).Format(time.RFC3339))
		}
		r.trace.Span.To = min(r.trace.Span.To, until)
		if r.invocations, err = r.trace.Invocations(ctx, r.trace.Span); err != nil {
			return nil, err
		}
	}
	if r.trace.Span.Len() < minSpan {
		return nil, fmt.Errorf("trace %q spans %d minutes: a run needs at least %d to train, choose and judge on", cfg.Trace, r.trace.Span.Len(), minSpan)
	}
	r.splits = datasets.Split(r.trace.Span)
	if r.holidays, err = cfg.Calendar(); err != nil {
		return nil, err
	}
	if r.ID, err = r.id(); err != nil {
		return nil, err
	}
	r.Dir = cfg.Out
	if r.Dir == "" {
		r.Dir = filepath.Join(cfg.Store, "runs", r.ID)
	}
	if err := r.claim(); err != nil {
		return nil, err
	}
	r.Done = append(r.Done, Done{
		Name: "ingest", Cached: !changed, Took: r.clock().Sub(began),
		Outcome: Outcome{Summary: fmt.Sprintf("%d functions, %d invocations, %d days", r.description.Functions, r.invocations, r.trace.Days())},
	})
	return r, nil
}

// minSpan is the number of minutes below which the parts of a trace are too short to
// mean anything.
const minSpan = 120

// claim makes the run folder, or takes one that an earlier run left.
func (r *Run) claim() error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(r.Path(".stages")); err != nil {
			return fmt.Errorf("%s is not empty and not a run folder: choose another one", r.Dir)
		}
	}
	return os.MkdirAll(r.Path(".stages"), 0o755)
}

// Path joins elements to the run folder.
func (r *Run) Path(elem ...string) string {
	return filepath.Join(append([]string{r.Dir}, elem...)...)
}

func (r *Run) clock() time.Time { return r.env.Now() }

// recorded is the configuration that results depend on: not where things lie, nor
// how many workers there are. The seed of a run is that of all its parts.
func (r *Run) recorded() Config {
	c := r.cfg
	c.Store, c.Registry, c.Out, c.Workers = "", "", "", 0
	c.Forecast.Workers, c.Forecast.Trees.Workers = 0, 0
	c.Agent.Workers, c.Agent.Cluster.Workers = 0, 0
	c.Forecast.Seed, c.Agent.Seed = c.Seed, c.Seed
	return c
}

// id digests all that a run depends on.
func (r *Run) id() (string, error) {
	config, err := json.Marshal(r.recorded())
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%v\n%s\n", r.env.Version, r.trace.Digest, r.trace.Span, config)
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// when is the time that the journal gets.
func (r *Run) when() time.Time {
	if !r.AsOf.IsZero() {
		return r.AsOf
	}
	return r.clock()
}

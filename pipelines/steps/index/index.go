// Package index is the stage that learns the numbers of the index by simulation, and says
// whether the stack runs it: it does where it is not worse than native on the validation part, and
// better there than the priorities, the pool and the agents that the stages before have
// learned, or where these lose to native in a scenario that the trace does not contain.
package index

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/gates"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/scenario"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/agents"
	"github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	numbers "github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/index"
)

// Files that the stage writes.
const (
	File   = "models/index.json"          // the index
	Report = "models/index-training.json" // how it was learned
)

// Given is what the stage depends on.
type Given struct {
	replay.Ground
	Index index.Options
	SLO   scheduler.SLO
	Gates gates.Bounds // of scenarios
}

// A Contest is the index beside what else there is, on a scene of the validation part.
type Contest struct {
	index.Score          // of the index
	Stack        float64 `json:"stack_ms"` // mean latency of priorities, pool and agents
	StackDropped float64 `json:"stack_dropped"`
}

// Training is what the stage reports.
type Training struct {
	index.Result
	// Costs on the validation part at its own load and memory, as index.Score has them: less is
	// better.
	Cost       float64   `json:"cost"`
	StackCost  float64   `json:"stack_cost"`
	NativeCost float64   `json:"native_cost"`
	Contests   []Contest `json:"contests"`
	// Scenarios are what priorities, pool and agents do on what the trace does not contain.
	Scenarios []scenario.Result `json:"stack_scenarios"`
	Losses    []string          `json:"stack_losses"` // the rules of those that they lose to native
	Used      bool              `json:"used"`
}

// Lost says in which scenarios priorities, pool and agents lose to native, as the end of a
// sentence.
func (t *Training) Lost() string {
	if len(t.Losses) == 0 {
		return ""
	}
	return ", which lose to native by " + strings.Join(t.Losses, ", ")
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("index", []string{forecast.Models, tune.File, agents.Folder}, []string{File, Report}, stage.Always(given), learn)
}

// Read reads what the stage wrote.
func Read(from stage.Reader) (*scheduler.IndexSettings, *Training, error) {
	var s scheduler.IndexSettings
	var t Training
	if err := errors.Join(stage.ReadJSON(from, File, &s), stage.ReadJSON(from, Report, &t)); err != nil {
		return nil, nil, err
	}
	return &s, &t, s.Options.Validate()
}

// A stress is a platform that the trace does not show.
type stress struct {
	arrivals float64 // factor of the arrivals
	memory   float64 // factor of the memory of an invoker
}

// stresses are tried in turn, so that what is learned is for no one load.
var stresses = []stress{{1, 1}, {1.35, 1}, {1, 0.5}, {0.65, 1}, {1.35, 0.5}, {1.15, 0.75}}

// on is o under s. The memory is that of the largest function at least.
func (s stress) on(t *datasets.Trace, o sim.Options) sim.Options {
	var largest int64
	for i := range t.Functions {
		largest = max(largest, t.Functions[i].Memory)
	}
	o.ScaleArrivals *= s.arrivals
	o.Cluster.MemoryMB = min(o.Cluster.MemoryMB, max(int(s.memory*float64(o.Cluster.MemoryMB)), int((largest+1<<20-1)>>20)))
	return o
}

// String names the stress of a scene.
func (s stress) String() string {
	return fmt.Sprintf("arrivals x %g, memory x %g", s.arrivals, s.memory)
}

func learn(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	bar := at.Progress.Begin("index", given.Index.Generations)
	defer bar.End()
	rates, err := given.Rates(ctx)
	if err != nil {
		return stage.Outcome{}, err
	}
	onTrain, err := given.draw(ctx, given.Splits.Train, rates, len(stresses))
	if err != nil {
		return stage.Outcome{}, err
	}
	onValid, err := given.draw(ctx, given.Splits.Valid, rates, 3)
	if err != nil {
		return stage.Outcome{}, err
	}
	res, err := index.Learn(ctx, numbers.DefaultOptions(), onTrain, onValid, given.Index, train.Resources{Seed: given.Seed, Workers: at.Workers, Recorder: stage.Recorder{Bar: bar}})
	if err != nil {
		return stage.Outcome{}, err
	}
	t := &Training{Result: *res}
	if err := given.contest(ctx, at, rates, t); err != nil {
		return stage.Outcome{}, err
	}
	t.Used = t.Cost <= t.NativeCost && (t.Cost < t.StackCost || len(t.Losses) > 0)
	s := scheduler.IndexSettings{Options: res.Best.Options, Envelope: envelope.DefaultOptions(), Used: t.Used}
	what := "not used"
	if t.Used {
		what = "used"
	}
	out := stage.Outcome{Summary: fmt.Sprintf("numbers from %s, cost %.3f, native %.3f, priorities and agents %.3f: %s", res.Best.Origin, t.Cost, t.NativeCost, t.StackCost, what)}
	return out, errors.Join(stage.WriteJSON(at, File, s), stage.WriteJSON(at, Report, t))
}

// draw draws windows of a part as scenes, each under the next of the first n stresses, and at
// least n scenes.
func (g *Given) draw(ctx context.Context, part datasets.Window, rates []float64, n int) ([]*index.Stretch, error) {
	f := g.Frame(g.Learning.WindowMinutes, g.Learning.WindowRequests, rates)
	windows, err := g.Draw(ctx, part, g.Learning.Windows, f)
	if err != nil {
		return nil, err
	}
	trace := g.Trace.Value
	var out []*index.Stretch
	for i := range max(n, len(windows)) {
		w, s := windows[i%len(windows)], stresses[i%n]
		o, share := g.Options(w, f)
		scene, err := index.NewStretch(ctx, fmt.Sprintf("minutes %v, %v", w, s), trace, s.on(trace, o), scaled(rates, share*s.arrivals))
		if errors.Is(err, sim.ErrNoRequests) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, scene)
	}
	return out, nil
}

func scaled(rates []float64, by float64) []float64 {
	out := make([]float64, len(rates))
	for i, r := range rates {
		out[i] = by * r
	}
	return out
}

// contest compares the index with what the stages before have learned, and with native, on
// windows of the validation part as they are.
func (g *Given) contest(ctx context.Context, at *stage.Place, rates []float64, t *Training) error {
	model, err := forecast.Read(at)
	if err != nil {
		return err
	}
	_, settings, err := tune.Read(at, g.SLO)
	if err != nil {
		return err
	}
	learned := scheduler.Models{}
	if learned.Clusters, learned.Networks, err = agents.Read(at); err != nil {
		return err
	}
	f := g.Frame(g.Learning.WindowMinutes, g.Learning.WindowRequests, rates)
	windows, err := g.Draw(ctx, g.Splits.Valid, g.Learning.Windows, f)
	if err != nil {
		return err
	}
	scenes, err := g.Scenes(ctx, model, windows, f, rates, at.Workers)
	if err != nil {
		return err
	}
	for i, sc := range scenes {
		_, share := g.Options(windows[i], f)
		mine, err := index.NewStretch(ctx, fmt.Sprintf("minutes %v", windows[i]), g.Trace.Value, sc.Options, scaled(rates, share))
		if err != nil {
			return err
		}
		figures, err := mine.Try(ctx, t.Best.Options)
		if err != nil {
			return err
		}
		theirs, err := mine.Play(ctx, sc.Stack(settings.Parts(learned.Dispatcher(g.Seed, 0))))
		if err != nil {
			return err
		}
		native := figures
		native.Mean, native.Dropped = figures.Native, figures.NativeDropped
		n, drop := float64(len(scenes)), g.Index.DropCost
		t.Cost += figures.Cost(drop) / n
		t.StackCost += theirs.Cost(drop) / n
		t.NativeCost += native.Cost(drop) / n
		t.Contests = append(t.Contests, Contest{figures, theirs.Mean, theirs.Dropped})
	}
	// A bundle that loses a scenario is refused, however good it is on the trace.
	learned.Forecast, learned.Settings = model, settings
	for i, r := range rates {
		learned.Functions = append(learned.Functions, scheduler.FunctionInfo{Key: online.KeyOf(&g.Trace.Value.Functions[i]), PerMinute: r})
	}
	if err := learned.Compile(); err != nil {
		return err
	}
	t.Losses = []string{}
	if t.Scenarios, err = scenario.Around(ctx, g.Trace.Value, g.Simulation.Options(g.Splits.Valid, g.Seed), replay.Build(ctx, &learned), at.Workers); err != nil {
		return err
	}
	for _, s := range t.Scenarios {
		if r := s.Evidence().Judge(g.Gates); !r.OK {
			t.Losses = append(t.Losses, r.Rule)
		}
	}
	return nil
}

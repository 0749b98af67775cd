package scheduler

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/index"
)

// decisionsComponent has no file of its own: its golden cases are what the stacks of the other
// components decide together.
var decisionsComponent = component{
	name:   "decisions",
	since:  goldenVersion,
	golden: makeWorlds,
	replay: func(m *Models, g *Golden) error {
		if len(g.Worlds) == 0 {
			return fmt.Errorf("%s: no golden decisions", GoldenFile)
		}
		if len(g.Worlds) > maxWorlds {
			return fmt.Errorf("%s: %d worlds, expected at most %d", GoldenFile, len(g.Worlds), maxWorlds)
		}
		for i := range g.Worlds {
			if at, err := m.ReplayWorld(&g.Worlds[i]); err != nil {
				return fmt.Errorf("%s: decisions %d of world %d: %w", GoldenFile, at, i, err)
			}
		}
		return nil
	},
}

// A GoldenWorld is a small platform, what happened there, and what a stack decided.
type GoldenWorld struct {
	Stack       string           `json:"stack"` // a name of Learned, or goldenIndex
	Functions   []GoldenMember   `json:"functions"`
	Invokers    []GoldenInvoker  `json:"invokers"`
	Concurrency int              `json:"concurrency"`
	Start       time.Time        `json:"start"`  // of minute 0
	Minute      int              `json:"minute"` // at which the clock begins; the one of Start is 0
	Log         []GoldenDecision `json:"log"`
}

// goldenIndex is the stack of an index, whether "incendio" is it or not.
const goldenIndex = "index"

// A GoldenMember is a function of a world. Before the clock begins it was invoked Batch times in
// every minute whose number is a multiple of Period.
type GoldenMember struct {
	Key         forecast.Key `json:"key"`
	App         int32        `json:"app"`
	Memory      int64        `json:"memory"` // bytes
	CPU         float64      `json:"cpu"`
	Execution   decide.Time  `json:"execution_us"`
	Initialise  decide.Time  `json:"initialisation_us"`
	Termination decide.Time  `json:"termination_us"`
	Period      int          `json:"period"`
	Batch       float64      `json:"batch"`
}

// A GoldenInvoker is an invoker of a world.
type GoldenInvoker struct {
	Memory     int64   `json:"memory"` // bytes
	Cores      float64 `json:"cores"`
	StartLimit int     `json:"start_limit"`
}

// A GoldenDecision is an event and the answer to it as numbers: of the event the time since the
// clock began in us, kind, function, request, container and, in us, how long it took; when the
// scheduler wants to be woken after it, since the clock began, in us, or -1 for never; and of each decision kind, function,
// request, container, invoker and share.
type GoldenDecision []float64

// Columns of a GoldenDecision.
const (
	eventColumns    = 6
	decisionColumns = 6
)

// goldenHistory is how many minutes before the clock begins the forecaster is told of.
const goldenHistory = 90

// Bounds of worlds, so that a file cannot ask for all memory or time.
const (
	maxWorlds         = 256
	maxWorldFunctions = 64
	maxWorldInvokers  = 64
	maxWorldMinutes   = 1 << 24
	maxWorldLength    = 2 * day
	maxWorldFit       = 1 << 12 // containers of a function on an invoker
	maxWorldBatch     = 1 << 12
)

func (w *GoldenWorld) validate() error {
	if n := len(w.Functions); n < 1 || n > maxWorldFunctions {
		return fmt.Errorf("functions must be 1 to %d, got %d", maxWorldFunctions, n)
	}
	if n := len(w.Invokers); n < 1 || n > maxWorldInvokers {
		return fmt.Errorf("invokers must be 1 to %d, got %d", maxWorldInvokers, n)
	}
	if w.Minute < goldenHistory || w.Minute > maxWorldMinutes {
		return fmt.Errorf("minute must be in [%d, %d], got %d", goldenHistory, maxWorldMinutes, w.Minute)
	}
	if w.Concurrency < 1 || w.Concurrency > maxWorldFit {
		return fmt.Errorf("concurrency must be in [1, %d], got %d", maxWorldFit, w.Concurrency)
	}
	var room int64
	for i, v := range w.Invokers {
		if v.Memory < 1 || !(v.Cores > 0 && v.Cores <= maxWorldFit) || v.StartLimit < 0 || v.StartLimit > maxWorldFit {
			return fmt.Errorf("invoker %d: memory must be positive, cores in (0, %d] and start_limit in [0, %[2]d], got %d, %g and %d", i, maxWorldFit, v.Memory, v.Cores, v.StartLimit)
		}
		room = max(room, v.Memory)
	}
	for i := range w.Functions {
		f := &w.Functions[i]
		if f.Period < 1 || !(f.Batch >= 0 && f.Batch <= maxWorldBatch) {
			return fmt.Errorf("function %v: period must be at least 1 and batch in [0, %d], got %d and %g", f.Key, maxWorldBatch, f.Period, f.Batch)
		}
		if f.Memory < 1 || room/f.Memory > maxWorldFit {
			return fmt.Errorf("function %v: of %d bytes at most %d containers must fit an invoker", f.Key, f.Memory, maxWorldFit)
		}
		for _, t := range []decide.Time{f.Execution, f.Initialise, f.Termination} {
			if t < 0 || t > day {
				return fmt.Errorf("function %v: times must be in [0, %d] us, got %d", f.Key, day, t)
			}
		}
		if !(f.CPU >= 0 && f.CPU <= maxWorldFit) {
			return fmt.Errorf("function %v: cpu must be in [0, %d], got %g", f.Key, maxWorldFit, f.CPU)
		}
	}
	return nil
}

// open returns the scheduler of the world before the clock begins.
func (w *GoldenWorld) open(m *Models) (*Scheduler, error) {
	if err := w.validate(); err != nil {
		return nil, err
	}
	functions, profiles := make([]datasets.Function, len(w.Functions)), make([]decide.Profile, len(w.Functions))
	for i := range w.Functions {
		f := &w.Functions[i]
		functions[i] = datasets.Function{ID: datasets.FunctionID(i), Owner: f.Key.Owner, App: f.Key.App, Name: f.Key.Name}
		profiles[i] = decide.Profile{App: f.App, Memory: f.Memory, CPU: f.CPU, Execution: f.Execution, Initialise: f.Initialise, Termination: f.Termination}
	}
	var invokers []decide.InvokerSpec
	for _, i := range w.Invokers {
		invokers = append(invokers, decide.InvokerSpec{Memory: i.Memory, Cores: i.Cores, StartLimit: i.StartLimit})
	}
	stack, err := w.stack(m, functions)
	if err != nil {
		return nil, err
	}
	o := DefaultOptions()
	o.Concurrency = w.Concurrency
	return New(profiles, invokers, stack, o)
}

func (w *GoldenWorld) stack(m *Models, functions []datasets.Function) (Stack, error) {
	if w.Stack == goldenIndex {
		if m.Index == nil {
			return Stack{}, fmt.Errorf("the bundle has no %s", IndexFile)
		}
		return indexed(*m.Index, m.Rates(functions))
	}
	if m.Index != nil && m.Index.Used {
		return m.Variant(w.Stack, functions, nil, nil, w.start(), 1)
	}
	rt, err := forecast.NewRuntime(m.Forecast, functions, w.Start)
	if err != nil {
		return Stack{}, err
	}
	counts := make([]float64, len(functions))
	var first []forecast.Forecast
	for minute := w.Minute - goldenHistory; minute < w.Minute; minute++ {
		for i := range w.Functions {
			counts[i] = 0
			if f := &w.Functions[i]; minute%f.Period == 0 {
				counts[i] = f.Batch
			}
		}
		if minute < w.Minute-1 {
			rt.Prime(minute, counts)
		} else {
			first = slices.Clone(rt.Step(minute, counts))
		}
	}
	return m.Variant(w.Stack, functions, rt, first, w.start(), 1)
}

func (w *GoldenWorld) start() decide.Time { return decide.Time(w.Minute) * decide.Minute }

// answer lets s handle an event of w and returns the row of the log.
func (w *GoldenWorld) answer(s *Scheduler, ev decide.Event) (GoldenDecision, []decide.Decision, error) {
	ds, err := s.Handle(ev)
	if err != nil {
		return nil, nil, err
	}
	wake := -1.0
	if at := s.Wake(); at != decide.Forever {
		wake = float64(at - w.start())
	}
	row := GoldenDecision{
		float64(ev.At - w.start()), float64(ev.Kind), float64(ev.Function), float64(ev.Request), float64(ev.Container), float64(ev.Took), wake,
	}
	for _, d := range ds {
		row = append(row, float64(d.Kind), float64(d.Function), float64(d.Request), float64(d.Container), float64(d.Invoker), d.Share)
	}
	return row, ds, nil
}

// event is that of a row.
func (w *GoldenWorld) event(row GoldenDecision) (decide.Event, error) {
	if len(row) < eventColumns+1 || (len(row)-eventColumns-1)%decisionColumns != 0 {
		return decide.Event{}, fmt.Errorf("%d numbers, expected %d and %d for each decision", len(row), eventColumns+1, decisionColumns)
	}
	for _, v := range row[:eventColumns] {
		if !(v >= decide.None && v <= float64(maxWorldLength)) || v != math.Trunc(v) {
			return decide.Event{}, fmt.Errorf("an event must be of whole numbers in [-1, %d], got %g", maxWorldLength, v)
		}
	}
	if row[3] > float64(len(w.Log)) { // each row has one request more at most
		return decide.Event{}, fmt.Errorf("requests must have small numbers, got %g", row[3])
	}
	if row[1] < 0 || row[1] > float64(decide.Tick) {
		return decide.Event{}, fmt.Errorf("event kind must be in [0, %d], got %g", decide.Tick, row[1])
	}
	small := func(v float64) int32 { return int32(min(v, math.MaxInt32)) }
	return decide.Event{
		At: w.start() + decide.Time(row[0]), Kind: decide.EventKind(row[1]), Function: decide.FunctionID(small(row[2])),
		Request: decide.RequestID(small(row[3])), Container: decide.ContainerID(small(row[4])), Invoker: decide.None, Took: decide.Time(row[5]),
	}, nil
}

// errOtherwise is wrapped by the error of a decision that is not the recorded one.
var errOtherwise = errors.New("it is decided otherwise")

// ReplayWorld reports the first row of the log that m answers otherwise, and its number.
func (m *Models) ReplayWorld(w *GoldenWorld) (int, error) {
	s, err := w.open(m)
	if err != nil {
		return 0, err
	}
	for k, want := range w.Log {
		ev, err := w.event(want)
		if err != nil {
			return k, err
		}
		got, _, err := w.answer(s, ev)
		if err != nil {
			return k, fmt.Errorf("%w: %w", errOtherwise, err)
		}
		if !slices.EqualFunc(got, want, same) {
			return k, fmt.Errorf("%w: %v under %s, expected %v", errOtherwise, got[eventColumns:], w.Stack, want[eventColumns:])
		}
	}
	return len(w.Log), nil
}

// goldenWorlds are made. The log of each ends with goldenRows rows, or goldenAnswers of them that hold a decision.
const (
	goldenWorlds  = 24
	goldenRows    = 240
	goldenAnswers = 40
)

// makeWorlds makes the golden cases.
func makeWorlds(m *Models, in goldenInput, g *Golden) (err error) {
	g.Worlds, err = m.makeWorlds(in, goldenWorlds)
	return err
}

// MakeWorlds draws n worlds from rnd and records what m decides in them. Start is the midnight UTC
// of minute 0, and minute about the one at which clocks begin.
func (m *Models) MakeWorlds(start time.Time, minute int, rnd uint64, n int) ([]GoldenWorld, error) {
	return m.makeWorlds(goldenInput{seed.Stream(rnd, "worlds"), start, minute}, n)
}

// Decisions is how many events of the log were answered with a decision.
func (w *GoldenWorld) Decisions() int {
	n := 0
	for _, row := range w.Log {
		if len(row) > eventColumns+1 {
			n++
		}
	}
	return n
}

// makeWorlds records what the stacks of m decide in worlds of its functions: all stacks, every
// kind of platform, and as many functions as come up.
func (m *Models) makeWorlds(in goldenInput, n int) ([]GoldenWorld, error) {
	if len(m.Functions) == 0 {
		return nil, fmt.Errorf("%s has no function to decide about", FunctionsFile)
	}
	names := []string{IncendioName, IncendioName, IncendioName, WithoutScheduler, WithoutPredictor}
	if m.Index != nil && !m.Index.Used {
		names = append(names, goldenIndex)
	}
	var out []GoldenWorld
	for i := range n {
		w, err := m.recordWorld(names[i%len(names)], in, i)
		if err != nil {
			return nil, fmt.Errorf("world %d: %w", i, err)
		}
		out = append(out, *w)
	}
	return out, nil
}

// recordWorld makes world number i and what m decides in it.
func (m *Models) recordWorld(stack string, in goldenInput, i int) (*GoldenWorld, error) {
	w := drawWorld(m, stack, in, i)
	if err := w.record(m, in.src); err != nil {
		return nil, err
	}
	// What hangs on the last digits would come out otherwise on a machine that rounds
	// otherwise: the log ends before that.
	for range 2 {
		at, err := m.jittered(in.src).ReplayWorld(w)
		if err != nil && !errors.Is(err, errOtherwise) {
			return nil, err
		}
		w.Log = w.Log[:at]
	}
	return w, nil
}

// drawWorld draws a platform and functions of m, in the mean as many requests as it can serve, half as
// many, or twice as many.
func drawWorld(m *Models, stack string, in goldenInput, i int) *GoldenWorld {
	r := in.src
	w := &GoldenWorld{Stack: stack, Start: in.start, Minute: max(goldenHistory, in.minute) + i*97, Concurrency: 1 + i%7/6}
	n := min(len(m.Functions), 6+i%3*4)
	var memory int64
	var largest int64
	for k := range n {
		f := &m.Functions[(i*n+k*(1+len(m.Functions)/goldenWorlds/n))%len(m.Functions)]
		p := f.profile()
		g := GoldenMember{
			Key: f.Key, App: int32(k / 2), Memory: min(max(p.Memory, 16<<20), 8<<30), CPU: min(max(p.CPU, 0.1), 4),
			Execution: min(max(p.Execution, decide.Millisecond), 40*decide.Second), Initialise: min(max(p.Initialise, 20*decide.Millisecond), 30*decide.Second),
			Termination: min(p.Termination, 5*decide.Second), Period: 1 + r.IntN(12), Batch: float64(r.IntN(6)),
		}
		if slices.ContainsFunc(w.Functions, func(have GoldenMember) bool { return have.Key == g.Key }) {
			continue
		}
		w.Functions = append(w.Functions, g)
		memory += g.Memory
		largest = max(largest, g.Memory)
	}
	invokers := 1 + i%4
	share := []float64{0.35, 0.8, 3}[r.IntN(3)] / float64(invokers)
	for range invokers {
		w.Invokers = append(w.Invokers, GoldenInvoker{
			Memory: max(largest+largest/8, int64(share*float64(memory))), Cores: float64(1 + r.IntN(4)), StartLimit: r.IntN(3),
		})
	}
	return w
}

// record lets m decide in w.
func (w *GoldenWorld) record(m *Models, r *rand.Rand) error {
	s, err := w.open(m)
	if err != nil {
		return err
	}
	var cores, work float64
	for _, i := range w.Invokers {
		cores += i.Cores
	}
	weights := make([]float64, len(w.Functions))
	for k := range w.Functions {
		f := &w.Functions[k]
		weights[k] = math.Exp(r.NormFloat64()) / max(0.2, f.Execution.Seconds())
		work += weights[k] * f.Execution.Seconds() * f.CPU
	}
	rate := []float64{0.5, 1, 2}[r.IntN(3)] * cores / work // of a weight, in 1/s
	var queue heap.Heap[happening]
	order := 0
	happens := func(after decide.Time, ev decide.Event) {
		ev.At, ev.Invoker = s.Snapshot().Now()+max(1, after), decide.None
		queue.Push(happening{ev, order})
		order++
	}
	arrive := func(f int) {
		after := decide.Time(r.ExpFloat64() / (rate * weights[f]) * float64(decide.Second))
		if r.IntN(3) == 0 { // a burst
			after = decide.Time(r.IntN(int(50 * decide.Millisecond)))
		}
		happens(min(after, 10*decide.Minute), decide.Event{Kind: decide.Arrival, Function: decide.FunctionID(f), Request: decide.None, Container: decide.None})
	}
	var free []decide.RequestID
	next := decide.RequestID(0)
	ev := decide.Event{At: w.start(), Kind: decide.Tick, Function: decide.None, Request: decide.None, Container: decide.None, Invoker: decide.None}
	answers := 0
	for begun := false; len(w.Log) < goldenRows && answers < goldenAnswers; {
		row, ds, err := w.answer(s, ev)
		if err != nil {
			return err
		}
		if len(ds) > 0 {
			answers++
		}
		w.Log = append(w.Log, row)
		if !begun {
			begun = true
			for f := range w.Functions {
				arrive(f)
			}
		}
		took := func(expected decide.Time) decide.Time {
			return min(2*decide.Minute, decide.Time(float64(expected)*math.Exp(r.NormFloat64()/3)))
		}
		for _, d := range ds {
			at := decide.Event{Function: decide.None, Request: decide.None, Container: d.Container}
			switch f := d.Function; d.Kind {
			case decide.Run:
				at.Kind, at.Request, at.Took = decide.Completion, d.Request, took(w.Functions[f].Execution)
			case decide.Create:
				at.Kind, at.Took = decide.Ready, took(w.Functions[f].Initialise)
			case decide.End:
				at.Kind, at.Took = decide.Ended, took(w.Functions[f].Termination)
			case decide.Drop:
				free = append(free, d.Request)
				continue
			default:
				continue
			}
			at.Took = max(1, at.Took)
			happens(at.Took, at)
		}
		if ev.Kind == decide.Completion {
			free = append(free, ev.Request)
		}
		if wake := s.Wake(); len(queue) == 0 || wake <= queue[0].At {
			if wake == decide.Forever {
				return nil
			}
			ev = decide.Event{At: max(wake, s.Snapshot().Now()), Kind: decide.Tick, Function: decide.None, Request: decide.None, Container: decide.None, Invoker: decide.None}
			continue
		}
		if ev = queue.Pop().Event; ev.Kind == decide.Arrival {
			arrive(int(ev.Function))
			if n := len(free); n > 0 {
				ev.Request, free = free[n-1], free[:n-1]
			} else {
				ev.Request = next
				next++
			}
		}
	}
	return nil
}

// A happening is an event that is going to happen.
type happening struct {
	decide.Event
	order int
}

func (h happening) Before(o happening) bool { return h.At < o.At || h.At == o.At && h.order < o.order }

// jittered returns m with its numbers changed by about as much as machines round differently, and
// no more.
func (m *Models) jittered(r *rand.Rand) *Models {
	const double, single = 1e-12, 1e-6
	by := func(v, size float64) float64 { return v * (1 + size*(2*r.Float64()-1)) }
	out := *m
	out.Networks = map[string]*agent.Network{}
	for _, name := range NetworkFiles(m.Clusters) {
		n := m.Networks[name].Clone()
		for _, l := range n.Layers() {
			for i, v := range l.Weight {
				l.Weight[i] = float32(by(float64(v), single))
			}
		}
		out.Networks[name] = n
	}
	model := *m.Settings.Model
	for k := range model.Low {
		model.Low[k], model.High[k] = by(model.Low[k], double), by(model.High[k], double)
		model.High[k] = max(model.High[k], model.Low[k])
	}
	out.Settings.Model = &model
	if m.Index != nil {
		x := *m.Index
		for _, e := range []*index.Exponents{&x.Options.Order, &x.Options.Evict, &x.Options.KeepBy} {
			for _, v := range []*float64{&e.Exec, &e.Init, &e.Mem, &e.CPU, &e.Freq, &e.Clock, &e.Term} {
				*v = by(*v, double)
			}
		}
		for _, p := range index.Parameters() {
			p.Set(&x.Options, min(p.High, max(p.Low, p.Get(x.Options))))
		}
		out.Index = &x
	}
	return &out
}

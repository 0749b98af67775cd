package sim

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
	"unsafe"

	"github.com/incendio-faas/incendio/internal/memory"
)

// A Workload is the requests of a window of a trace and of the warm-up before it,
// in order of arrival. It may be shared by any number of runs at the same time.
type Workload struct {
	window datasets.Window // whose requests are counted
	from   int             // first minute, that of the warm-up
	seed   uint64
	scale  float64
	place  string // as Draw.Arrivals
	apps   *apps  // nil: containers are of functions

	held     bool      // items holds the requests; else they are drawn anew in every run
	items    []request // sorted by arrival
	first    uint64    // number of items[0]
	requests int64     // inside the window
	all      int64
}

// A request is an invocation in the units of the simulation.
type request struct {
	arrival  decide.Time
	work     decide.Time
	function decide.FunctionID
}

// Load draws the requests of d.Window once and holds them in memory, 24 bytes each.
func Load(ctx context.Context, t *datasets.Trace, d Draw) (*Workload, error) {
	w, err := Stream(ctx, t, d)
	if err != nil {
		return nil, err
	}
	if err := memory.Check(float64(w.all)*float64(unsafe.Sizeof(request{})), fmt.Sprintf("a window of %d requests", w.all)); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	items := make([]request, 0, w.all)
	err = w.each(ctx, t, func(_ uint64, r request) error {
		items = append(items, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	w.items, w.held = items, true
	return w, nil
}

// Stream is Load for windows that do not fit in memory: the requests, the same
// ones, are drawn day by day in every run. t.Day must then be safe for use by
// several goroutines if the workload is.
func Stream(ctx context.Context, t *datasets.Trace, d Draw) (*Workload, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	w := &Workload{window: d.Window, seed: d.Seed, scale: d.ScaleArrivals, place: d.Arrivals}
	if d.Unit == PerApp {
		w.apps = newApps(t)
	}
	if w.window.Len() == 0 {
		w.window = t.Span
	}
	w.from = d.Begin(t)
	src := w.source(t)
	for day := w.from / datasets.MinutesPerDay; day*datasets.MinutesPerDay < w.window.To; day++ {
		c, err := src.Day(ctx, day)
		if err != nil {
			return nil, fmt.Errorf("count requests: %w", err)
		}
		for i, m := range c.Minute {
			at := day*datasets.MinutesPerDay + int(m)
			if at < w.from || at >= w.window.To {
				continue
			}
			w.all += c.Count[i]
			if at >= w.window.From {
				w.requests += c.Count[i]
			}
		}
	}
	if w.requests == 0 {
		return nil, w.empty(t)
	}
	return w, nil
}

// Single is the workload of single invocations, sorted by arrival, for a trace that
// knows them. Those before d.Window are its warm-up; d.ScaleArrivals must be 1.
func Single(t *datasets.Trace, invocations []datasets.Invocation, d Draw) (*Workload, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if d.ScaleArrivals != 1 {
		return nil, fmt.Errorf("sim: scale_arrivals is %g: single invocations cannot be scaled", d.ScaleArrivals)
	}
	w := &Workload{window: d.Window, seed: d.Seed, scale: 1, place: Uniform, held: true}
	if d.Unit == PerApp {
		w.apps = newApps(t)
	}
	if w.window.Len() == 0 {
		w.window = t.Span
	}
	w.from = d.Begin(t)
	from, begin, to := decide.Time(w.from)*decide.Minute, decide.Time(w.window.From)*decide.Minute, decide.Time(w.window.To)*decide.Minute
	last := decide.Time(0)
	for n, inv := range invocations {
		r := request{decide.FromDuration(inv.Arrival), decide.FromDuration(inv.Duration), inv.Function}
		if r.arrival < last || r.work < 0 || r.function < 0 || int(r.function) >= len(t.Functions) {
			return nil, fmt.Errorf("sim: invocation %d, of function %d at %v for %v: must not be earlier than the one before, nor short of 0, and of one of %d functions",
				n, inv.Function, inv.Arrival, inv.Duration, len(t.Functions))
		}
		last = r.arrival
		if r.arrival < from || r.arrival >= to {
			continue
		}
		if w.apps != nil {
			r.function = w.apps.of[r.function]
		}
		if len(w.items) == 0 {
			w.first = uint64(n)
		}
		w.items = append(w.items, r)
		if r.arrival >= begin {
			w.requests++
		}
	}
	w.all = int64(len(w.items))
	if w.requests == 0 {
		return nil, w.empty(t)
	}
	return w, nil
}

func (w *Workload) empty(t *datasets.Trace) error {
	return fmt.Errorf("sim: %w in window %v of trace %q, which spans %v", ErrNoRequests, w.window, t.Name, t.Span)
}

// Requests is the number of requests that count.
func (w *Workload) Requests() int64 { return w.requests }

// Window is the range of minutes whose requests count.
func (w *Workload) Window() datasets.Window { return w.window }

// Cut returns the part of a loaded workload for the window c inside it, with a
// warm-up of up to the given minutes before. The requests are shared with w and
// keep their numbers, and so their draws. A part without requests that count is
// ErrNoRequests.
func (w *Workload) Cut(c datasets.Window, warmup int) (*Workload, error) {
	if !w.held {
		return nil, fmt.Errorf("sim: cut %v from a streamed workload: it must be loaded", c)
	}
	if c.From < w.from || c.To > w.window.To || c.Len() <= 0 || warmup < 0 {
		return nil, fmt.Errorf("sim: cut %v with %d minutes of warm-up: must lie in [%d, %d)", c, warmup, w.from, w.window.To)
	}
	part := *w
	part.window = c
	part.from = max(c.From-warmup, w.from)
	find := func(minute int) int {
		at := decide.Time(minute) * decide.Minute
		return sort.Search(len(w.items), func(i int) bool { return w.items[i].arrival >= at })
	}
	from, begin, to := find(part.from), find(c.From), find(c.To)
	part.items = w.items[from:to:to]
	part.first = w.first + uint64(from)
	part.requests = int64(to - begin)
	part.all = int64(to - from)
	if part.requests == 0 {
		return nil, fmt.Errorf("sim: %w in window %v", ErrNoRequests, c)
	}
	return &part, nil
}

// OfferedLoad is the work that the requests of o.Window ask for over what the cluster can
// do in it, core seconds / (cores * seconds): above 1 nobody can serve them all in time.
func OfferedLoad(ctx context.Context, t *datasets.Trace, o Options) (float64, error) {
	w, err := Stream(ctx, t, o.Draw)
	if err != nil {
		return 0, err
	}
	scheduled := w.scheduled(t)
	begin := decide.Time(w.window.From) * decide.Minute
	work := make([]decide.Time, len(scheduled.Functions))
	err = w.each(ctx, t, func(_ uint64, r request) error {
		if r.arrival >= begin {
			work[r.function] += r.work
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	var load float64
	for f := range work {
		load += work[f].Seconds() * scheduled.Functions[f].CPU
	}
	return load / (o.Cluster.TotalCores() * float64(w.window.Len()) * 60), nil
}

// each passes the requests to f in order of arrival, with their numbers.
func (w *Workload) each(ctx context.Context, t *datasets.Trace, f func(n uint64, r request) error) error {
	if w.held {
		for i, r := range w.items {
			if i&0xffff == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if err := f(w.first+uint64(i), r); err != nil {
				return err
			}
		}
		return nil
	}
	if w.apps != nil {
		t = w.apps.base
	}
	scaled := *t
	scaled.Source = w.source(t)
	place := datasets.Uniform
	switch w.place {
	case Equidistant:
		place = datasets.Equidistant
	case MinuteStart:
		place = datasets.MinuteStart
	}
	n := uint64(0)
	for inv, err := range datasets.Placed(ctx, &scaled, datasets.Window{From: w.from, To: w.window.To}, w.seed, place) {
		if err != nil {
			return fmt.Errorf("read arrivals: %w", err)
		}
		r := request{decide.FromDuration(inv.Arrival), decide.FromDuration(inv.Duration), inv.Function}
		if w.apps != nil {
			r.function = w.apps.of[r.function]
		}
		if err := f(n, r); err != nil {
			return err
		}
		n++
	}
	return nil
}

// source is the trace's own, with the counts scaled, and drawn where they are only means.
func (w *Workload) source(t *datasets.Trace) datasets.Source {
	switch {
	case w.place == Poisson:
		return &countSource{t.Source, seed.Key(w.seed, "poisson arrivals"), func(count int64, u float64) int64 {
			return int64(queueing.PoissonQuantile(float64(count)*w.scale, u))
		}}
	case w.scale != 1:
		// Rounded up or down at random so that the expectation is kept.
		return &countSource{t.Source, seed.Key(w.seed, "scale arrivals"), func(count int64, u float64) int64 {
			want := float64(count) * w.scale
			whole := math.Floor(want)
			if u < want-whole {
				whole++
			}
			return int64(whole)
		}}
	}
	return t.Source
}

// A countSource has other counts than its source: functions of those and of a draw
// from [0, 1), which belongs to the function and the minute.
type countSource struct {
	datasets.Source
	key   uint64
	count func(count int64, u float64) int64
}

func (s *countSource) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	c, err := s.Source.Day(ctx, day)
	if err != nil {
		return nil, err
	}
	out := &datasets.Counts{
		Day:    c.Day,
		Offset: slices.Clone(c.Offset),
		Minute: make([]int32, 0, len(c.Minute)),
		Count:  make([]int64, 0, len(c.Count)),
	}
	for f := range len(c.Offset) - 1 {
		out.Offset[f] = len(out.Count)
		minute, count := c.Function(datasets.FunctionID(f))
		for i, m := range minute {
			at := uint64(day)*datasets.MinutesPerDay + uint64(m)
			if n := s.count(count[i], seed.Uniform(s.key, at<<32|uint64(f))); n > 0 {
				out.Minute = append(out.Minute, m)
				out.Count = append(out.Count, n)
			}
		}
	}
	out.Offset[len(out.Offset)-1] = len(out.Count)
	return out, nil
}

// draws are the start costs, the same for every policy.
type draws struct {
	functions  []datasets.Function
	fixed      []fixed // by function
	prewarms   []uint32
	initialise uint64 // keys of the purposes, for containers created for a request
	terminate  uint64
	prewarm    uint64 // and for others
	retire     uint64
}

// fixed are start costs that do not vary, so that nothing has to be drawn; -1 where they do.
type fixed struct{ initialise, terminate decide.Time }

func newDraws(t *datasets.Trace, rnd uint64) *draws {
	d := &draws{
		functions:  t.Functions,
		fixed:      make([]fixed, len(t.Functions)),
		prewarms:   make([]uint32, len(t.Functions)),
		initialise: seed.Key(rnd, "initialisation"),
		terminate:  seed.Key(rnd, "termination"),
		prewarm:    seed.Key(rnd, "prewarm initialisation"),
		retire:     seed.Key(rnd, "prewarm termination"),
	}
	for i := range t.Functions {
		d.fixed[i] = fixed{constant(t.Functions[i].Initialisation), constant(t.Functions[i].Termination)}
	}
	return d
}

func constant(d datasets.Distribution) decide.Time {
	if len(d.Value) == 0 {
		return 0
	}
	if d.Value[0] != d.Value[len(d.Value)-1] {
		return -1
	}
	return decide.FromDuration(d.Value[0])
}

// container returns what it takes to initialise and later to terminate a new
// container of f, created for request number n or, where forRequest is false, for
// none in particular.
func (d *draws) container(f decide.FunctionID, n uint64, forRequest bool) (initialise, terminate decide.Time) {
	keyI, keyT := d.initialise, d.terminate
	if !forRequest {
		keyI, keyT = d.prewarm, d.retire
		n = uint64(f)<<32 | uint64(d.prewarms[f])
		d.prewarms[f]++
	}
	initialise, terminate = d.fixed[f].initialise, d.fixed[f].terminate
	if initialise < 0 {
		initialise = draw(d.functions[f].Initialisation, keyI, n)
	}
	if terminate < 0 {
		terminate = draw(d.functions[f].Termination, keyT, n)
	}
	return initialise, terminate
}

func draw(d datasets.Distribution, key, n uint64) decide.Time {
	return decide.FromDuration(d.Quantile(seed.Uniform(key, n)))
}

package index_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

const (
	s  = decide.Second
	ms = decide.Millisecond
	mb = 1 << 20
)

// TestParameters: every name is there once, sets what it reads, and is refused beyond its range
// by that name.
func TestParameters(t *testing.T) {
	seen := map[string]bool{}
	base := index.DefaultOptions()
	if err := base.Validate(); err != nil {
		t.Fatal(err)
	}
	for i, p := range index.Parameters() {
		if seen[p.Name] || p.Doc == "" || !(p.Low < p.High) || p.Log && p.Low <= 0 {
			t.Errorf("parameter %+v", p)
		}
		seen[p.Name] = true
		o := base
		p.Set(&o, p.Low+0.25*(p.High-p.Low))
		for j, q := range index.Parameters() {
			if changed := q.Get(o) != q.Get(base); changed && i != j {
				t.Errorf("%s sets %s", p.Name, q.Name)
			}
		}
		if got, want := p.Get(o), p.Low+0.25*(p.High-p.Low); got != want {
			t.Errorf("%s is %g after it was set to %g", p.Name, got, want)
		}
		for _, v := range []float64{p.Low - 1, p.High + 1, math.NaN()} {
			p.Set(&o, v)
			if _, err := index.New(o, nil); err == nil || !strings.Contains(err.Error(), "index: "+p.Name+" must be a number in [") {
				t.Errorf("%s = %g: %v", p.Name, v, err)
			}
		}
	}
}

// A platform is a state and the index that decides on it.
type platform struct {
	*decide.State
	*index.Index
	t *testing.T
}

func newPlatform(t *testing.T, o index.Options, specs []decide.InvokerSpec, profiles ...decide.Profile) *platform {
	t.Helper()
	state, err := decide.NewState(profiles, specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	state.SetTimeout(60 * s)
	x, err := index.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &platform{state, x, t}
}

func (p *platform) warm(f decide.FunctionID, i decide.InvokerID) decide.ContainerID {
	c := p.NewContainer(f, i, decide.None)
	if _, ok := p.Admit(i); !ok {
		p.t.Fatalf("no room for a container of %d on %d", f, i)
	}
	p.Initialised(c, p.Snapshot().Initialise(f))
	return c
}

func (p *platform) arrive(r decide.RequestID, f decide.FunctionID) {
	p.Arrive(r, f)
	p.Observe(p.Snapshot(), decide.Event{At: p.Snapshot().Now(), Kind: decide.Arrival, Function: f, Request: r})
}

func (p *platform) next() (decide.Start, decide.InvokerID, bool) {
	v := p.Snapshot()
	st, ok := p.Next(v, decide.Event{At: v.Now(), Kind: decide.Tick, Function: decide.None})
	if !ok {
		return st, decide.None, false
	}
	if st.Container != decide.None {
		return st, v.Invoker(st.Container), true
	}
	f, _ := v.Request(st.Request)
	i, _ := p.Place(v, f)
	return st, i, true
}

var two = []decide.InvokerSpec{{Memory: 1024 * mb, Cores: 4}, {Memory: 1024 * mb, Cores: 4}}

// TestWarmOnTheLeastLoaded: of two idle containers it takes the one beside which less executes,
// although the other was used last.
func TestWarmOnTheLeastLoaded(t *testing.T) {
	p := newPlatform(t, index.DefaultOptions(), two,
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: s}, decide.Profile{Memory: 100 * mb, CPU: 2, Execution: s, Initialise: s})
	want := p.warm(0, 0)
	busy := p.warm(1, 1)
	p.arrive(0, 1)
	p.Dequeue(0)
	p.Execute(0, busy)
	p.warm(0, 1)
	p.arrive(1, 0)
	if st, _, ok := p.next(); !ok || st.Container != want {
		t.Errorf("start %+v, want container %d", st, want)
	}
}

// TestShortFirst: the order is that of expected work, the start of a container counted, until
// one has waited for long enough.
func TestShortFirst(t *testing.T) {
	o := index.DefaultOptions()
	o.Order.Clock = -0.19
	p := newPlatform(t, o, two,
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: 3 * s, Initialise: s}, // 0: warm
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: s})     // 1: 1 + 1.34 s
	p.warm(0, 0)
	p.arrive(0, 0)
	p.Advance(100 * ms)
	p.arrive(1, 1)
	p.Advance(110 * ms)
	if st, _, _ := p.next(); st.Request != 0 { // 0.81 ln 3 - 0.19 ln 0.11 < 0.81 ln 2.34 - 0.19 ln 0.01
		t.Errorf("start %+v, want request 0, which has waited for much longer", st)
	}
	p.Advance(30 * s)
	if st, _, _ := p.next(); st.Request != 1 {
		t.Errorf("start %+v, want request 1, which is shorter", st)
	}
}

// TestHeld: a long request is held at the limit of its class until its time is nearly
// over, and a short one is not.
func TestHeld(t *testing.T) {
	o := index.DefaultOptions()
	o.LongLimit, o.Release, o.ReleaseSpare = 1, 1, 0
	long := decide.Profile{Memory: 100 * mb, CPU: 4, Execution: 100 * s, Initialise: s}
	p := newPlatform(t, o, two[:1], long, decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: s})
	busy := p.warm(0, 0)
	p.warm(0, 0)
	p.arrive(0, 0)
	if st, _, ok := p.next(); !ok || st.Request != 0 {
		t.Fatalf("start %+v, %v, want request 0: nothing executes", st, ok)
	}
	p.Dequeue(0)
	p.Execute(0, busy)
	p.arrive(1, 0)
	if st, _, ok := p.next(); ok {
		t.Errorf("start %+v at the limit", st)
	}
	p.Resize(busy, 0.1)
	if st, _, ok := p.next(); ok {
		t.Errorf("start %+v at the limit: what deflation frees is not for long ones", st)
	}
	p.arrive(2, 1)
	if st, _, ok := p.next(); !ok || st.Request != 2 {
		t.Errorf("start %+v, %v, want the short one", st, ok)
	}
	p.Abandon(2)
	p.Advance(29 * s)
	if st, _, ok := p.next(); ok {
		t.Errorf("start %+v before half of the time is over", st)
	}
	p.Advance(31 * s)
	if st, _, ok := p.next(); !ok || st.Request != 1 {
		t.Errorf("start %+v, %v, want request 1: its limit has risen", st, ok)
	}
}

// TestNewContainers: a function with a busy container gets another one where its queue is
// worth a start, later if it has to evict, and in any case when half of the time is over.
func TestNewContainers(t *testing.T) {
	o := index.DefaultOptions()
	o.Kappa, o.KappaEvict = 1, 2
	p := newPlatform(t, o, []decide.InvokerSpec{{Memory: 300 * mb, Cores: 8}},
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: 2500 * ms},
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: s})
	busy := p.warm(0, 0)
	p.arrive(0, 0)
	p.Dequeue(0)
	p.Execute(0, busy)
	for r := range decide.RequestID(2) {
		p.arrive(1+r, 0)
		if st, _, ok := p.next(); ok {
			t.Errorf("start %+v for %d waiting", st, r+1)
		}
	}
	p.arrive(3, 0)
	if st, _, ok := p.next(); !ok || st.Container != decide.None {
		t.Errorf("start %+v, %v: 3 x 1 s > 1 x 2.5 s", st, ok)
	}
	p.warm(1, 0)
	p.warm(1, 0)
	if st, _, ok := p.next(); ok {
		t.Errorf("start %+v: 3 x 1 s < 2 x 2.5 s", st)
	}
	p.Advance(31 * s)
	if _, _, ok := p.next(); !ok {
		t.Error("the oldest one has waited for half of its time")
	}
}

// TestEvict: what is worth the least goes first: what starts soonest, then one of two of a
// function, then what is asked for less often.
func TestEvict(t *testing.T) {
	p := newPlatform(t, index.DefaultOptions(), two[:1],
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: s},
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: 3 * s},
		decide.Profile{Memory: 100 * mb, CPU: 1, Execution: s, Initialise: 3 * s})
	for at := decide.Time(0); at <= 24*s; at += s {
		for f, gap := range []decide.Time{10 * s, 10 * s, 12 * s} {
			if at%gap == 0 {
				p.Advance(at)
				p.arrive(0, decide.FunctionID(f))
				p.Abandon(0)
			}
		}
	}
	second := p.warm(1, 0)
	p.warm(1, 0)
	rare, quick := p.warm(2, 0), p.warm(0, 0)
	for _, want := range []decide.ContainerID{quick, second, rare} {
		c, ok := p.Evict(p.Snapshot(), 0, 0, false)
		if !ok || c != want {
			t.Errorf("evicts %d, %v, want %d", c, ok, want)
		}
		p.Terminate(c)
	}
}

// world is a small platform and what is asked of it, drawn from rnd.
func world(rnd uint64) (*datasets.Trace, sim.Options) {
	src := rand.New(rand.NewPCG(rnd, 1))
	n, minutes := 1+src.IntN(12), 4
	tr := &datasets.Trace{Name: "world", Span: datasets.Window{From: 0, To: minutes}}
	c := &datasets.Counts{Offset: []int{0}}
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 1+src.IntN(3), 1+float64(src.IntN(4)), 256+128*src.IntN(8)
	o.Seed, o.WarmupMinutes = rnd, 0
	work := 0.0
	for f := range n {
		d := time.Duration(float64(20*time.Millisecond) * math.Exp(6*src.Float64()*src.Float64()))
		init := time.Duration(float64(100*time.Millisecond) * math.Exp(4*src.Float64()))
		cpu := 0.25 * float64(1+src.IntN(4))
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(f), Owner: "o", App: fmt.Sprint("a", f), Name: "f", Memory: int64(32+32*src.IntN(7)) * mb, CPU: cpu,
			Execution:      datasets.Distribution{Prob: []float64{0, 0.5, 1}, Value: []time.Duration{d / 2, d, 3 * d}},
			Initialisation: datasets.Constant(init), Termination: datasets.Constant(init / 4),
		})
		for m := range minutes {
			if k := src.IntN(60); src.IntN(3) > 0 && k > 0 {
				c.Minute = append(c.Minute, int32(m))
				c.Count = append(c.Count, int64(k))
				work += float64(k) * tr.Functions[f].Execution.Mean().Seconds() * cpu
			}
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	tr.Source = datasets.Memory{c}
	load := 0.3 + src.Float64()
	if work > 0 {
		o.ScaleArrivals = load * o.Cluster.TotalCores() * float64(minutes) * 60 / work
	}
	if most := 4000.0; work > 0 {
		total := 0.0
		for _, k := range c.Count {
			total += float64(k)
		}
		o.ScaleArrivals = min(o.ScaleArrivals, most/total)
	}
	return tr, o
}

// TestSmallWorlds: on platforms drawn at random nothing is lost, memory is never exceeded (the
// simulator stops where a book does not agree), every request that waits is started or
// dropped at its time-out, and no more are dropped than under native, in the mean; with twice
// the memory not more either.
func TestSmallWorlds(t *testing.T) {
	const worlds = 250
	var diff, square, doubled, ours, theirs float64
	n := 0.0
	for rnd := range uint64(worlds) {
		tr, o := world(rnd)
		w, err := sim.Load(context.Background(), tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		if w.Requests() == 0 {
			continue
		}
		share := func(name string, memory int) float64 {
			o := o
			o.Cluster.MemoryMB *= memory
			p, err := sim.Baseline(name, rnd)
			if err != nil {
				t.Fatal(err)
			}
			r, err := sim.Run(context.Background(), tr, w, p.New, o)
			if err != nil {
				t.Fatalf("world %d: %s: %v", rnd, name, err)
			}
			if got := r.Warm + r.Cold + r.DelayedWarm + r.Dropped; got != w.Requests() {
				t.Errorf("world %d: %s ends %d requests of %d", rnd, name, got, w.Requests())
			}
			return float64(r.Dropped) / float64(r.Requests)
		}
		a, b := share(policy.IndexName, 1), share(sim.Native, 1)
		ours, theirs, doubled = ours+a, theirs+b, doubled+share(policy.IndexName, 2)
		diff, square, n = diff+a-b, square+(a-b)*(a-b), n+1
	}
	mean := diff / n
	half := 1.96 * math.Sqrt((square/n-mean*mean)/n)
	t.Logf("%g worlds: share dropped %.5f, native %.5f, difference %.5f +- %.5f, with twice the memory %.5f", n, ours/n, theirs/n, mean, half, doubled/n)
	if mean-half > 0 {
		t.Errorf("more is dropped than under native: %.5f +- %.5f of the requests", mean, half)
	}
	if doubled > ours {
		t.Errorf("with twice the memory %.5f of the requests are dropped, %.5f with less", doubled/n, ours/n)
	}
}

// crowd is 1,000 requests of 500 functions that wait on 8 invokers full of busy and idle
// containers.
func crowd(t testing.TB) (*decide.State, *index.Index) {
	src := rand.New(rand.NewPCG(1, 1))
	profiles := make([]decide.Profile, 500)
	for f := range profiles {
		profiles[f] = decide.Profile{
			Memory: int64(32+src.IntN(200)) * mb, CPU: 1, Execution: decide.Time(1+src.IntN(20000)) * ms, Initialise: decide.Time(100+src.IntN(3000)) * ms,
		}
	}
	specs := make([]decide.InvokerSpec, 8)
	for i := range specs {
		specs[i] = decide.InvokerSpec{Memory: 4096 * mb, Cores: 8}
	}
	state, err := decide.NewState(profiles, specs, 1)
	if err != nil {
		t.Fatal(err)
	}
	state.SetTimeout(60 * s)
	x, err := index.New(index.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := decide.RequestID(0)
	observe := func(kind decide.EventKind, f decide.FunctionID, c decide.ContainerID) {
		x.Observe(state.Snapshot(), decide.Event{At: state.Snapshot().Now(), Kind: kind, Function: f, Request: r, Container: c})
	}
	for i := range decide.InvokerID(8) {
		for k := 0; ; k++ {
			f := decide.FunctionID(src.IntN(500))
			if state.Snapshot().Unclaimed(i) < profiles[f].Memory {
				break
			}
			c := state.NewContainer(f, i, decide.None)
			state.Admit(i)
			state.Initialised(c, profiles[f].Initialise)
			if k%4 != 0 {
				state.Arrive(r, f)
				state.Dequeue(r)
				state.Execute(r, c)
				r++
			}
		}
	}
	for range 1000 {
		state.Advance(state.Snapshot().Now() + 20*ms)
		f := decide.FunctionID(src.IntN(500))
		state.Arrive(r, f)
		observe(decide.Arrival, f, decide.None)
		r++
	}
	return state, x
}

// decideOnce is a whole look at what waits, and the choice of a victim on every invoker.
func decideOnce(state *decide.State, x *index.Index) {
	v := state.Snapshot()
	tick := decide.Event{At: v.Now(), Kind: decide.Tick, Function: decide.None}
	x.Observe(v, tick)
	for ok := true; ok; _, ok = x.Adjust(v) {
	}
	x.Next(v, tick)
	for i := range decide.InvokerID(v.Invokers()) {
		x.Evict(v, i, 0, false)
	}
}

// TestDecisionsAllocateNothing in the steady state.
func TestDecisionsAllocateNothing(t *testing.T) {
	state, x := crowd(t)
	decideOnce(state, x)
	if n := testing.AllocsPerRun(20, func() { decideOnce(state, x) }); n != 0 {
		t.Errorf("a decision allocates %g times", n)
	}
}

// BenchmarkDecision is a decision at 1,000 waiting requests of 500 functions on 8 invokers: what
// an event costs at which everything has to be looked at.
func BenchmarkDecision(b *testing.B) {
	state, x := crowd(b)
	v := state.Snapshot()
	for b.Loop() {
		x.Observe(v, decide.Event{At: v.Now(), Kind: decide.Tick, Function: decide.None})
		x.Next(v, decide.Event{At: v.Now(), Kind: decide.Tick, Function: decide.None})
	}
}

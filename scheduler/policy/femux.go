package policy

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

// FeMuxOptions are the parameters of [FeMux].
type FeMuxOptions struct {
	Block  int     // minutes after which forecasters are chosen anew, >= 16
	Cold   float64 // weight of cold starts in RUM, >= 0; FeMux-CS has 4
	Memory float64 // weight of wasted memory in RUM, >= 0; FeMux-Mem has 4
}

// DefaultFeMuxOptions are blocks of 504 minutes and equal weights, as published.
func DefaultFeMuxOptions() FeMuxOptions { return FeMuxOptions{Block: 504, Cold: 1, Memory: 1} }

const (
	femuxPeriod  = decide.Minute
	femuxHistory = 120 // minutes that forecasts look back on
	femuxLags    = 10  // of the autoregressions, and harmonics
	femuxRefit   = 30  // minutes between two fits of a model that is updated in between
	femuxLeast   = 8e-6
	femuxStates  = 65 // of the chain: containers, the last one for more
)

// FeMux is the forecaster of "FeMux" (EuroSys 2026), after the authors' artefact. Once a minute
// a forecaster says the mean number of requests in the system in the next minute; rounded
// up, it is the containers that a function has. Which forecaster that is, is chosen for each
// function after every block of 504 minutes: functions whose block looks alike get the one
// that would have had the least RUM,
//
//	RUM = [decide.RUMColdStart] s * cold starts + wasted GB s / [decide.RUMMemory]
//
// on the blocks so far. The forecasters, on the last 120 minutes:
//
//	maximum of the last 5, and of the last 10 minutes (a keep-alive)
//	exponential smoothing and Holt's (timeseries.Holt), fitted anew every 30 minutes
//	AR(10); SETAR(10), fitted anew every 30 minutes
//	a line and ten harmonics (timeseries.Fourier)
//	a Markov chain over the containers
//
// What it would have cost is counted by the artefact's rule: in a minute of mean concurrency c
// and n arrivals, where k containers were forecast, min(n, max(0, ceil(c) - k)) cold starts,
// and k containers for the whole minute and those that started cold for half of it, less c, wasted.
//
// Blocks look alike that have the same density (mean concurrency, by power of ten),
// stationarity and linearity (by test) and harmonics (none, one or two, more): see package
// timeseries. The paper clusters these features by k-means over thousands of
// applications, before it runs; a policy here begins with no history, so the classes are
// this fixed grid, and RUM is summed as blocks end. Until one is over, what there is of the first block
// is looked at after an eighth, a quarter and a half of it; before that, the maximum of ten minutes
// forecasts. The chain takes the most frequent transition, where the artefact draws one. SETAR
// has two regimes, the artefact's up to three.
//
// Series are of functions, not applications, unless containers are (simulate
// --unit app). A request that finds no container starts one under [FCFS]; idle containers
// beyond the forecast end with the minute, and the least recently used one where there is no room.
func FeMux(profiles []decide.Profile, start decide.Time, o FeMuxOptions) Stack {
	p := &femux{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(femuxPeriod, len(profiles)), opts: o,
		begin: start / femuxPeriod, look: o.Block / 8,
		functions: make([]femuxFunction, len(profiles)), classes: make(map[femuxClass]*femuxRUM),
		bank: newFemuxBank(), block: make([]float64, o.Block),
	}
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: LeastLoaded{}}
}

// femux is the pool of [FeMux].
type femux struct {
	LRU
	periods
	fleet
	opts      FeMuxOptions
	begin     decide.Time // minute of the start
	look      int         // minutes since then at which forecasters are chosen next
	whole     bool        // at least one block is over
	functions []femuxFunction
	known     []decide.FunctionID // with requests so far, in order of appearance
	classes   map[femuxClass]*femuxRUM
	bank      *femuxBank
	block     []float64
}

// A femuxClass is what blocks look like.
type femuxClass struct {
	density            int8
	linear, stationary bool
	harmonics          int8
}

// femuxRUM is what forecasters would have cost.
type femuxRUM [femuxForecasters]float64

// femuxFunction is what is known of a function.
type femuxFunction struct {
	series   history // of mean concurrency, a block long
	models   femuxModels
	forecast [femuxForecasters]float64 // of the minute
	rum      femuxRUM                  // of the block so far
	choice   int
	known    bool
}

// Wake implements decide.Pool.
func (p *femux) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool.
func (p *femux) Adjust(s decide.Snapshot) (decide.Adjustment, bool) { return p.fleet.Adjust(s) }

// Deployed implements decide.Deployer.
func (p *femux) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.periods.Deployed(s, f, profile)
	p.functions = upTo(p.functions, f+1, femuxFunction{})
}

// Observe implements decide.Pool.
func (p *femux) Observe(s decide.Snapshot, ev decide.Event) {
	if !p.see(s, ev) {
		return
	}
	minute := int(ev.At/femuxPeriod - p.begin) // that begins now
	for _, id := range p.active {
		f := &p.functions[id]
		if !f.known {
			f.known, f.choice = true, femuxMaximum10
			p.known = append(p.known, id)
		}
		f.series.fill(minute-1, p.opts.Block)
		mean, _, arrivals := p.take(s, id)
		p.charge(f, mean, float64(arrivals), float64(s.Memory(id))/(1<<30))
		f.series.add(mean, p.opts.Block)
		p.bank.forecast(f)
	}
	if minute >= p.look {
		p.choose(minute)
	}
	p.done(func(id decide.FunctionID) bool {
		f := &p.functions[id]
		n := femuxContainers(f.forecast[f.choice])
		p.want(s, id, n)
		return n == 0 && s.Live(id) == 0 && p.bank.rest(f)
	})
	p.settle(s)
}

// femuxContainers is how many containers a mean concurrency needs.
func femuxContainers(c float64) int {
	if c < femuxLeast {
		return 0
	}
	return int(math.Ceil(c))
}

// charge adds what the minute would have cost under each forecaster, with the mean
// concurrency c, so many arrivals and a container of so many GB.
func (p *femux) charge(f *femuxFunction, c, arrivals, gb float64) {
	need := femuxContainers(c)
	for k, v := range f.forecast {
		had := femuxContainers(v)
		cold := min(arrivals, float64(max(0, need-had)))
		wasted := max(0, float64(had)+cold/2-c) * gb * femuxPeriod.Seconds()
		f.rum[k] += p.opts.Cold*decide.RUMColdStart*cold + p.opts.Memory*wasted/decide.RUMMemory
	}
}

// choose gives every function the forecaster that had the least RUM on blocks that look like
// its own.
func (p *femux) choose(minute int) {
	whole := minute >= p.opts.Block
	length := p.opts.Block
	if whole {
		p.look = minute - minute%p.opts.Block + p.opts.Block
	} else {
		length = minute
		p.look *= 2
	}
	if !p.whole { // what was summed are parts of this block
		clear(p.classes)
	}
	p.whole = whole
	slices.Sort(p.known)
	class := make([]femuxClass, len(p.known))
	for k, id := range p.known {
		f := &p.functions[id]
		f.series.fill(minute, p.opts.Block)
		class[k] = classify(f.series.last(p.block[:length]))
		sum := p.classes[class[k]]
		if sum == nil {
			sum = &femuxRUM{}
			p.classes[class[k]] = sum
		}
		for j, v := range f.rum {
			sum[j] += v
		}
		if whole {
			f.rum = femuxRUM{}
		}
	}
	for k, id := range p.known {
		p.functions[id].choice = p.classes[class[k]].least()
	}
}

// least is the forecaster that cost the least, of equals the one that was listed first.
func (r *femuxRUM) least() int {
	best := 0
	for k, v := range r {
		if v < r[best] {
			best = k
		}
	}
	return best
}

// classify tells what a block looks like.
func classify(x []float64) femuxClass {
	var mean float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	c := femuxClass{linear: timeseries.Linear(x), stationary: timeseries.Stationary(x)}
	if mean > 0 {
		c.density = int8(min(1, max(-4, math.Floor(math.Log10(mean))))) + 5
	}
	switch h := timeseries.Harmonics(x); {
	case h > 2:
		c.harmonics = 2
	case h > 0:
		c.harmonics = 1
	}
	return c
}

var femuxRow = row(Row{Name: "femux", Source: "FeMux, EuroSys 2026: the forecaster of eight that has the least RUM on blocks that look alike", Reconstruction: true}, DefaultFeMuxOptions(), []field[FeMuxOptions]{
	whole("block_min", "minutes after which forecasters are chosen anew", 120, 10080, func(o *FeMuxOptions) *int { return &o.Block }),
	number("cold", "weight of cold starts in RUM; FeMux-CS has 4", 0, 100, func(o *FeMuxOptions) *float64 { return &o.Cold }),
	number("memory", "weight of wasted memory in RUM; FeMux-Mem has 4", 0, 100, func(o *FeMuxOptions) *float64 { return &o.Memory }),
}, func(s Site, o FeMuxOptions) Stack {
	return FeMux(s.Profiles, s.Start, o)
})

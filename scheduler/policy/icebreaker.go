package policy

import (
	"cmp"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

// IceBreakerOptions are the parameters of [IceBreaker].
type IceBreakerOptions struct {
	Harmonics int     // of the forecast, >= 0
	Low       float64 // utility below which a function is not prewarmed, in [0, 1]
	High      float64 // utility from which it is prewarmed on the better invokers, in [Low, 1]
	Better    float64 // share of the invokers that are the better ones, in (0, 1)
}

// DefaultIceBreakerOptions are ten harmonics and cuts at a third and two thirds, as in the
// authors' artefact, and half of the invokers.
func DefaultIceBreakerOptions() IceBreakerOptions {
	return IceBreakerOptions{Harmonics: 10, Low: 0.33, High: 0.66, Better: 0.5}
}

const (
	iceBreakerPeriod = decide.Minute
	iceBreakerWindow = 60 // periods that the forecast looks back on
	iceBreakerRecent = 10 // periods whose forecasts are judged
)

// IceBreaker is the policy of Roy, Patel and Tiwari, "IceBreaker: Warming Serverless Functions
// Better with Heterogeneity" (ASPLOS 2022), after the authors' artefact. Once a minute it
// forecasts how many containers each function will use at once in the next one: it continues a
// line and the ten lowest harmonics of the last hour ([timeseries.Fourier]), rounded. A
// function's utility says whether that is worth it, and where:
//
//	U < 0.33          no container is kept or prewarmed
//	0.33 <= U < 0.66  on the cheap, low-end invokers
//	U >= 0.66         on the costly, high-end ones
//
// U is a weighted sum of four components in [0, 1], over the last ten minutes with the peaks r
// and the forecasts p, scaled so that the least of all active functions has 0 and the
// greatest 1:
//
//	memory   1 - m / largest m
//	speed    1 - (start + execution on costly) / (the same on cheap)
//	missed   min(1, sum max(r-p, 0) / sum r)
//	false    max(0, 1 - sum max(p-r, 0) / sum r)
//	U = sum_k w_k comp_k,   w_k = (1 - comp_k / sum comp) / 3
//
// Invokers here differ in their number of cores at most, and a core is as fast as any other,
// so the component of speed is 0 and nothing is saved by slow machines. What is left of
// heterogeneity is the split: the half of the invokers with the most cores (of equals, with
// the lowest numbers) is the costly one, and containers of a function go to its half first, to
// the other one where there is no room. So functions of high and of middling utility do not
// evict one another, as long as there is room. The authors' prices, and with them the
// keep-alive cost that they save, are not modelled. Functions that are not prewarmed start
// anywhere.
//
// A request that finds no container starts one under [FCFS]; idle containers beyond the
// forecast end with the minute. Under pressure for memory, which the paper does not
// treat, the least recently used container is evicted for a request, and none for a prewarm.
func IceBreaker(profiles []decide.Profile, invokers []decide.InvokerSpec, o IceBreakerOptions) Stack {
	p := &iceBreaker{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(iceBreakerPeriod, len(profiles)), opts: o,
		functions: make([]iceFunction, len(profiles)),
		fourier:   timeseries.NewFourier(iceBreakerWindow, 1, o.Harmonics),
		window:    make([]float64, iceBreakerWindow),
	}
	for _, f := range profiles {
		p.largest = max(p.largest, float64(f.Memory))
	}
	p.divide(len(invokers), func(i int) float64 { return invokers[i].Cores })
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: halves{p}}
}

// iceBreaker is the pool of [IceBreaker].
type iceBreaker struct {
	LRU
	periods
	fleet
	opts      IceBreakerOptions
	functions []iceFunction
	fourier   *timeseries.Fourier
	window    []float64
	largest   float64 // memory of a container
	costly    []bool  // by invoker
	joined    bool    // others have joined since they were divided
}

// A tier says where a function's containers go.
type tier uint8

const (
	anywhere tier = iota // and none is prewarmed
	cheap
	costly
)

// iceFunction is what is known of a function.
type iceFunction struct {
	peaks     history
	forecasts history // of the same periods
	forecast  float64 // of the next one
	utility   float64
	tier      tier
}

// Wake implements decide.Pool.
func (p *iceBreaker) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool.
func (p *iceBreaker) Adjust(s decide.Snapshot) (decide.Adjustment, bool) { return p.fleet.Adjust(s) }

// Evict implements decide.Pool.
func (p *iceBreaker) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	if prewarm {
		return decide.None, false
	}
	return p.LRU.Evict(s, i, f, prewarm)
}

// divide tells the better of n invokers from the others: those with the most cores.
func (p *iceBreaker) divide(n int, cores func(i int) float64) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cores(b), cores(a)) })
	p.costly = make([]bool, n)
	for _, i := range order[:int(math.Round(p.opts.Better*float64(n)))] {
		p.costly[i] = true
	}
}

// Deployed implements decide.Deployer.
func (p *iceBreaker) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.periods.Deployed(s, f, profile)
	p.functions = upTo(p.functions, f+1, iceFunction{})
	p.largest = max(p.largest, float64(profile.Memory))
}

// Joined implements decide.Joiner.
func (p *iceBreaker) Joined(s decide.Snapshot, _ decide.InvokerID) {
	p.costly = upTo(p.costly, s.Invokers(), false) // until the minute ends
	p.joined = true
}

// Observe implements decide.Pool.
func (p *iceBreaker) Observe(s decide.Snapshot, ev decide.Event) {
	if !p.see(s, ev) {
		return
	}
	if p.joined {
		p.joined = false
		p.divide(s.Invokers(), func(i int) float64 { return s.InvokerSpec(decide.InvokerID(i)).Cores })
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, id := range p.active {
		f := &p.functions[id]
		_, peak, _ := p.take(s, id)
		f.next(float64(peak), p.fourier, p.window)
		f.utility = f.worth(float64(s.Memory(id)) / p.largest)
		least, most = min(least, f.utility), max(most, f.utility)
	}
	for _, id := range p.active {
		f := &p.functions[id]
		u := 1.0 // where all are worth the same
		if most > least {
			u = (f.utility - least) / (most - least)
		}
		n := int(f.forecast)
		switch {
		case u < p.opts.Low:
			f.tier, n = anywhere, 0
		case u < p.opts.High:
			f.tier = cheap
		default:
			f.tier = costly
		}
		p.want(s, id, n)
	}
	p.done(func(id decide.FunctionID) bool {
		f := &p.functions[id]
		if f.forecast > 0 || s.Live(id) > 0 || s.InSystem(id) > 0 || !f.peaks.zero() {
			return false
		}
		f.tier = anywhere
		return true
	})
	p.settle(s)
}

// next takes in the peak of a period and forecasts the next one.
func (f *iceFunction) next(peak float64, fourier *timeseries.Fourier, window []float64) {
	f.peaks.add(peak, iceBreakerWindow)
	f.forecasts.add(f.forecast, iceBreakerRecent)
	var out [1]float64
	fourier.Forecast(f.peaks.last(window), out[:])
	f.forecast = math.Round(max(0, out[0]))
}

// worth is the utility before it is scaled; size is the memory of a container as a part of
// the largest.
func (f *iceFunction) worth(size float64) float64 {
	var r, p [iceBreakerRecent]float64
	f.peaks.last(r[:])
	f.forecasts.last(p[:])
	var real, missed, vain float64
	for k := range r {
		real += r[k]
		missed += max(r[k]-p[k], 0)
		vain += max(p[k]-r[k], 0)
	}
	components := [4]float64{1 - size, 0, 0, 0} // the second is speed
	if real > 0 {
		components[2], components[3] = min(1, missed/real), max(0, 1-vain/real)
	} else if vain == 0 {
		components[3] = 1
	}
	var sum, u float64
	for _, c := range components {
		sum += c
	}
	if sum == 0 {
		return 0
	}
	for _, c := range components {
		u += (1 - c/sum) / 3 * c
	}
	return u
}

// halves is the placer of [IceBreaker].
type halves struct{ p *iceBreaker }

// Place implements decide.Placer: as [LeastLoaded], on the invokers of the function's tier if one
// has room without eviction, else on any.
func (h halves) Place(s decide.Snapshot, f decide.FunctionID) (decide.InvokerID, bool) {
	if t := h.p.functions[f].tier; t != anywhere {
		best, load := decide.InvokerID(decide.None), 0.0
		for i := range decide.InvokerID(s.Invokers()) {
			if h.p.costly[i] != (t == costly) || !s.Room(i, f) || s.Unclaimed(i) < s.Memory(f) {
				continue
			}
			if l := s.BusyCPU(i) / s.InvokerSpec(i).Cores; best == decide.None || l < load || l == load && s.Unclaimed(i) > s.Unclaimed(best) {
				best, load = i, l
			}
		}
		if best != decide.None {
			return best, true
		}
	}
	return LeastLoaded{}.Place(s, f)
}

var icebreakerRow = row(Row{Name: "icebreaker", Source: "Roy, Patel and Tiwari, IceBreaker, ASPLOS 2022: Fourier forecasts, prewarmed by utility on two kinds of invokers", Reconstruction: true}, DefaultIceBreakerOptions(), []field[IceBreakerOptions]{
	whole("harmonics", "lowest harmonics of an hour that forecasts continue", 0, 29, func(o *IceBreakerOptions) *int { return &o.Harmonics }),
	number("low", "utility below which a function is not prewarmed", 0, 1, func(o *IceBreakerOptions) *float64 { return &o.Low }),
	number("high", "utility from which it is prewarmed on the better invokers; low where that is more", 0, 1, func(o *IceBreakerOptions) *float64 { return &o.High }),
	number("better", "share of the invokers that are the better ones", 0, 1, func(o *IceBreakerOptions) *float64 { return &o.Better }),
}, func(s Site, o IceBreakerOptions) Stack {
	o.High = max(o.Low, o.High)
	return IceBreaker(s.Profiles, s.Invokers, o)
})

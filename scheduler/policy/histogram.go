package policy

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// HistogramOptions are the parameters of [Histogram] that a platform may choose.
type HistogramOptions struct {
	Range int     // minutes that the histogram covers, >= 1
	CV    float64 // of the counts of its bins, below which it says too little, >= 0
	Head  float64 // quantile of the idle times that prewarming may not miss, in [0, 1]
	Tail  float64 // quantile that keeping alive shall cover, in [Head, 1]
}

// DefaultHistogramOptions are as published (Shahrad et al., Section 4): four hours, a CV
// of 2, the 5th and the 99th percentile.
func DefaultHistogramOptions() HistogramOptions {
	return HistogramOptions{Range: 240, CV: 2, Head: 0.05, Tail: 0.99}
}

const (
	histogramBin     = decide.Minute
	histogramOOB     = 0.5  // share of idle times beyond the range above which they are forecast
	histogramMargin  = 0.10 // of the head and of the tail
	forecastMargin   = 0.15 // of a forecast
	histogramSamples = 10   // idle times before the histogram is looked at; ours
	forecastSamples  = 4    // idle times before they are forecast; ours
	forecastWindow   = 32   // idle times that a forecast looks back on; ours
)

// Histogram is the hybrid histogram policy of Shahrad et al., "Serverless in the Wild"
// (ATC 2020). It learns how long each application is idle between the end of an
// execution and the next invocation, in bins of a minute over four hours, and from
// that two windows: a container ends at once after an execution, a new one is prewarmed
// when the first window is over and ends when the second one is, unless it was used.
//
//	mostly beyond four hours   prewarm 0.85 p, keep alive 0.30 p; p is forecast
//	few idle times, or the     prewarm 0, keep alive four hours
//	  counts of the bins have
//	  a CV below 2
//	else                       prewarm 0.9 head, keep alive 1.1 tail - 0.9 head
//
// head is the 5th percentile, rounded down to its bin, tail the 99th, rounded up. With a
// head of 0 a container is kept through.
//
// This is a reconstruction in three things. The paper forecasts with ARIMA models of
// orders that are chosen each time; here it is an autoregression of order 1 over the last
// idle times. What is prewarmed for an application are containers of those of its
// functions that have executed since the last prewarming. And under pressure for
// memory, which the paper does not treat, the least recently used container is evicted.
//
// Requests start under [FCFS].
func Histogram(profiles []decide.Profile, o HistogramOptions) Stack {
	apps := int32(0)
	for _, p := range profiles {
		apps = max(apps, p.App+1)
	}
	p := &hybrid{
		LRU:      LRU{Keep: decide.Forever},
		opts:     o,
		apps:     make([]idleTimes, apps),
		executed: make([]bool, len(profiles)),
	}
	for a := range p.apps {
		p.apps[a] = p.fresh()
	}
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: LeastLoaded{}}
}

// whole is the range of the histogram.
func (o *HistogramOptions) whole() decide.Time { return decide.Time(o.Range) * histogramBin }

// hybrid is the pool of [Histogram].
type hybrid struct {
	LRU      // under pressure for memory
	opts     HistogramOptions
	apps     []idleTimes
	executed []bool // since the last prewarming, by function
	reloads  heap.Heap[reload]
	due      []decide.FunctionID // to prewarm now, the first one last
}

// A reload is a time at which an application may be due for prewarming. It counts if
// the application has not chosen another time since.
type reload struct {
	at  decide.Time
	app int32
}

// idleTimes is what is known of an application.
type idleTimes struct {
	counts []uint32  // by bin; nil before the first idle time
	in     float64   // idle times within the range
	beyond float64   // and beyond it
	square float64   // sum of the squares of counts
	recent []float64 // the last idle times in microseconds, oldest first

	end           decide.Time         // of the last execution
	prewarm, keep decide.Time         // the windows
	reload        decide.Time         // when it is due
	functions     []decide.FunctionID // that have executed since the last prewarming
}

// Observe implements decide.Pool.
func (p *hybrid) Observe(s decide.Snapshot, ev decide.Event) {
	f := ev.Function
	switch ev.Kind {
	case decide.Arrival:
		a := &p.apps[s.App(f)]
		if a.end != decide.None && s.BusyCount(f) == 0 && s.Waiting(f) == 1 { // this one
			a.learn(ev.At-a.end, &p.opts)
		}
		a.reload = decide.Forever
	case decide.Completion:
		a := &p.apps[s.App(f)]
		a.end = ev.At
		if !p.executed[f] {
			p.executed[f] = true
			a.functions = append(a.functions, f)
		}
	}
}

// fresh is what is known of an application before it has executed.
func (p *hybrid) fresh() idleTimes {
	return idleTimes{end: decide.None, reload: decide.Forever, keep: p.opts.whole()}
}

// Deployed implements decide.Deployer.
func (p *hybrid) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.executed = upTo(p.executed, f+1, false)
	p.apps = upTo(p.apps, profile.App+1, p.fresh())
}

// learn takes in an idle time and renews the windows.
func (a *idleTimes) learn(idle decide.Time, o *HistogramOptions) {
	if len(a.recent) == forecastWindow {
		a.recent = append(a.recent[:0], a.recent[1:]...)
	}
	a.recent = append(a.recent, float64(idle))
	if bin := idle / histogramBin; bin >= decide.Time(o.Range) {
		a.beyond++
	} else {
		if a.counts == nil {
			a.counts = make([]uint32, o.Range)
		}
		a.in++
		a.square += 2*float64(a.counts[bin]) + 1
		a.counts[bin]++
	}
	a.prewarm, a.keep = a.windows(o)
}

func (a *idleTimes) windows(o *HistogramOptions) (prewarm, keep decide.Time) {
	total := a.in + a.beyond
	switch {
	case a.beyond > histogramOOB*total && len(a.recent) >= forecastSamples:
		next := forecastIdle(a.recent)
		return decide.Time((1 - forecastMargin) * next), decide.Time(2 * forecastMargin * next)
	case total < histogramSamples || a.cv() < o.CV:
		return 0, o.whole()
	}
	head := decide.Time((1 - histogramMargin) * float64(a.bin(o.Head)) * float64(histogramBin))
	tail := decide.Time((1 + histogramMargin) * float64(a.bin(o.Tail)+1) * float64(histogramBin))
	return head, tail - head
}

// cv is the coefficient of variation of the counts of the bins: 0 where all are
// equal, the root of their number where all idle times are in one.
func (a *idleTimes) cv() float64 {
	if a.in == 0 {
		return 0
	}
	return math.Sqrt(max(0, float64(len(a.counts))*a.square/(a.in*a.in)-1))
}

// bin is the first bin at or below which the share q of the idle times within the range lies.
func (a *idleTimes) bin(q float64) int {
	var sum float64
	for k, n := range a.counts {
		if sum += float64(n); sum >= q*a.in {
			return k
		}
	}
	return len(a.counts) - 1
}

// forecastIdle forecasts the next of the idle times x by an autoregression of order
// 1 around their mean, its coefficient the autocorrelation at lag 1.
func forecastIdle(x []float64) float64 {
	var mean, c0, c1 float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for i, v := range x {
		c0 += (v - mean) * (v - mean)
		if i > 0 {
			c1 += (v - mean) * (x[i-1] - mean)
		}
	}
	last := x[len(x)-1] - mean
	if c0 == 0 {
		return mean
	}
	return max(0, mean+c1/c0*last)
}

// KeepAlive implements decide.Pool.
func (p *hybrid) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	a := &p.apps[s.App(s.Function(c))]
	if a.prewarm == 0 || !s.Used(c) {
		return a.keep
	}
	if at := a.end + a.prewarm; at != a.reload {
		a.reload = at
		p.reloads.Push(reload{at, s.App(s.Function(c))})
	}
	return 0
}

// Adjust implements decide.Pool: it prewarms what is due.
func (p *hybrid) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for len(p.reloads) > 0 && p.reloads[0].at <= s.Now() {
		r := p.reloads.Pop()
		a := &p.apps[r.app]
		if a.reload != r.at {
			continue
		}
		a.reload = decide.Forever
		slices.Reverse(a.functions)
		for _, f := range a.functions {
			p.executed[f] = false
			p.due = append(p.due, f)
		}
		a.functions = a.functions[:0]
	}
	for len(p.due) > 0 {
		f := p.due[len(p.due)-1]
		p.due = p.due[:len(p.due)-1]
		if s.Live(f) == 0 {
			return decide.Adjustment{Kind: decide.Prewarm, Function: f}, true
		}
	}
	return decide.Adjustment{}, false
}

// Wake implements decide.Pool.
func (p *hybrid) Wake() decide.Time {
	for len(p.reloads) > 0 && p.apps[p.reloads[0].app].reload != p.reloads[0].at {
		p.reloads.Pop()
	}
	if len(p.reloads) == 0 {
		return decide.Forever
	}
	return p.reloads[0].at
}

func (r reload) Before(o reload) bool { return r.at < o.at || r.at == o.at && r.app < o.app }

var histogramRow = row(Row{Name: "histogram", Source: "Shahrad et al., Serverless in the Wild, ATC 2020: hybrid histogram, AR(1) for ARIMA", Reconstruction: true}, DefaultHistogramOptions(), []field[HistogramOptions]{
	whole("range_min", "minutes that the histogram covers", 1, 10080, func(o *HistogramOptions) *int { return &o.Range }),
	number("cv", "coefficient of variation of the bins below which the histogram is not used", 0, 100, func(o *HistogramOptions) *float64 { return &o.CV }),
	number("head", "quantile of idle times that prewarming may not miss", 0, 0.5, func(o *HistogramOptions) *float64 { return &o.Head }),
	number("tail", "quantile of idle times that keeping alive shall cover", 0.5, 1, func(o *HistogramOptions) *float64 { return &o.Tail }),
}, func(s Site, o HistogramOptions) Stack {
	return Histogram(s.Profiles, o)
})

package agent

import (
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Columns of an environment vector, all measured over one window (docs/models.md,
// decision 24; their number does not depend on that of the functions). Arrival-weighted
// means are those over the requests that arrived.
const (
	EnvRate       = iota     // ln(1+arrivals per minute)
	EnvLoad                  // ln(1+x), x = sum over arrivals of d times cores / (cores of all x window)
	EnvMemory                // mean share of memory held by containers
	EnvCPU                   // mean of cores that executions can use / cores
	EnvEntropy               // of the mix of functions / ln(functions that arrived), in [0, 1]; 0 for one function
	EnvGini                  // of the arrivals per function that arrived, in [0, 1)
	EnvMix                   // 9 shares of arrivals, row-major by memory (up to 128 MB, up to 512 MB, more) and execution (up to 100 ms, up to 1 s, more)
	EnvFano       = iota + 8 // ln(1+variance / mean) of the arrivals per 10 s
	EnvCold                  // containers initialised per arrival, at most 1
	EnvQueue                 // ln(1+mean number of waiting requests)
	EnvFunctions             // ln(1+functions that arrived)
	EnvExecution             // arrival-weighted mean of ln(1+d in ms)
	EnvInitialise            // arrival-weighted mean of ln(1+c in ms)
	EnvMeanMemory            // arrival-weighted mean of ln(1+memory in MB)
	EnvHourSin               // sin(2 pi t), t = time of day at the window's end, as a share of the day
	EnvHourCos               // cos(2 pi t)

	EnvSize // number of columns
)

// day is the longest time that means anything to an agent.
const day = 24 * 60 * decide.Minute

// fanoBin is the width of the bins whose counts show the burstiness.
const fanoBin = 10 * decide.Second

// EnvColumns returns the names of the columns of an environment vector, in order.
func EnvColumns() []string {
	names := []string{"rate", "load", "memory", "cpu", "entropy", "gini"}
	for _, m := range []string{"small", "medium", "large"} {
		for _, d := range []string{"short", "medium", "long"} {
			names = append(names, "mix_"+m+"_"+d)
		}
	}
	return append(names, "fano", "cold", "queue", "functions", "execution", "initialise", "mean_memory", "hour_sin", "hour_cos")
}

// TrackerOptions of a Tracker.
type TrackerOptions struct {
	// Window that a vector sums up, from 20 s to a day. Default 5 minutes.
	Window decide.Time `json:"window_us"`
	// Origin is the time of day of Time 0, [0, 24 h). Default 0, midnight UTC.
	Origin decide.Time `json:"origin_us"`
}

// DefaultTrackerOptions returns the defaults.
func DefaultTrackerOptions() TrackerOptions { return TrackerOptions{Window: 5 * decide.Minute} }

// Validate reports the first option that is out of range.
func (o TrackerOptions) Validate() error {
	switch {
	case o.Window < 2*fanoBin || o.Window > day:
		return fmt.Errorf("agent: window_us must be in [%d, %d], got %d", 2*fanoBin, day, o.Window)
	case o.Origin < 0 || o.Origin >= day:
		return fmt.Errorf("agent: origin_us must be in [0, %d), got %d", day, o.Origin)
	}
	return nil
}

// A Tracker measures the environment over windows that follow each other without
// overlap. Windows in which nothing arrived are passed over.
type Tracker struct {
	options TrackerOptions
	started bool
	from    decide.Time // of the window
	last    decide.Time // of the integrals

	counts  []int32             // arrivals per function
	active  []decide.FunctionID // functions with arrivals
	bins    []int32             // arrivals per fanoBin
	sorted  []int32
	inits   int
	sums    [EnvSize]float64 // integrals and sums, in the columns that they become
	vector  [EnvSize]float64
	windows int
}

// NewTracker returns a tracker that has seen nothing.
func NewTracker(o TrackerOptions) (*Tracker, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Tracker{options: o, bins: make([]int32, (o.Window+fanoBin-1)/fanoBin)}, nil
}

// Observe takes in an event; it must see all of them, each once, in the state after it
// happened. It costs a constant time, and allocates for functions not seen before.
func (t *Tracker) Observe(s decide.Snapshot, ev decide.Event) {
	now := s.Now()
	if !t.started {
		t.started = true
		t.from, t.last = now, now
	}
	if now >= t.from+t.options.Window {
		t.integrate(s, t.from+t.options.Window)
		t.close(s)
		t.from += (now - t.from) / t.options.Window * t.options.Window
		t.last = t.from
	}
	t.integrate(s, now)
	for len(t.counts) < s.Functions() {
		t.counts = append(t.counts, 0)
	}
	switch ev.Kind {
	case decide.Arrival:
		t.arrive(s, ev.Function)
	case decide.Ready:
		t.inits++
	}
}

// Vector returns the vector of the last complete window, which the next one
// overwrites, and how many windows are complete. Before the first it is nil.
func (t *Tracker) Vector() ([]float64, int) {
	if t.windows == 0 {
		return nil, 0
	}
	return t.vector[:], t.windows
}

// Flush completes the window as if nothing more happened in it.
func (t *Tracker) Flush(s decide.Snapshot) {
	if !t.started {
		return
	}
	t.integrate(s, t.from+t.options.Window)
	t.close(s)
	t.from += t.options.Window
	t.last = t.from
}

// integrate adds the state, as it is now, for the time since the last event: the event
// has changed it by one request or container, which is the error that is made.
func (t *Tracker) integrate(s decide.Snapshot, to decide.Time) {
	d := (to - t.last).Seconds()
	t.last = to
	if d <= 0 {
		return
	}
	var used, memory int64
	var busy, cores float64
	for i := range decide.InvokerID(s.Invokers()) {
		spec := s.InvokerSpec(i)
		used, memory = used+s.UsedMemory(i), memory+spec.Memory
		busy, cores = busy+s.BusyCPU(i), cores+spec.Cores
	}
	t.sums[EnvMemory] += d * float64(used) / float64(memory)
	t.sums[EnvCPU] += d * busy / cores
	t.sums[EnvQueue] += d * float64(s.WaitingAll())
}

func (t *Tracker) arrive(s decide.Snapshot, f decide.FunctionID) {
	if t.counts[f]++; t.counts[f] == 1 {
		t.active = append(t.active, f)
	}
	t.bins[(s.Now()-t.from)/fanoBin]++
	d, memory := s.Execution(f), float64(s.Memory(f))/(1<<20)
	row, col := 2, 2
	switch {
	case memory <= 128:
		row = 0
	case memory <= 512:
		row = 1
	}
	switch {
	case d <= 100*decide.Millisecond:
		col = 0
	case d <= decide.Second:
		col = 1
	}
	t.sums[EnvRate]++
	t.sums[EnvLoad] += d.Seconds() * s.CPU(f)
	t.sums[EnvMix+3*row+col]++
	t.sums[EnvExecution] += math.Log1p(d.Seconds() * 1e3)
	t.sums[EnvInitialise] += math.Log1p(s.Initialise(f).Seconds() * 1e3)
	t.sums[EnvMeanMemory] += math.Log1p(memory)
}

// close turns the sums into the vector and begins anew.
func (t *Tracker) close(s decide.Snapshot) {
	n := t.sums[EnvRate]
	seconds := t.options.Window.Seconds()
	if n > 0 {
		var cores float64
		for i := range decide.InvokerID(s.Invokers()) {
			cores += s.InvokerSpec(i).Cores
		}
		v := &t.vector
		v[EnvRate] = math.Log1p(n / seconds * 60)
		v[EnvLoad] = math.Log1p(t.sums[EnvLoad] / (cores * seconds))
		v[EnvMemory] = t.sums[EnvMemory] / seconds
		v[EnvCPU] = t.sums[EnvCPU] / seconds
		v[EnvEntropy], v[EnvGini] = t.mix(n)
		for i := EnvMix; i < EnvMix+9; i++ {
			v[i] = t.sums[i] / n
		}
		v[EnvFano] = t.fano(n)
		v[EnvCold] = min(float64(t.inits)/n, 1)
		v[EnvQueue] = math.Log1p(t.sums[EnvQueue] / seconds)
		v[EnvFunctions] = math.Log1p(float64(len(t.active)))
		v[EnvExecution] = t.sums[EnvExecution] / n
		v[EnvInitialise] = t.sums[EnvInitialise] / n
		v[EnvMeanMemory] = t.sums[EnvMeanMemory] / n
		at := (t.options.Origin + t.from + t.options.Window) % day
		v[EnvHourSin], v[EnvHourCos] = math.Sincos(2 * math.Pi * float64(at) / float64(day))
		t.windows++
	}
	for _, f := range t.active {
		t.counts[f] = 0
	}
	t.active = t.active[:0]
	clear(t.bins)
	t.inits = 0
	t.sums = [EnvSize]float64{}
}

// mix measures how uneven the functions are: the normalised entropy and the Gini
// coefficient of their n arrivals.
func (t *Tracker) mix(n float64) (entropy, gini float64) {
	t.sorted = t.sorted[:0]
	for _, f := range t.active {
		t.sorted = append(t.sorted, t.counts[f])
	}
	slices.Sort(t.sorted)
	k := float64(len(t.sorted))
	for i, c := range t.sorted {
		p := float64(c) / n
		entropy -= p * math.Log(p)
		gini += (2*float64(i+1) - k - 1) * p
	}
	if k > 1 {
		entropy /= math.Log(k)
	}
	return max(entropy, 0), gini / k
}

func (t *Tracker) fano(n float64) float64 {
	mean := n / float64(len(t.bins))
	var variance float64
	for _, c := range t.bins {
		d := float64(c) - mean
		variance += d * d / float64(len(t.bins))
	}
	return math.Log1p(variance / mean)
}

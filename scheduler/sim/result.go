package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Row is the figures of one policy in a [Report], under the names that
// docs/models.md explains (Figures of simulation).
type Row struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"` // "bound" for a bound, "" for a policy

	Summary

	// Jain is Jain's index of fairness over the functions with requests, in (0, 1], see
	// [metric.Jain], of the share of their time in the system in which the requests of a
	// function do their work. 1 treats all functions alike.
	Jain float64 `json:"jain"`

	// Faults are there where something was let fail.
	Faults *FaultFigures `json:"faults,omitempty"`

	Timing Timing `json:"timing"`

	// OverSeeds has the figures over several seeds where they were asked for: see
	// [CompareSeeds]. Tables are there after [Report.AddTables].
	OverSeeds *Estimates `json:"over_seeds,omitempty"`
	Tables    *Tables    `json:"tables,omitempty"`
}

// A Summary is the figures of a policy that `simulate` and reports show. GB are 2^30 bytes.
type Summary struct {
	Warm        int64 `json:"warm"`
	Cold        int64 `json:"cold"`
	DelayedWarm int64 `json:"delayed_warm"`
	Dropped     int64 `json:"dropped"`

	// Latency is from arrival to completion. A dropped request counts with the
	// time-out plus its execution.
	Latency Latency `json:"latency_ms"`
	// SpeedupVsNative is the sum of latencies under "native" over that under this policy.
	SpeedupVsNative float64 `json:"speedup_vs_native"`
	// LatencyBenefitS sums, over the warm starts, what a cold start of the same
	// function would have cost in the mean. Seconds.
	LatencyBenefitS float64 `json:"latency_benefit_s"`
	// WastedGBS integrates the memory of containers that execute nothing, from the
	// begin of the window until it is over and all requests are done.
	WastedGBS float64 `json:"wasted_gb_s"`
	// RUM prices cold starts and wasted memory, see [decide.RUM]. Seconds.
	RUM float64 `json:"rum"`
	// SLODispatch is the share of requests for which a container was chosen or
	// ordered within that many milliseconds; SLOStart the share that also began to
	// execute. A dropped request meets neither.
	SLODispatch SLO `json:"slo_dispatch"`
	SLOStart    SLO `json:"slo_start"`
	// AppColdPct are percentiles, over the applications with requests, of the share
	// of their requests that started cold, in percent.
	AppColdPct AppColdPct `json:"app_cold_pct"`
}

// Latency has the figures of a distribution of times, in milliseconds. Percentiles
// are within 0.4 %.
type Latency struct {
	Mean float64 `json:"mean"`
	P25  float64 `json:"p25"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
}

// SLO has shares in [0, 1] by a limit in milliseconds.
type SLO struct {
	Within100  float64 `json:"100"`
	Within500  float64 `json:"500"`
	Within1000 float64 `json:"1000"`
}

// AppColdPct has percentiles over applications.
type AppColdPct struct {
	P50 float64 `json:"p50"`
	P75 float64 `json:"p75"`
	P90 float64 `json:"p90"`
}

// Timing is what depends on the machine and its clock.
type Timing struct {
	// DecisionUS is the time that the scheduler takes for an event, in microseconds,
	// from a sample.
	DecisionUS struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"decision_us"`
	EventsPerS float64 `json:"events_per_s"` // of the whole simulation
}

// A Result is a [Row] and what lies behind it.
type Result struct {
	Row

	Requests   int64       // that counted
	LatencySum decide.Time // over them
	WaitSum    decide.Time // from arrival to start; of a dropped one the time-out

	// WeightedWaitS is the sum of weight * wait in seconds, and WeightedMeanMS the
	// mean latency with the weights, in milliseconds. Weights are 1 where none were given.
	WeightedWaitS  float64
	WeightedMeanMS float64

	Functions []FunctionResult // by FunctionID
	Quantiles []float64        // of latency in milliseconds at 0, 1/200, …, 1

	// Dispatched and Started are the shares of requests that waited no longer than each of
	// [WaitLimits] to be dispatched, as SLODispatch has it, and to begin to execute.
	Dispatched []float64
	Started    []float64

	// LiveGB is the memory of containers and WastedGB that of containers that
	// execute nothing, as means over each minute of the window.
	LiveGB   []float64
	WastedGB []float64
	// Waiting is the number of requests that wait for a container, as the mean over each
	// minute, and ColdStarts that of the requests of the minute that started cold.
	Waiting    []float64
	ColdStarts []int64
	// Minutes are the sums over each minute of the window.
	Minutes []MinuteSums

	Events int64 // that were handled, the warm-up included
}

// MinuteSums are of one minute of a window: of the requests that arrived in it, whenever they
// were done, and of the memory.
type MinuteSums struct {
	Requests, Dropped int64
	Latency           decide.Time
	WastedGBS         float64 // what is wasted after the window is in none of its minutes
}

// A FunctionResult has the figures of one function.
type FunctionResult struct {
	Warm        int64 `json:"warm"`
	Cold        int64 `json:"cold"`
	DelayedWarm int64 `json:"delayed_warm"`
	Dropped     int64 `json:"dropped"`

	// Sums in microseconds: arrival to completion, arrival to start, and execution with
	// the CPU that the requests can use.
	Latency decide.Time `json:"latency_us"`
	Wait    decide.Time `json:"wait_us"`
	Work    decide.Time `json:"work_us"`
}

// Requests is the number of requests to the function.
func (f *FunctionResult) Requests() int64 { return f.Warm + f.Cold + f.DelayedWarm + f.Dropped }

// A tally adds up.
type tally struct {
	trace     *datasets.Trace
	weights   []float64
	begin     decide.Time // of the window
	end       decide.Time
	requests  int64 // that the workload has in the window
	functions []FunctionResult

	latency  histogram
	weighted float64 // sum of weight * latency, in microseconds
	waited   float64 // sum of weight * wait
	weight   float64
	// Requests that started when they arrived, and of the others those that were
	// dispatched and that started within each limit, but not within the one before.
	immediate       int64
	dispatch, start [len(WaitLimits)]int64

	now     decide.Time
	live    int64 // bytes of all containers
	working int64 // of those that execute
	waiting int64 // requests
	wasted  float64
	minute  int         // of the window that is being integrated
	mark    decide.Time // its end
	minutes []minute

	events   int64
	decision histogram // nanoseconds
}

// A minute has integrals over it: of memory in byte microseconds, and of requests that
// wait in microseconds; and what became of the requests that arrived in it.
type minute struct {
	live, wasted, waiting   float64
	cold, requests, dropped int64
	latency                 decide.Time
}

// WaitLimits are the limits of the curves of a [Result], ascending. Those of [SLO] are
// among them.
var WaitLimits = [...]decide.Time{
	decide.Millisecond, 10 * decide.Millisecond, 20 * decide.Millisecond, 50 * decide.Millisecond,
	100 * decide.Millisecond, 200 * decide.Millisecond, 500 * decide.Millisecond,
	decide.Second, 2 * decide.Second, 5 * decide.Second, 10 * decide.Second, 20 * decide.Second, decide.Minute,
}

func newTally(t *datasets.Trace, w *Workload, o Options) *tally {
	return &tally{
		trace:     t,
		weights:   o.Weights,
		begin:     decide.Time(w.window.From) * decide.Minute,
		end:       decide.Time(w.window.To) * decide.Minute,
		requests:  w.requests,
		functions: make([]FunctionResult, len(t.Functions)),
		mark:      decide.Time(w.window.From+1) * decide.Minute,
		minutes:   make([]minute, w.window.Len()),
	}
}

// advance integrates the memory up to at.
func (t *tally) advance(at decide.Time) {
	from := t.now
	t.now = at
	if from >= t.begin && at < t.mark && t.minute < len(t.minutes) { // inside the minute, as mostly
		span := float64(at - from)
		wasted := float64(t.live-t.working) * span
		t.wasted += wasted
		m := &t.minutes[t.minute]
		m.live += float64(t.live) * span
		m.wasted += wasted
		m.waiting += float64(t.waiting) * span
		return
	}
	if at <= t.begin {
		return
	}
	from = max(from, t.begin)
	wasted := float64(t.live - t.working)
	t.wasted += wasted * float64(at-from)
	for from < at && t.minute < len(t.minutes) {
		to := min(at, t.mark)
		m := &t.minutes[t.minute]
		m.live += float64(t.live) * float64(to-from)
		m.wasted += wasted * float64(to-from)
		m.waiting += float64(t.waiting) * float64(to-from)
		from = to
		if to == t.mark {
			t.minute++
			t.mark += decide.Minute
		}
	}
}

// add counts a request that is done at the given time, if it arrived inside the window.
func (t *tally) add(j *job, done decide.Time) bool {
	if j.arrival < t.begin || j.arrival >= t.end {
		return false
	}
	latency, wait := done-j.arrival, j.start-j.arrival
	fn := &t.functions[j.function]
	m := &t.minutes[(j.arrival-t.begin)/decide.Minute]
	m.requests++
	m.latency += latency
	switch j.class {
	case Warm:
		fn.Warm++
	case Cold:
		fn.Cold++
		m.cold++
	case DelayedWarm:
		fn.DelayedWarm++
	case Dropped:
		fn.Dropped++
		m.dropped++
	}
	fn.Latency += latency
	fn.Wait += wait
	fn.Work += j.work
	t.latency.add(int64(latency))
	weight := 1.0
	if t.weights != nil {
		weight = t.weights[j.function]
	}
	t.weighted += weight * float64(latency)
	t.waited += weight * float64(wait)
	t.weight += weight
	switch {
	case j.class == Dropped:
	case wait == 0:
		t.immediate++
	default:
		count(&t.dispatch, j.dispatch-j.arrival)
		count(&t.start, wait)
	}
	return true
}

// count adds a request to the least limit that it keeps, if it keeps one.
func count(kept *[len(WaitLimits)]int64, wait decide.Time) {
	for i, limit := range WaitLimits {
		if wait <= limit {
			kept[i]++
			return
		}
	}
}

// within are the shares of n requests that waited no longer than each limit.
func (t *tally) within(kept *[len(WaitLimits)]int64, n float64) []float64 {
	shares := make([]float64, len(kept))
	sum := t.immediate
	for i, k := range kept {
		sum += k
		shares[i] = float64(sum) / n
	}
	return shares
}

// sloOf takes the limits of an SLO from a curve.
func sloOf(shares []float64) SLO {
	at := func(limit decide.Time) float64 { return shares[slices.Index(WaitLimits[:], limit)] }
	return SLO{at(100 * decide.Millisecond), at(500 * decide.Millisecond), at(decide.Second)}
}

// check compares the outcomes with the requests there were.
func (t *tally) check() error {
	var sum int64
	for f := range t.functions {
		sum += t.functions[f].Requests()
	}
	if sum != t.requests || t.latency.n != t.requests {
		return fmt.Errorf("%w: %d requests have %d outcomes", ErrInvariant, t.requests, sum)
	}
	if t.waiting != 0 {
		return fmt.Errorf("%w: %d requests wait after the last one is done", ErrInvariant, t.waiting)
	}
	if t.working != 0 {
		return fmt.Errorf("%w: containers of %d bytes execute after the last request is done", ErrInvariant, t.working)
	}
	return nil
}

func (t *tally) result(name string, elapsed time.Duration) *Result {
	r := &Result{Row: Row{Name: name}, Requests: t.requests, Functions: t.functions, Events: t.events}
	for f := range t.functions {
		fn := &t.functions[f]
		r.Warm += fn.Warm
		r.Cold += fn.Cold
		r.DelayedWarm += fn.DelayedWarm
		r.Dropped += fn.Dropped
		r.LatencySum += fn.Latency
		r.WaitSum += fn.Wait
		r.LatencyBenefitS += float64(fn.Warm) * t.trace.Functions[f].Initialisation.Mean().Seconds()
	}
	const gb = 1 << 30
	n := float64(r.Requests)
	r.Latency = latencyOf(&t.latency, float64(r.LatencySum)/n)
	r.WastedGBS = t.wasted / gb / float64(decide.Second)
	r.RUM = decide.RUM(r.Cold, r.WastedGBS)
	r.Dispatched, r.Started = t.within(&t.dispatch, n), t.within(&t.start, n)
	r.SLODispatch, r.SLOStart = sloOf(r.Dispatched), sloOf(r.Started)
	r.AppColdPct = appColdPct(t.trace, t.functions)
	r.Jain = metric.Jain(speeds(t.functions))
	r.WeightedWaitS = t.waited / float64(decide.Second)
	if t.weight > 0 {
		r.WeightedMeanMS = t.weighted / t.weight / float64(decide.Millisecond)
	}
	r.Quantiles = curve(&t.latency)
	r.LiveGB = make([]float64, len(t.minutes))
	r.WastedGB = make([]float64, len(t.minutes))
	r.Waiting = make([]float64, len(t.minutes))
	r.ColdStarts = make([]int64, len(t.minutes))
	r.Minutes = make([]MinuteSums, len(t.minutes))
	for i, m := range t.minutes {
		r.Waiting[i] = m.waiting / float64(decide.Minute)
		r.ColdStarts[i] = m.cold
		r.Minutes[i] = MinuteSums{m.requests, m.dropped, m.latency, m.wasted / gb / float64(decide.Second)}
		r.LiveGB[i] = m.live / gb / float64(decide.Minute)
		r.WastedGB[i] = m.wasted / gb / float64(decide.Minute)
	}
	decision := t.decision.quantiles(0.5, 0.99)
	r.Timing.DecisionUS.P50, r.Timing.DecisionUS.P99 = decision[0]/1000, decision[1]/1000
	if s := elapsed.Seconds(); s > 0 {
		r.Timing.EventsPerS = float64(t.events) / s
	}
	return r
}

// speeds are, of the functions with requests, the shares of their time in the system in which
// these do their work.
func speeds(functions []FunctionResult) []float64 {
	var out []float64
	for f := range functions {
		fn := &functions[f]
		if fn.Requests() == 0 {
			continue
		}
		x := 1.0
		if fn.Latency > 0 {
			x = float64(fn.Work) / float64(fn.Latency)
		}
		out = append(out, x)
	}
	return out
}

// latencyOf has the percentiles of h, which counts microseconds, beside the mean.
func latencyOf(h *histogram, mean float64) Latency {
	q := h.quantiles(0.25, 0.5, 0.75, 0.95, 0.99)
	const ms = float64(decide.Millisecond)
	return Latency{Mean: mean / ms, P25: q[0] / ms, P50: q[1] / ms, P75: q[2] / ms, P95: q[3] / ms, P99: q[4] / ms}
}

func curve(h *histogram) []float64 {
	const steps = 200
	p := make([]float64, steps+1)
	for i := range p {
		p[i] = float64(i) / steps
	}
	q := h.quantiles(p...)
	for i := range q {
		q[i] /= float64(decide.Millisecond)
	}
	return q
}

// appColdPct are percentiles (the smallest value that is not exceeded by that
// share) over the applications that had requests.
func appColdPct(t *datasets.Trace, functions []FunctionResult) AppColdPct {
	type key struct{ owner, app string }
	rows := make(map[key]int)
	var cold, all []int64
	for f := range functions {
		n := functions[f].Requests()
		if n == 0 {
			continue
		}
		k := key{t.Functions[f].Owner, t.Functions[f].App}
		row, ok := rows[k]
		if !ok {
			row = len(all)
			rows[k] = row
			cold, all = append(cold, 0), append(all, 0)
		}
		cold[row] += functions[f].Cold
		all[row] += n
	}
	pct := make([]float64, len(all))
	for i := range all {
		pct[i] = 100 * float64(cold[i]) / float64(all[i])
	}
	slices.Sort(pct)
	return AppColdPct{P50: metric.Empirical(pct, 0.5), P75: metric.Empirical(pct, 0.75), P90: metric.Empirical(pct, 0.9)}
}

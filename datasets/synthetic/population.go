package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// A knot is a point of a quantile function.
type knot struct{ u, x float64 }

// appRate is the quantile function of an application's invocations per day, linear
// in the logarithm between its knots: 45 % at most one an hour, 81 % at most one a
// minute (ATC'20, Fig. 5b). The upper end is ours, see the package comment.
var appRate = []knot{{0, 0.2}, {0.2, 4}, {0.45, 24}, {0.81, 1440}, {0.95, 3000}, {1, 36000}}

// appSize is the distribution of functions per application: 54 % have one, 95 % at
// most ten (ATC'20, Fig. 1).
var appSize = []struct {
	share float64
	size  int
}{
	{0.54, 1}, {0.18, 2}, {0.09, 3}, {0.05, 4}, {0.035, 5}, {0.025, 6}, {0.02, 8}, {0.02, 10}, {0.025, 12}, {0.015, 16},
}

// timerFunctions are timers (ATC'20, Fig. 2), whose trigger depends on the rate.
const timerFunctions = 0.156

// triggers are the shares of functions by the other triggers (ATC'20, Fig. 2).
var triggers = []struct {
	share   float64
	trigger datasets.Trigger
}{
	{0.550, datasets.HTTP}, {0.152, datasets.Queue}, {0.069, datasets.Orchestration},
	{0.028, datasets.Storage}, {0.022, datasets.EventTrigger}, {0.023, datasets.Others},
}

// Execution times: the log-normal fit of ATC'20, Fig. 7, to the average per
// function, in seconds, cut where a replay would drown in one function.
const (
	executionMu     = -0.38
	executionSigma  = 2.36
	executionMin    = 0.004
	executionMax    = 60.0
	executionMaxHot = 4.0 // for functions invoked more than once a minute
)

// Memory of applications: a log-normal through half at most 170 MB and 90 % at
// most 400 MB (ATC'20, Fig. 8), rounded to a class.
const (
	memoryMedianMB = 170
	memorySigma    = 0.667 // ln(400/170) / 1.2816
)

var memoryClassesMB = []int64{64, 96, 128, 160, 192, 224, 256, 320, 400, 512, 640, 768, 1024, 1536}

// periods of timers in minutes; all divide a day or are multiples of one.
var periods = []int{1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 10080}

// A behaviour is when a function is invoked.
type behaviour struct {
	rate   float64 // invocations per minute, on average over a week without holidays
	period int     // of a timer in minutes; 0: not a timer
	phase  int     // of a timer, minutes

	follows     datasets.FunctionID // the function that invokes this one; -1: none
	probability float64             // that an invocation of it leads to one of this

	week    []float64 // length 7*24: relative rate by hour from Monday 00:00, mean 1
	holiday float64   // factor of the rate on a holiday
	trend   float64   // relative growth over the whole trace

	burst float64 // expected bursts a day; 0: none
	calm  float64 // factor of the rate outside bursts, < 1 where there are any

	anchor int // a minute of the trace with one invocation more, so that the function exists
}

// A population is all functions with their behaviour.
type population struct {
	opts      Options
	functions []datasets.Function
	behaviour []behaviour
	holiday   []bool // by day
}

const (
	burstFactor  = 12  // of the rate within a burst
	burstMinutes = 15. // mean length of a burst
)

func newPopulation(o Options) *population {
	p := &population{opts: o, holiday: make([]bool, o.Days)}
	for _, h := range o.Holidays {
		if h < o.Days {
			p.holiday[h] = true
		}
	}
	sizes := appSizes(o)
	n := len(sizes)
	rnd := seed.Stream(o.Seed, "synthetic/applications")
	// Stratified draws: every share is met as closely as the number of
	// applications allows, whatever the seed.
	rateRank, memoryRank := rnd.Perm(n), rnd.Perm(n)
	executionRank := seed.Stream(o.Seed, "synthetic/execution").Perm(o.Functions)
	owner, ownerLeft := -1, 0
	for app, size := range sizes {
		if ownerLeft == 0 {
			owner++
			ownerLeft = 1 + int(rnd.ExpFloat64()*0.9)
		}
		ownerLeft--
		a := application{
			owner: fmt.Sprintf("owner-%04d", owner), name: fmt.Sprintf("app-%05d", app), size: size,
			rate:   quantile(appRate, (float64(rateRank[app])+0.5)/float64(n)) / datasets.MinutesPerDay,
			memory: memoryClass((float64(memoryRank[app]) + 0.5) / float64(n)),
		}
		p.add(a, seed.Stream(o.Seed, "synthetic/"+a.name), executionRank)
	}
	return p
}

// appSizes divides the functions into applications.
func appSizes(o Options) []int {
	rnd := seed.Stream(o.Seed, "synthetic/sizes")
	var mean float64
	for _, s := range appSize {
		mean += s.share * float64(s.size)
	}
	n := max(1, int(math.Round(float64(o.Functions)/mean)))
	sizes, left := make([]int, 0, n), o.Functions
	for i := range n {
		u, k := (float64(i)+0.5)/float64(n), 0
		for k < len(appSize)-1 && u >= appSize[k].share {
			u -= appSize[k].share
			k++
		}
		size := min(appSize[k].size, left-(n-1-i)) // leave one for each that follows
		sizes = append(sizes, size)
		left -= size
	}
	sizes[n-1] += left
	rnd.Shuffle(n, func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

// An application is what its functions have in common.
type application struct {
	owner, name string
	size        int
	rate        float64 // invocations per minute, all functions together
	memory      int64   // bytes
}

// add draws the functions of an application.
func (p *population) add(a application, rnd *rand.Rand, executionRank []int) {
	shares := make([]float64, a.size)
	follows := make([]float64, a.size) // probability of the step to this function; 0: no chain
	chain := a.size >= 2 && rnd.Float64() < 0.35
	var sum float64
	for i := range shares {
		switch {
		case i == 0:
			shares[i] = 1
		case chain:
			follows[i] = 0.6 + 0.4*rnd.Float64()
			shares[i] = shares[i-1] * follows[i]
		default:
			shares[i] = math.Exp(1.2 * rnd.NormFloat64())
		}
		sum += shares[i]
	}
	for i := range shares {
		id := len(p.functions)
		b := behaviour{rate: a.rate * shares[i] / sum, follows: -1}
		f := datasets.Function{
			ID: datasets.FunctionID(id), Owner: a.owner, App: a.name,
			Memory: a.memory, CPU: []float64{0.5, 1, 1, 1, 2}[rnd.IntN(5)],
		}
		if follows[i] > 0 {
			b.follows, b.probability = f.ID-1, follows[i]
			f.Trigger = []datasets.Trigger{datasets.Orchestration, datasets.Queue}[rnd.IntN(2)]
		} else {
			f.Trigger = drawTrigger(rnd, b.rate)
		}
		f.Name = fmt.Sprintf("%s-%d", f.Trigger, i)
		b.shape(f.Trigger, rnd)
		b.anchor = rnd.IntN(p.opts.Days * datasets.MinutesPerDay)
		u := (float64(executionRank[id]) + 0.5) / float64(len(executionRank))
		f.Execution = execution(u, b.rate, rnd)
		f.AssumeStartCost(p.opts.Seed)
		p.functions, p.behaviour = append(p.functions, f), append(p.behaviour, b)
	}
}

// timerShare of the functions that can be timers makes timerFunctions of all.
const timerShare = 0.25

// drawTrigger draws what invokes a function that no other invokes. Timers neither
// fire more than once a minute nor less than once in a few days.
func drawTrigger(rnd *rand.Rand, rate float64) datasets.Trigger {
	if rate <= 1.4 && rate*datasets.MinutesPerDay >= 0.5 && rnd.Float64() < timerShare {
		return datasets.Timer
	}
	u := rnd.Float64()
	for _, t := range triggers {
		if u -= t.share / (1 - timerFunctions); u < 0 {
			return t.trigger
		}
	}
	return datasets.Others
}

// shape draws the rhythm of a function.
func (b *behaviour) shape(trigger datasets.Trigger, rnd *rand.Rand) {
	b.week, b.holiday, b.calm = make([]float64, 7*24), 1, 1
	if trigger == datasets.Timer {
		best := math.Inf(1)
		for _, period := range periods {
			if d := math.Abs(math.Log(b.rate * float64(period))); d < best {
				best, b.period = d, period
			}
		}
		b.phase = rnd.IntN(b.period)
		return
	}
	// Two in three follow people: a peak in the afternoon, quiet nights, weekends
	// and holidays. The others are machines that talk to machines.
	amplitude, weekend, peak := 0.15*rnd.Float64(), 0.9+0.1*rnd.Float64(), 24*rnd.Float64()
	if rnd.Float64() < 0.66 {
		amplitude, weekend, peak = 0.45+0.4*rnd.Float64(), 0.3+0.5*rnd.Float64(), 14+1.5*rnd.NormFloat64()
		b.holiday = weekend * (0.7 + 0.3*rnd.Float64())
	}
	var sum float64
	for h := range b.week {
		angle := 2 * math.Pi * (float64(h%24) + 0.5 - peak) / 24
		b.week[h] = max(0.03, 1+amplitude*math.Cos(angle)+0.25*amplitude*math.Cos(2*angle))
		if h >= 5*24 {
			b.week[h] *= weekend
		}
		sum += b.week[h]
	}
	for h := range b.week {
		b.week[h] *= float64(len(b.week)) / sum
	}
	b.trend = 0.1 * rnd.NormFloat64()
	if rnd.Float64() < 0.2 {
		b.burst = 2 + 4*rnd.Float64()
		// The mean rate stays: calm * (1 + (burstFactor-1) * share of time in bursts) = 1.
		b.calm = 1 / (1 + (burstFactor-1)*b.burst*burstMinutes/datasets.MinutesPerDay)
	}
}

// execution is the distribution of the execution times of one function: log-normal
// around its average, which is the u-quantile of all functions' averages.
func execution(u, rate float64, rnd *rand.Rand) datasets.Distribution {
	mean := math.Exp(executionMu + executionSigma*normalQuantile(u))
	limit := executionMax
	if rate > 1 {
		limit = executionMaxHot
	}
	mean = min(max(mean, executionMin), limit)
	sigma := 0.15 + 0.6*rnd.Float64()
	prob := []float64{0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1}
	d := datasets.Distribution{Prob: prob, Value: make([]time.Duration, len(prob))}
	for i, q := range prob {
		// The ends of a log-normal are 0 and infinity: those of 1000 draws stand in.
		z := normalQuantile(min(max(q, 0.0005), 0.9995))
		ms := 1e3 * mean * math.Exp(sigma*z-sigma*sigma/2)
		d.Value[i] = time.Duration(max(1, ms) * float64(time.Millisecond)).Truncate(time.Microsecond)
	}
	return d
}

func memoryClass(u float64) int64 {
	need := memoryMedianMB * math.Exp(memorySigma*normalQuantile(u))
	best := memoryClassesMB[0]
	for _, c := range memoryClassesMB {
		if math.Abs(math.Log(need/float64(c))) < math.Abs(math.Log(need/float64(best))) {
			best = c
		}
	}
	return best << 20
}

// quantile interpolates the logarithm of a quantile function.
func quantile(knots []knot, u float64) float64 {
	for i := 1; i < len(knots); i++ {
		if a, b := knots[i-1], knots[i]; u <= b.u {
			return a.x * math.Pow(b.x/a.x, (u-a.u)/(b.u-a.u))
		}
	}
	return knots[len(knots)-1].x
}

// normalQuantile is the inverse of the standard normal CDF.
func normalQuantile(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }

package synthetic

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// A population is all functions with their behaviour.
type population struct {
	opts      Options
	functions []datasets.Function
	behaviour []behaviour
	holiday   []bool // by day
}

// newPopulation draws the applications, then their functions' rates, then the triggers
// of all, and last what follows from these. Draws are stratified where a share is
// published: it is met as closely as the number of applications allows, whatever the seed.
func newPopulation(o Options) *population {
	p := &population{opts: o, holiday: make([]bool, o.Days)}
	for _, h := range o.Holidays {
		if h < o.Days {
			p.holiday[h] = true
		}
	}
	apps, rates := applications(o)
	var drafts []draft
	for i := range apps {
		drafts = append(drafts, split(i, apps[i].size, rates[i], seed.Stream(o.Seed, "synthetic/split/"+apps[i].name))...)
	}
	drawTriggers(apps, drafts, o.Seed)
	people := followPeople(drafts)
	executionRank := seed.Stream(o.Seed, "synthetic/execution").Perm(len(drafts))
	for _, a := range apps {
		rnd := seed.Stream(o.Seed, "synthetic/"+a.name)
		for id := a.first; id < a.first+a.size; id++ {
			u := (float64(executionRank[id]) + 0.5) / float64(len(drafts))
			p.add(a, drafts[id], people[id], u, rnd)
		}
	}
	return p
}

// applications divides the functions into applications, and returns these with their
// rates in invocations per minute.
func applications(o Options) ([]application, []float64) {
	sizes := appSizes(o)
	n := len(sizes)
	rnd := seed.Stream(o.Seed, "synthetic/applications")
	memoryRank := rnd.Perm(n)
	score, order := make([]float64, n), make([]int, n)
	for i, size := range sizes {
		score[i] = sizeWeight*math.Log(float64(size)) + rnd.NormFloat64()
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	rates := make([]float64, n)
	for rank, app := range order {
		rates[app] = o.rate((float64(rank)+0.5)/float64(n)) / datasets.MinutesPerDay
	}
	apps := make([]application, n)
	owner, ownerLeft, first := -1, 0, 0
	for i, size := range sizes {
		if ownerLeft == 0 {
			owner++
			ownerLeft = 1 + int(rnd.ExpFloat64()*0.9)
		}
		ownerLeft--
		apps[i] = application{
			owner: fmt.Sprintf("owner-%04d", owner), name: fmt.Sprintf("app-%05d", i),
			memory: memory((float64(memoryRank[i]) + 0.5) / float64(n)),
			first:  first, size: size,
		}
		first += size
	}
	return apps, rates
}

// rate is the u-quantile of the invocations per day of applications.
func (o Options) rate(u float64) float64 {
	x := quantile(appRate, u)
	if x <= busyFrom {
		return x
	}
	// Drawn in on the logarithmic scale, so that its end is where it shall be.
	return busyFrom * math.Pow(x/busyFrom, math.Log(float64(o.Busiest)/busyFrom)/math.Log(PublishedBusiest/busyFrom))
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

const (
	chainShare = 0.2 // of the applications with several functions
	chainMost  = 5   // functions in a chain
)

// split divides the rate of an application between its functions. In some the first
// ones are a chain, in which each invokes the next.
func split(app, size int, rate float64, rnd *rand.Rand) []draft {
	drafts := make([]draft, size)
	chain := 1
	if size >= 2 && rnd.Float64() < chainShare {
		chain = min(size, 2+rnd.IntN(chainMost-1))
	}
	var sum float64
	for i := range drafts {
		x := &drafts[i]
		x.app = app
		switch {
		case i == 0:
			x.rate = 1
		case i < chain:
			x.follows, x.chance = true, 0.6+0.4*rnd.Float64()
			x.rate = drafts[i-1].rate * x.chance
		default:
			x.rate = math.Exp(1.2 * rnd.NormFloat64())
		}
		sum += x.rate
	}
	for i := range drafts {
		drafts[i].rate *= rate / sum
	}
	return drafts
}

// add makes a function of an application from its draft; u is its rank by execution time.
func (p *population) add(a application, x draft, people bool, u float64, rnd *rand.Rand) {
	id := datasets.FunctionID(len(p.functions))
	f := datasets.Function{
		ID: id, Owner: a.owner, App: a.name, Name: fmt.Sprintf("%s-%d", x.trigger, int(id)-a.first), Trigger: x.trigger,
		Memory: a.memory, CPU: []float64{0.5, 1, 1, 1, 2}[rnd.IntN(5)],
	}
	b := behaviour{rate: x.rate, follows: -1, holiday: 1, calm: 1}
	switch {
	case x.follows:
		b.follows, b.probability = id-1, x.chance
	case x.trigger == datasets.Timer:
		b.schedule(rnd, p.opts.Days)
	default:
		b.shape(people, rnd)
	}
	b.anchor = rnd.IntN(p.opts.Days * datasets.MinutesPerDay)
	f.Execution = execution(u, b.rate, rnd)
	f.AssumeStartCost(p.opts.Seed)
	p.functions, p.behaviour = append(p.functions, f), append(p.behaviour, b)
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

// memory is the u-quantile of the memory of applications, in bytes: whole MB.
func memory(u float64) int64 {
	return int64(math.Round(min(burrQuantile(u), memoryMaxMB))) << 20
}

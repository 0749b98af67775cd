package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// Names of the models that are compared.
const (
	Incendio          = "incendio"            // the hybrid
	LightGBM          = "lightgbm"            // boosted trees without Prophet's components
	LightGBMLags      = "lightgbm_lags"       // boosted trees for the count itself from lags of it, as tutorials have them
	Prophet           = "prophet"             // the decomposition alone, 0 where it is negative
	SeasonalNaive     = "seasonal_naive"      // the count of a day ago, or of a minute ago in a short history
	Naive             = "naive"               // the count of a minute ago
	ExpSmoothing      = "exp_smoothing"       // simple exponential smoothing
	SeasonalNaiveWeek = "seasonal_naive_week" // the count of a week ago, in a shorter history that of seasonal_naive
	Drift             = "drift"               // from the first count through the last
	MovingAverage     = "moving_average"      // the mean of the last 3 to 240 minutes, whichever erred least
	HoltWinters       = "holt_winters"        // additive, damped, with a season of an hour, a day or none
	Theta             = "theta"               // the theta method
	Croston           = "croston"             // size of demand over the gap between minutes of demand
	TSB               = "tsb"                 // Teunter, Syntetos and Babai: size times probability of demand
	FFT               = "fft"                 // trend and the strongest harmonics of the history
	AR                = "ar"                  // autoregression of an order up to 30, by Akaike's criterion
	Histogram         = "histogram"           // chance of an arrival by the time that has passed
)

// UsualModels are those of a validation, and of a backtest that does not say.
var UsualModels = []string{Incendio, LightGBM, Prophet, SeasonalNaive, Naive, ExpSmoothing}

// AllModels returns the names of all models, in the order of reports.
func AllModels() []string {
	out := []string{Incendio, LightGBM, LightGBMLags}
	for _, m := range makers {
		out = append(out, m.name)
	}
	return out
}

// Scopes over which errors are gathered.
const (
	TotalScope  = online.TotalScope // the sum of all functions, minute by minute
	PooledScope = "pooled"          // all minutes of all functions
	MedianScope = "median_function" // the median over the functions that were invoked
)

// Figures judge one model on one scope. Errors are in counts per minute. The hybrid and
// lightgbm forecast by the median, which is what the absolute error asks for; RMSE is
// that of the mean. Sums of functions are forecast directly.
type Figures struct {
	Name  string `json:"name"`
	Scope string `json:"scope"`
	// Horizon is how many minutes ahead of what was known the minutes lie.
	Horizon int `json:"horizon_min"`
	// Scores have the pinball losses at 0.5, 0.9 and 0.99. The season of MASE is that of the
	// baseline.
	metric.Scores
	// PinballNormalised is the loss over the mean count: of a function or a sum, of its own; of the
	// scope pooled, the mean over the functions that were invoked, each of which counts alike.
	PinballNormalised map[string]null.Float `json:"pinball_normalised"`
	Coverage90        null.Float            `json:"coverage_90"` // of the central interval of 90 %
	// DecisionCost is what it costs to be ready for the critical quantile a of a function, see
	// online.CriticalQuantile, at the prices of RUM: a for each arrival beyond it and 1 - a for each
	// place that stays empty, per arrival. It is that of the next minute, of functions whose
	// memory is known; else null.
	DecisionCost null.Float   `json:"decision_cost"`
	Timing       FigureTiming `json:"timing"`
}

// FigureTiming has what depends on the clock.
type FigureTiming struct {
	Fit     float64 `json:"fit_s"`
	Predict float64 `json:"predict_us_per_row"` // one function, one minute
}

// A Floor is the least WAPE that forecasts of Poisson arrivals could have if they knew
// the rate of every hour; see metric.PoissonFloor. Timers fall below it, bursts stay above.
type Floor struct {
	Scope string     `json:"scope"`
	WAPE  null.Float `json:"wape"`
}

// A BacktestReport is what `backtest --json` prints and `validate --json` contains.
type BacktestReport struct {
	Trace   string          `json:"trace"`
	Label   string          `json:"label,omitempty"` // of a trace that nobody observed, see datasets.Label
	Horizon int             `json:"horizon_min"`
	Window  datasets.Window `json:"window"`
	Cutoffs []int           `json:"cutoffs"` // minutes of the trace from which forecasts were made
	Models  []Figures       `json:"models"`
	Floors  []Floor         `json:"poisson_floor"`
	// Reliability says how far the quantiles of the hybrid are true, one minute ahead, by classes of
	// demand that have functions.
	Reliability []Reliability `json:"reliability"`
	// Comparisons set the hybrid against the best other model, by scope and horizon.
	Comparisons []Comparison `json:"comparisons"`
	// Notes say what the figures do not, first of all where the hybrid does not beat a baseline.
	Notes []string `json:"notes"`

	Example   *Example          `json:"-"`
	Losses    *Losses           `json:"-"` // of the hybrid at the first horizon
	Functions []FunctionFigures `json:"-"` // if they were asked for, in order of models, horizons and functions
}

// Losses are, minute by minute of all windows, what two figures of the scope pooled add up from,
// so that two models can be compared on the same minutes.
type Losses struct {
	// Pinball is the mean over the quantiles of the sum, over the functions that were invoked, of
	// the loss over the mean count of the function.
	Pinball []float64
	// Decision is the sum of what decisions cost; see Figures.DecisionCost.
	Decision []float64
}

// A Reliability is that of the quantiles of functions of one class of demand, by their mean count of
// a minute before the first cutoff.
type Reliability struct {
	// Below is what the mean stays below, and at least the largest edge before it; 0 of the class
	// above all edges.
	Below     float64 `json:"below,omitempty"`
	Functions int     `json:"functions"`
	Minutes   int     `json:"minutes"` // of all of them together
	Reliable
	// LastThird is that of the last third of the window.
	LastThird Reliable `json:"last_third"`
}

// Reliable is a share of minutes. PIT has, for the probabilities 0.5, 0.9 and 0.99, the share of
// minutes whose randomised probability integral transform lies below: counts are whole numbers, so one
// on a quantile counts in part (Czado, Gneiting and Held, Biometrics 2009). It is the probability
// itself if the forecasts are true.
type Reliable struct {
	Coverage90 null.Float            `json:"coverage_90"`
	PIT        map[string]null.Float `json:"pit"`
}

// FunctionFigures are those of one function.
type FunctionFigures struct {
	Figures
	Function online.Key
	Minutes  int     // that were forecast
	Count    float64 // that came in them
}

// A ForecastRow is one forecast of a backtest beside what came. A sum of functions has its scope in
// place of the key of a function.
type ForecastRow struct {
	Function, Model        string
	Minute, Horizon        int // of the trace; how far ahead it was
	Actual                 float64
	Mean, Median, Q90, Q99 float64
}

// A Comparison says whether the hybrid errs less than the best other model of a scope, by a
// paired block bootstrap: of hours of minutes (of as many minutes as the horizon has, where that is more),
// of the scope median_function of functions.
type Comparison struct {
	Scope   string `json:"scope"`
	Horizon int    `json:"horizon_min"`
	Other   string `json:"other"` // that of the smallest WAPE
	// Ratio is the WAPE of the hybrid over its, with an interval of 95 %.
	Ratio  null.Float    `json:"wape_ratio"`
	CI95   [2]null.Float `json:"ci95"`
	Result string        `json:"result"` // better or worse if the interval leaves 1 out, else tie
}

// Results of a comparison.
const (
	Better = "better"
	Worse  = "worse"
	Tie    = "tie"
)

// Model returns the figures of a model on a scope, of the first horizon.
func (r *BacktestReport) Model(name, scope string) (Figures, bool) {
	i := slices.IndexFunc(r.Models, func(f Figures) bool { return f.Name == name && f.Scope == scope })
	if i < 0 {
		return Figures{}, false
	}
	return r.Models[i], true
}

// An Example is the forecast of one function, minute by minute.
type Example struct {
	Function     online.Key
	Minute       []int // of the trace
	Actual       []float64
	Mean, Median []float64
	Lower, Upper []float64 // central interval of 90 %
	Q90, Q99     []float64
}

// sums of the errors of one model on one series.
type sums struct {
	metric.Errors
	pin          [3]float64
	inside       metric.Coverage
	cost, priced float64 // of decisions, and the counts that came meanwhile
	decisions    int

	all, late reliable // of the hybrid one minute ahead; late is the last third of the window
}

// reliable sums up what is inside the interval of 90 %, and the transforms below each level.
type reliable struct {
	inside metric.Coverage
	pit    [3]float64
}

func (r *reliable) merge(o reliable) {
	r.inside.Merge(o.inside)
	for i := range r.pit {
		r.pit[i] += o.pit[i]
	}
}

func (r *reliable) figures() Reliable {
	out := Reliable{null.Float(r.inside.Share()), map[string]null.Float{}}
	for i, v := range r.pit {
		out.PIT[levelNames[i]] = null.Float(v / r.inside.N)
	}
	return out
}

// transformed says for each level how much of the randomised transform of a count lies below it, by
// the quantiles that were forecast.
func transformed(quantile func(p float64) float64, c claim, count float64) reliable {
	var out reliable
	out.inside.Add(count, c.lower, c.upper)
	below, upTo := -1.0, -1.0 // probabilities of less than count, and of at most count
	for i, p := range levels {
		switch v := quantile(p); {
		case count < v:
			out.pit[i] = 1
		case count == v:
			if below < 0 {
				below = probability(func(p float64) bool { return quantile(p) < count })
				upTo = probability(func(p float64) bool { return quantile(p) <= count })
			}
			out.pit[i] = 1
			if upTo > below {
				out.pit[i] = max(0, min((p-below)/(upTo-below), 1))
			}
		}
	}
	return out
}

// probability is the largest one that has what all smaller ones have, to 1/4096.
func probability(has func(p float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 12 {
		if p := (low + high) / 2; has(p) {
			low = p
		} else {
			high = p
		}
	}
	return low
}

// reliability is that of the hybrid by classes of demand.
func (e *evaluation) reliability() []Reliability {
	out := []Reliability{}
	model, horizon := slices.Index(e.models, Incendio), slices.Index(e.horizons, 1)
	if model < 0 || horizon < 0 {
		return out
	}
	for class := range len(demandEdges) + 1 {
		var r Reliability
		var all, late reliable
		for f := range e.demand {
			if s := &e.tally(model, horizon).function[f]; e.demand[f] == class {
				r.Functions++
				all.merge(s.all)
				late.merge(s.late)
			}
		}
		if r.Functions == 0 {
			continue
		}
		if class < len(demandEdges) {
			r.Below = demandEdges[class]
		}
		r.Minutes, r.Reliable, r.LastThird = int(all.inside.N), all.figures(), late.figures()
		out = append(out, r)
	}
	return out
}

// levels of the pinball losses, in order of sums.pin.
var levels = [3]float64{0.5, 0.9, 0.99}

var levelNames = [3]string{"0.5", "0.9", "0.99"}

// A claim is all that a model says of one count.
type claim struct {
	point, mean  float64 // of least absolute and of least squared error
	median       float64
	q90, q99     float64
	lower, upper float64

	// What is held ready for the function, and with which probability it should suffice; 0 of sums
	// and of minutes further ahead.
	ready, critical float64

	transformed reliable // of the hybrid one minute ahead, else of nothing
}

func (s *sums) add(actual float64, c claim) {
	s.Add(actual, c.point, c.mean, 1)
	for i, q := range [3]float64{c.median, c.q90, c.q99} {
		s.pin[i] += metric.Pinball(levels[i], actual, q)
	}
	s.inside.Add(actual, c.lower, c.upper)
	if c.critical > 0 {
		s.cost += metric.Pinball(c.critical, actual, c.ready)
		s.priced += actual
		s.decisions++
	}
	s.all.merge(c.transformed)
}

func (s *sums) merge(o sums) {
	s.Merge(o.Errors)
	for i := range s.pin {
		s.pin[i] += o.pin[i]
	}
	s.inside.Merge(o.inside)
	s.cost += o.cost
	s.priced += o.priced
	s.decisions += o.decisions
}

func (s *sums) figures(t *tally, scope string) Figures {
	f := Figures{
		Name: t.name, Scope: scope, Horizon: t.horizon,
		Scores:     s.Scores(map[string]null.Float{}),
		Coverage90: null.Float(s.inside.Share()),

		PinballNormalised: map[string]null.Float{},
		DecisionCost:      null.Missing,
	}
	if s.decisions > 0 {
		f.DecisionCost = null.Float(s.cost / s.priced)
	}
	for i, p := range s.pin {
		f.Pinball[levelNames[i]] = null.Float(p / s.N)
		f.PinballNormalised[levelNames[i]] = null.Float(p / s.Actual)
	}
	return f
}

// A tally gathers the errors of one model at one horizon over the functions and, with a backtest,
// over the cutoffs.
type tally struct {
	name     string
	horizon  int
	function []sums  // per function
	sums     []sums  // per scope of a sum of functions
	pooled   []int64 // absolute errors of all functions, by minute of all windows, in 1/lossUnits
	pinball  []int64 // of the hybrid: Losses, in the same units
	decision []int64
	loss     [][]int64 // of each scope of a sum, the same
	fit      time.Duration
	predict  time.Duration
	rows     int
}

// report returns the figures of the scopes: the sum of all functions, pooled, the median
// function, and further sums.
func (t *tally) report(scopes []string) []Figures {
	var pooled sums
	var per []Figures
	for _, s := range t.function {
		pooled.merge(s)
		if s.Actual > 0 {
			per = append(per, s.figures(t, MedianScope))
		}
	}
	values := func(value func(Figures) null.Float) []float64 {
		var v []float64
		for _, f := range per {
			if x := float64(value(f)); !math.IsNaN(x) {
				v = append(v, x)
			}
		}
		return v
	}
	over := func(value func(Figures) null.Float) null.Float {
		v := values(value)
		if len(v) == 0 {
			return null.Float(math.NaN())
		}
		slices.Sort(v)
		return null.Float(metric.Linear(v, 0.5))
	}
	median := Figures{Name: t.name, Scope: MedianScope, Horizon: t.horizon, Scores: metric.Scores{Pinball: map[string]null.Float{}}, PinballNormalised: map[string]null.Float{}}
	median.WAPE = over(func(f Figures) null.Float { return f.WAPE })
	median.MAE = over(func(f Figures) null.Float { return f.MAE })
	median.RMSE = over(func(f Figures) null.Float { return f.RMSE })
	median.MASE = over(func(f Figures) null.Float { return f.MASE })
	median.Coverage90 = over(func(f Figures) null.Float { return f.Coverage90 })
	median.DecisionCost = over(func(f Figures) null.Float { return f.DecisionCost })
	all := pooled.figures(t, PooledScope)
	for _, l := range levelNames {
		median.Pinball[l] = over(func(f Figures) null.Float { return f.Pinball[l] })
		median.PinballNormalised[l] = over(func(f Figures) null.Float { return f.PinballNormalised[l] })
		sum, v := 0.0, values(func(f Figures) null.Float { return f.PinballNormalised[l] })
		for _, x := range v {
			sum += x
		}
		all.PinballNormalised[l] = null.Float(sum / float64(len(v))) // null without functions
	}
	out := []Figures{t.sums[0].figures(t, TotalScope), all, median}
	for i := 1; i < len(scopes); i++ {
		out = append(out, t.sums[i].figures(t, scopes[i]))
	}
	for i := range out {
		out[i].Timing = FigureTiming{Fit: t.fit.Seconds(), Predict: t.predict.Seconds() * 1e6 / max(1, float64(t.rows))}
	}
	return out
}

// floors are computed from the mean counts of each hour: those of every function, and
// their sum.
func floors(hours [][]float64) []Floor {
	var all, per []float64
	var total []float64
	for _, h := range hours {
		total = append(total, make([]float64, max(0, len(h)-len(total)))...)
		for i, v := range h {
			total[i] += v
		}
		all = append(all, h...)
		if slices.Max(append([]float64{0}, h...)) > 0 {
			per = append(per, metric.PoissonFloor(h))
		}
	}
	slices.Sort(per)
	median := math.NaN()
	if len(per) > 0 {
		median = metric.Linear(per, 0.5)
	}
	return []Floor{
		{TotalScope, null.Float(metric.PoissonFloor(total))},
		{PooledScope, null.Float(metric.PoissonFloor(all))},
		{MedianScope, null.Float(median)},
	}
}

// functions returns the figures of each function.
func (e *evaluation) functions() []FunctionFigures {
	var out []FunctionFigures
	for _, t := range e.tallies {
		for f := range t.function {
			s := &t.function[f]
			key := online.KeyOf(&e.trace.Functions[f])
			out = append(out, FunctionFigures{Figures: s.figures(t, key.String()), Function: key, Minutes: int(s.N), Count: s.Actual})
		}
	}
	return out
}

// minCompared is the number of functions from which a median of them is compared.
const minCompared = 10

// invoked is the number of functions that were, in the minutes of a horizon.
func (e *evaluation) invoked(horizon int) int {
	n := 0
	for f := range e.tally(0, horizon).function {
		if e.tally(0, horizon).function[f].Actual > 0 {
			n++
		}
	}
	return n
}

// resamples of a comparison.
const resamples = 500

// compare sets the hybrid against the best other model of every scope and horizon.
func (e *evaluation) compare(rows []Figures) []Comparison {
	out := []Comparison{}
	ours := slices.Index(e.models, Incendio)
	if ours < 0 {
		return out
	}
	for i, h := range e.horizons {
		for s, scope := range slices.Concat([]string{PooledScope, MedianScope}, e.scopes) {
			c := Comparison{Scope: scope, Horizon: h, Result: Tie}
			best := null.Float(math.Inf(1))
			var mine null.Float
			for _, f := range rows {
				switch {
				case f.Scope != scope || f.Horizon != h:
				case f.Name == Incendio:
					mine = f.WAPE
				case f.WAPE < best:
					best, c.Other = f.WAPE, f.Name
				}
			}
			if c.Other == "" || s == 1 && e.invoked(i) < minCompared {
				continue
			}
			c.Ratio = mine / best
			a, b := e.tally(ours, i), e.tally(slices.Index(e.models, c.Other), i)
			rnd := seed.Stream(e.seed, fmt.Sprintf("forecast/compare/%s/%d", scope, h))
			var low, high float64
			switch s {
			case 0:
				low, high = pairedBlocks(a.pooled, b.pooled, max(60, h), rnd)
			case 1:
				low, high = pairedMedians(a.function, b.function, rnd)
			default:
				low, high = pairedBlocks(a.loss[s-2], b.loss[s-2], max(60, h), rnd)
			}
			c.CI95 = [2]null.Float{null.Float(low), null.Float(high)}
			switch {
			case high < 1:
				c.Result = Better
			case low > 1:
				c.Result = Worse
			}
			out = append(out, c)
		}
	}
	return out
}

// pairedBlocks is the interval of the ratio of the sums of a and b over blocks of minutes.
func pairedBlocks(a, b []int64, block int, rnd *rand.Rand) (low, high float64) {
	n := max(1, len(a)/block)
	x, y := make([]float64, n), make([]float64, n)
	for i := range a {
		k := min(i/block, n-1) // the last takes what is left over
		x[k] += float64(a[i])
		y[k] += float64(b[i])
	}
	return metric.Bootstrap(n, resamples, 0.95, rnd, func(items []int) float64 {
		var sumX, sumY float64
		for _, i := range items {
			sumX += x[i]
			sumY += y[i]
		}
		return sumX / sumY
	})
}

// pairedMedians is the interval of the ratio of the median WAPE of functions.
func pairedMedians(a, b []sums, rnd *rand.Rand) (low, high float64) {
	var x, y []float64
	for f := range a {
		if a[f].Actual > 0 {
			x, y = append(x, a[f].WAPE()), append(y, b[f].WAPE())
		}
	}
	if len(x) == 0 {
		return math.NaN(), math.NaN()
	}
	one, two := make([]float64, len(x)), make([]float64, len(x))
	return metric.Bootstrap(len(x), resamples, 0.95, rnd, func(items []int) float64 {
		for i, k := range items {
			one[i], two[i] = x[k], y[k]
		}
		slices.Sort(one)
		slices.Sort(two)
		return metric.Linear(one, 0.5) / metric.Linear(two, 0.5)
	})
}

// compare notes where a baseline has no larger WAPE than the hybrid.
func (r *BacktestReport) compare() {
	for _, ours := range r.Models {
		if ours.Name != Incendio {
			continue
		}
		for _, f := range r.Models {
			if f.Scope != ours.Scope || f.Horizon != ours.Horizon || f.Name == Incendio || !(f.WAPE <= ours.WAPE) {
				continue
			}
			ahead := ""
			if f.Horizon > 1 {
				ahead = fmt.Sprintf(", %d minutes ahead", f.Horizon)
			}
			r.Notes = append(r.Notes, fmt.Sprintf("%s does not beat %s on the scope %s%s: WAPE %.4f against %.4f", Incendio, f.Name, f.Scope, ahead, float64(ours.WAPE), float64(f.WAPE)))
		}
	}
}

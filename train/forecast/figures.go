package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/null"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train/metric"
)

// Names of the models that are compared.
const (
	Incendio      = "incendio"       // the hybrid
	LightGBM      = "lightgbm"       // boosted trees without Prophet's components
	Prophet       = "prophet"        // the decomposition alone, 0 where it is negative
	SeasonalNaive = "seasonal_naive" // the count of a day ago, or of a minute ago in a short history
	Naive         = "naive"          // the count of a minute ago
	ExpSmoothing  = "exp_smoothing"  // simple exponential smoothing
)

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
	Name  string     `json:"name"`
	Scope string     `json:"scope"`
	WAPE  null.Float `json:"wape"`
	MAE   null.Float `json:"mae"`
	RMSE  null.Float `json:"rmse"`
	// MASE is the MAE divided by that of the seasonal naive forecast within the history
	// before the window, of the same season as the baseline's; of the scope pooled, the
	// ratio of the sums.
	MASE       null.Float            `json:"mase"`
	Pinball    map[string]null.Float `json:"pinball"`     // mean loss at 0.5, 0.9 and 0.99
	Coverage90 null.Float            `json:"coverage_90"` // of the central interval of 90 %
	Timing     FigureTiming          `json:"timing"`
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
	// Notes say what the figures do not, first of all where the hybrid does not beat a baseline.
	Notes []string `json:"notes"`

	Example *Example `json:"-"`
}

// Model returns the figures of a model on a scope.
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
	n, actual     float64
	abs, square   float64
	pin           [3]float64
	inside        float64
	scale, scaleN float64 // absolute error of the seasonal naive forecast in the history
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
}

func (s *sums) add(actual float64, c claim) {
	s.n++
	s.actual += actual
	s.abs += math.Abs(actual - c.point)
	s.square += (actual - c.mean) * (actual - c.mean)
	for i, q := range [3]float64{c.median, c.q90, c.q99} {
		s.pin[i] += max(levels[i]*(actual-q), (levels[i]-1)*(actual-q))
	}
	if c.lower <= actual && actual <= c.upper {
		s.inside++
	}
}

func (s *sums) merge(o sums) {
	s.n += o.n
	s.actual += o.actual
	s.abs += o.abs
	s.square += o.square
	for i := range s.pin {
		s.pin[i] += o.pin[i]
	}
	s.inside += o.inside
	s.scale += o.scale
	s.scaleN += o.scaleN
}

func (s *sums) figures(name, scope string) Figures {
	f := Figures{
		Name: name, Scope: scope,
		WAPE:       null.Float(s.abs / s.actual),
		MAE:        null.Float(s.abs / s.n),
		RMSE:       null.Float(math.Sqrt(s.square / s.n)),
		MASE:       null.Float(s.abs / s.n / (s.scale / s.scaleN)),
		Pinball:    map[string]null.Float{},
		Coverage90: null.Float(s.inside / s.n),
	}
	for i, p := range s.pin {
		f.Pinball[levelNames[i]] = null.Float(p / s.n)
	}
	return f
}

// A tally gathers the errors of one model over the functions and, with a backtest,
// over the cutoffs.
type tally struct {
	name     string
	function []sums // per function
	sums     []sums // per scope of a sum of functions
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
		if s.actual > 0 {
			per = append(per, s.figures(t.name, MedianScope))
		}
	}
	median := Figures{Name: t.name, Scope: MedianScope, Pinball: map[string]null.Float{}}
	over := func(value func(Figures) null.Float) null.Float {
		var v []float64
		for _, f := range per {
			if x := float64(value(f)); !math.IsNaN(x) {
				v = append(v, x)
			}
		}
		if len(v) == 0 {
			return null.Missing
		}
		slices.Sort(v)
		return null.Float(quantile(v, 0.5))
	}
	median.WAPE = over(func(f Figures) null.Float { return f.WAPE })
	median.MAE = over(func(f Figures) null.Float { return f.MAE })
	median.RMSE = over(func(f Figures) null.Float { return f.RMSE })
	median.MASE = over(func(f Figures) null.Float { return f.MASE })
	median.Coverage90 = over(func(f Figures) null.Float { return f.Coverage90 })
	for _, l := range levelNames {
		median.Pinball[l] = over(func(f Figures) null.Float { return f.Pinball[l] })
	}
	out := []Figures{t.sums[0].figures(t.name, TotalScope), pooled.figures(t.name, PooledScope), median}
	for i := 1; i < len(scopes); i++ {
		out = append(out, t.sums[i].figures(t.name, scopes[i]))
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
		median = quantile(per, 0.5)
	}
	return []Floor{
		{TotalScope, null.Float(metric.PoissonFloor(total))},
		{PooledScope, null.Float(metric.PoissonFloor(all))},
		{MedianScope, null.Float(median)},
	}
}

// compare notes where a baseline has no larger WAPE than the hybrid.
func (r *BacktestReport) compare() {
	for _, ours := range r.Models {
		if ours.Name != Incendio {
			continue
		}
		scope := ours.Scope
		for _, f := range r.Models {
			if f.Scope == scope && f.Name != Incendio && f.WAPE <= ours.WAPE {
				r.Notes = append(r.Notes, fmt.Sprintf("%s does not beat %s on the scope %s: WAPE %.4f against %.4f", Incendio, f.Name, scope, float64(ours.WAPE), float64(f.WAPE)))
			}
		}
	}
}

package gates

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
)

// Margins are the smallest differences between candidate and champion that matter, and how
// they are measured.
type Margins struct {
	// Forecast: share by which the pinball loss and the cost of decisions may be above the
	// champion's. Default 0.05.
	Forecast float64 `json:"forecast"`
	// Latency: share by which the mean latency may be above the champion's. Default 0.05.
	Latency float64 `json:"latency"`
	// Dropped: share of all requests that may be dropped more than with the champion.
	// Default 0.001.
	Dropped float64 `json:"dropped"`
	// Cost: share by which the cost must be below the champion's. Default 0.005.
	Cost float64 `json:"cost"`
	// Seeds under which both are replayed, >= 1: each draws the arrivals inside their minutes,
	// the durations and the start costs anew. Default 3.
	Seeds int `json:"seeds"`
	// BlockMinutes is the length of the blocks of time that are drawn for the intervals, >= 1;
	// a window of less than ten of them has ten shorter ones. Default 60.
	BlockMinutes int `json:"block_minutes"`
	// MaxAge ends ties: a champion that learned on minutes which end so much before those of
	// the candidate is replaced where the candidate is not worse. 0: never. Default 336h.
	MaxAge time.Duration `json:"max_age"`
}

// DefaultMargins returns the defaults.
func DefaultMargins() Margins {
	return Margins{Forecast: 0.05, Latency: 0.05, Dropped: 0.001, Cost: 0.005, Seeds: 3, BlockMinutes: 60, MaxAge: 14 * 24 * time.Hour}
}

// Validate reports all values that are out of range, each with its key.
func (m Margins) Validate() error {
	var c option.Check
	for _, k := range []struct {
		key   string
		value float64
	}{{"forecast", m.Forecast}, {"latency", m.Latency}, {"dropped", m.Dropped}, {"cost", m.Cost}} {
		c.That(k.value >= 0 && !math.IsInf(k.value, 0), k.key, "must be a number that is not negative, got %g", k.value)
	}
	c.That(m.Seeds >= 1, "seeds", "must be at least 1, got %d", m.Seeds)
	c.That(m.BlockMinutes >= 1, "block_minutes", "must be at least 1, got %d", m.BlockMinutes)
	c.That(m.MaxAge >= 0, "max_age", "must not be negative, got %v", m.MaxAge)
	return c.Err()
}

// A Pair has what a figure adds up from, of candidate and champion on the same minutes: sums
// by minute, of every seed under which it was measured.
type Pair struct {
	Candidate, Champion [][]float64 // by seed and minute
	Requests            [][]float64 // the same, where the figure is a share of them; else nil
}

// Pairs are the figures that are compared. Forecasts do not depend on a seed and have one.
type Pairs struct {
	Pinball, DecisionCost  Pair
	Latency, Dropped, Cost Pair
	Seeds                  []uint64      // of the simulations
	Age                    time.Duration // from the end of what the champion learned on to that of the candidate
}

// Results of a comparison, and of one of its figures.
const (
	Better      = "better"
	Worse       = "worse"
	Tie         = "tie"         // neither is shown
	NonInferior = "noninferior" // of a figure: not worse by what matters, and not shown to be better by it
)

// A Comparison says whether a candidate is better than the champion.
type Comparison struct {
	// Result is better if the candidate is non-inferior in every figure and its cost is better,
	// worse if any figure is worse, else tie.
	Result string `json:"result"`
	// Decided is the rule that decided: the cost, or the first figure that is worse or unclear.
	Decided      string     `json:"decided"`
	Seeds        []uint64   `json:"seeds"`
	Blocks       int        `json:"blocks"`        // of time
	BlockMinutes int        `json:"block_minutes"` // in each
	AgeDays      float64    `json:"age_days"`      // by which what the champion learned on ends earlier
	Stale        bool       `json:"stale"`         // a tie is then enough
	Figures      []Compared `json:"figures"`
}

// Compared is one figure. The change is the candidate's value over the champion's, less 1; of
// drops it is the difference of the shares.
type Compared struct {
	Rule   string     `json:"rule"`
	Change null.Float `json:"change"`
	// Bounds hold the change with 95 % each, as one-sided intervals: what is above the second,
	// or below the first, is so with 5 %. By the percentile bootstrap over blocks of time and,
	// in each, over seeds; null where there was nothing to measure.
	Bounds [2]null.Float `json:"bounds"`
	Margin float64       `json:"margin"` // the smallest difference that matters
	Result string        `json:"result"` // better, worse, noninferior or tie
}

// ruleCost is the rule of the figure that must be better.
const ruleCost = "cost_s_per_request"

// resamples of the bootstrap, and the least number of blocks of a window that has so many minutes.
const (
	resamples   = 2000
	leastBlocks = 10
)

// Compare compares the figures of a candidate with the champion's. Draws come from rnd alone.
func Compare(p Pairs, m Margins, rnd uint64) *Comparison {
	minutes := len(p.Cost.Candidate[0])
	block := max(1, min(m.BlockMinutes, minutes/leastBlocks))
	c := &Comparison{Seeds: p.Seeds, Blocks: max(1, minutes/block), BlockMinutes: block, AgeDays: p.Age.Hours() / 24}
	c.Stale = m.MaxAge > 0 && p.Age >= m.MaxAge
	for _, f := range []struct {
		rule   string
		pair   Pair
		margin float64
	}{
		{"forecast_pinball_normalised", p.Pinball, m.Forecast},
		{"forecast_decision_cost", p.DecisionCost, m.Forecast},
		{"mean_latency_ms", p.Latency, m.Latency},
		{"dropped_share", p.Dropped, m.Dropped},
		{ruleCost, p.Cost, m.Cost},
	} {
		c.Figures = append(c.Figures, f.pair.compare(f.rule, f.margin, c.Blocks, block, seed.Stream(rnd, "gates/compare/"+f.rule)))
	}
	c.Result, c.Decided = decide(c.Figures)
	return c
}

// decide sums figures up. The cost is the last of them.
func decide(figures []Compared) (result, decided string) {
	for _, f := range figures {
		if f.Result == Worse {
			return Worse, f.Rule
		}
	}
	for _, f := range figures {
		if f.Result == Tie {
			return Tie, f.Rule
		}
	}
	if cost := figures[len(figures)-1]; cost.Result != Better {
		return Tie, cost.Rule
	}
	return Better, ruleCost
}

// sums of a block.
type sums struct{ candidate, champion, requests float64 }

func (s *sums) add(o sums) {
	s.candidate += o.candidate
	s.champion += o.champion
	s.requests += o.requests
}

// change of the figure that s adds up to; shares say that it is one.
func (s sums) change(shares bool) float64 {
	switch {
	case shares:
		return (s.candidate - s.champion) / s.requests
	case s.candidate == s.champion:
		return 0 // also where both are 0
	}
	return s.candidate/s.champion - 1
}

func (p *Pair) compare(rule string, margin float64, blocks, minutes int, rnd *rand.Rand) Compared {
	seeds := len(p.Candidate)
	cells := make([][]sums, blocks) // by block and seed
	var all sums
	for b := range cells {
		cells[b] = make([]sums, seeds)
	}
	for s := range seeds {
		for i := range p.Candidate[s] {
			one := sums{candidate: p.Candidate[s][i], champion: p.Champion[s][i]}
			if p.Requests != nil {
				one.requests = p.Requests[s][i]
			}
			cells[min(i/minutes, blocks-1)][s].add(one) // the last takes what is left over
			all.add(one)
		}
	}
	shares := p.Requests != nil
	low, high := metric.Bootstrap(blocks, resamples, 0.9, rnd, func(items []int) float64 {
		var drawn sums
		for _, b := range items {
			for range seeds {
				drawn.add(cells[b][rnd.IntN(seeds)])
			}
		}
		return drawn.change(shares)
	})
	c := Compared{Rule: rule, Change: null.Float(all.change(shares)), Bounds: [2]null.Float{null.Float(low), null.Float(high)}, Margin: margin}
	switch {
	case low > margin:
		c.Result = Worse
	case high < -margin:
		c.Result = Better
	case high <= margin:
		c.Result = NonInferior
	default:
		c.Result = Tie
	}
	return c
}

// Figure is the one that a rule is about, nil where it is not compared.
func (c *Comparison) Figure(rule string) *Compared {
	if c == nil {
		return nil
	}
	i := slices.IndexFunc(c.Figures, func(f Compared) bool { return f.Rule == rule })
	if i < 0 {
		return nil
	}
	return &c.Figures[i]
}

// holds reports whether a figure lets the candidate in: non-inferior, the cost better; of a stale
// champion it is enough that nothing is worse.
func (c *Comparison) holds(rule string) (bool, error) {
	f := c.Figure(rule)
	switch {
	case f == nil:
		return false, fmt.Errorf("%s was not compared with the champion's", rule)
	case c.Stale:
		return f.Result != Worse, nil
	case rule == ruleCost:
		return f.Result == Better, nil
	}
	return f.Result == NonInferior || f.Result == Better, nil
}

// text says in words what it came to.
func (f *Compared) text() string {
	if !f.Change.Known() || !f.Bounds[0].Known() || !f.Bounds[1].Known() {
		return "the champion has nothing to compare with"
	}
	unit := func(v null.Float) string { return fmt.Sprintf("%+.2f %%", 100*float64(v)) }
	return fmt.Sprintf("%s (from %s to %s, 95 %% each; %.2g %% matter)", unit(f.Change), unit(f.Bounds[0]), unit(f.Bounds[1]), 100*f.Margin)
}

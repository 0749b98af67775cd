// Package metric has the figures that training, validation, simulation and reports judge
// by, each of them once: errors of forecasts ([Errors], [Pinball], [Coverage]), the error
// that no forecast can go below ([PoissonFloor]), percentiles ([Rank], [Empirical],
// [Linear]), intervals ([Bootstrap]) and fairness ([Jain]).
//
// What adds up is a value that starts as zero and can be merged, so that parts are judged
// in parallel and no counts are kept:
//
//	var e metric.Errors
//	for i, y := range counts {
//		e.Add(y, median[i], mean[i], 1)
//	}
//	fmt.Println(e.WAPE(), e.RMSE())
//
// A figure of nothing, or of a scale that is 0, is NaN or infinite. [Scores] have them as
// null in JSON.
package metric

import (
	"math"

	"github.com/incendio-faas/incendio/internal/null"
)

// Errors adds up by how much forecasts missed the counts that came. Over the minutes of one
// function its figures are those of the function, over those of many they are pooled.
type Errors struct {
	N        float64 // counts, by their weights
	Actual   float64 // sum of the counts
	Absolute float64 // sum of the absolute errors
	Squared  float64 // sum of the squared errors
	Scale    Scale   // of MASE
}

// Add adds a count, >= 0, with its weight, 1 for a plain figure. Its absolute error is
// that of the forecast median, which it asks for, its squared error that of mean.
func (e *Errors) Add(actual, median, mean, weight float64) {
	e.N += weight
	e.Actual += weight * actual
	e.Absolute += weight * math.Abs(actual-median)
	e.Squared += weight * ((actual - mean) * (actual - mean))
}

// Merge adds what o added up.
func (e *Errors) Merge(o Errors) {
	e.N += o.N
	e.Actual += o.Actual
	e.Absolute += o.Absolute
	e.Squared += o.Squared
	e.Scale.Merge(o.Scale)
}

// WAPE is the weighted absolute percentage error, a ratio:
//
//	sum_i |actual_i - median_i| / sum_i actual_i
func (e *Errors) WAPE() float64 { return e.Absolute / e.Actual }

// MAE is the mean absolute error, mean_i |actual_i - median_i|.
func (e *Errors) MAE() float64 { return e.Absolute / e.N }

// RMSE is the root of the mean squared error of the means.
func (e *Errors) RMSE() float64 { return math.Sqrt(e.Squared / e.N) }

// MASE is the mean absolute scaled error (Hyndman and Koehler, "Another look at measures of
// forecast accuracy", International Journal of Forecasting, 2006): the MAE divided by that
// of the seasonal naive forecast within the history.
func (e *Errors) MASE() float64 { return e.MAE() / e.Scale.mae() }

// Scores are the errors, with the pinball losses that were given by their names.
func (e *Errors) Scores(pinball map[string]null.Float) Scores {
	return Scores{null.Float(e.WAPE()), null.Float(e.MAE()), null.Float(e.RMSE()), null.Float(e.MASE()), pinball}
}

// Scores are the errors of a forecaster, in JSON. All but WAPE and MASE, which are ratios,
// are in counts.
type Scores struct {
	WAPE null.Float `json:"wape"`
	MAE  null.Float `json:"mae"`
	RMSE null.Float `json:"rmse"`
	// MASE is the MAE divided by that of the seasonal naive forecast within the history
	// before; over several functions, the ratio of the sums.
	MASE    null.Float            `json:"mase"`
	Pinball map[string]null.Float `json:"pinball,omitempty"` // mean loss by quantile, such as "0.9"
}

// A Scale adds up the absolute errors of the seasonal naive forecast, which says that a step
// is as the one a period before, within histories.
type Scale struct{ sum, n float64 }

// SeasonalNaive is the scale of one history with a period of at least 1 step.
func SeasonalNaive(history []float64, period int) (s Scale) {
	for i := period; i < len(history); i++ {
		if e := math.Abs(history[i] - history[i-period]); !math.IsNaN(e) {
			s.sum += e
			s.n++
		}
	}
	return s
}

// Merge adds what o added up.
func (s *Scale) Merge(o Scale) {
	s.sum += o.sum
	s.n += o.n
}

func (s *Scale) mae() float64 { return s.sum / s.n }

// Pinball is the loss of the forecast q of the p-quantile, p in (0, 1), of one count
// (Koenker and Bassett, "Regression Quantiles", Econometrica, 1978):
//
//	p (actual - q) where the count is above, (1-p) (q - actual) where it is below
func Pinball(p, actual, q float64) float64 { return max(p*(actual-q), (p-1)*(actual-q)) }

// Coverage counts how many values lay inside their intervals.
type Coverage struct{ N, Inside float64 }

// Add adds a value with its interval, ends included.
func (c *Coverage) Add(actual, lower, upper float64) {
	c.N++
	if lower <= actual && actual <= upper {
		c.Inside++
	}
}

// Merge adds what o counted.
func (c *Coverage) Merge(o Coverage) {
	c.N += o.N
	c.Inside += o.Inside
}

// Share is the share of values inside, in [0, 1].
func (c *Coverage) Share() float64 { return c.Inside / c.N }

// Jain is the fairness index of Jain, Chiu and Hawe ("A Quantitative Measure of Fairness and
// Discrimination for Resource Allocation in Shared Computer Systems", DEC TR-301, 1984), in
// [1/n, 1] for n shares that are not negative:
//
//	(sum_i x_i)^2 / (n sum_i x_i^2)
//
// Without shares, or if all are 0, everybody gets the same and it is 1.
func Jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(x)) * squares)
}

// Package metric measures forecasts, intervals, rankings and fairness. All functions
// are pure and take slices of equal length; they panic when lengths differ.
//
// A pair whose actual value is NaN, a missing step, is left out. Without any pair left
// there is nothing to measure and the result is NaN; otherwise it is NaN only if a
// forecast is.
package metric

import (
	"fmt"
	"math"
)

// sumOver adds f over the pairs that are not missing, and counts them.
func sumOver(actual, forecast []float64, f func(a, y float64) float64) (sum float64, n int) {
	sameLength(len(actual), len(forecast))
	for i, a := range actual {
		if a == a {
			sum += f(a, forecast[i])
			n++
		}
	}
	return sum, n
}

func sameLength(want, got int) {
	if want != got {
		panic(fmt.Sprintf("metric: slices must have equal lengths, got %d and %d", want, got))
	}
}

func absoluteError(a, y float64) float64 { return math.Abs(a - y) }

// ratio returns a/b for an error a and its scale b; without scale, an absent error is 0
// and any other infinite.
func ratio(a, b float64) float64 {
	if b == 0 {
		switch {
		case a == 0:
			return 0
		case a > 0:
			return math.Inf(1)
		}
	}
	return a / b
}

// MAE returns the mean absolute error, mean_i |actual_i - forecast_i|.
func MAE(actual, forecast []float64) float64 {
	sum, n := sumOver(actual, forecast, absoluteError)
	return sum / float64(n)
}

// RMSE returns the root of the mean squared error.
func RMSE(actual, forecast []float64) float64 {
	sum, n := sumOver(actual, forecast, func(a, y float64) float64 { return (a - y) * (a - y) })
	return math.Sqrt(sum / float64(n))
}

// WAPE returns the weighted absolute percentage error, a ratio:
//
//	sum_i |actual_i - forecast_i| / sum_i |actual_i|
//
// Over the steps of many functions it is the pooled WAPE. When all actual values are 0
// it is 0 for a forecast that is exact and +Inf for any other.
func WAPE(actual, forecast []float64) float64 {
	sum, n := sumOver(actual, forecast, absoluteError)
	if n == 0 {
		return math.NaN()
	}
	scale, _ := sumOver(actual, actual, func(a, _ float64) float64 { return math.Abs(a) })
	return ratio(sum, scale)
}

// SMAPE returns the symmetric mean absolute percentage error, a ratio in [0, 2]
// (Makridakis, "Accuracy measures: theoretical and practical concerns", International
// Journal of Forecasting, 1993):
//
//	mean_i 2 |actual_i - forecast_i| / (|actual_i| + |forecast_i|)
//
// A step where both are 0 counts 0.
func SMAPE(actual, forecast []float64) float64 {
	sum, n := sumOver(actual, forecast, func(a, y float64) float64 {
		return ratio(2*math.Abs(a-y), math.Abs(a)+math.Abs(y))
	})
	return sum / float64(n)
}

// MASE returns the mean absolute scaled error (Hyndman and Koehler, "Another look at
// measures of forecast accuracy", International Journal of Forecasting, 2006): the MAE
// divided by that of the seasonal naive forecast within the history, which says that a
// step is as the one period steps before. Steps of the history that are missing, or
// whose predecessor is, are left out.
//
// It panics if period is less than 1. Without any pair of steps a period apart the
// result is NaN; for a history that the naive forecast hits exactly, it is 0 if the
// forecast is exact and +Inf if not.
func MASE(actual, forecast, history []float64, period int) float64 {
	if period < 1 {
		panic(fmt.Sprintf("metric: period must be at least 1, got %d", period))
	}
	scale, n := 0.0, 0
	for i := period; i < len(history); i++ {
		if d := history[i] - history[i-period]; d == d {
			scale += math.Abs(d)
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	mae := MAE(actual, forecast)
	return ratio(mae, scale/float64(n))
}

// Pinball returns the mean pinball loss of forecasts of the alpha-quantile, alpha in
// (0, 1) (Koenker and Bassett, "Regression Quantiles", Econometrica, 1978):
//
//	alpha (actual - forecast) where the actual value is above, (1-alpha) (forecast - actual) where it is below
//
// It panics if alpha is out of range.
func Pinball(actual, forecast []float64, alpha float64) float64 {
	if !(alpha > 0 && alpha < 1) {
		panic(fmt.Sprintf("metric: alpha must be in (0, 1), got %v", alpha))
	}
	sum, n := sumOver(actual, forecast, func(a, y float64) float64 {
		return max(alpha*(a-y), (alpha-1)*(a-y))
	})
	return sum / float64(n)
}

// Coverage returns the share of actual values in [lower_i, upper_i]; a NaN bound
// covers nothing.
func Coverage(actual, lower, upper []float64) float64 {
	sameLength(len(actual), len(lower))
	sameLength(len(actual), len(upper))
	in, n := 0, 0
	for i, a := range actual {
		if a == a {
			n++
			if lower[i] <= a && a <= upper[i] {
				in++
			}
		}
	}
	return float64(in) / float64(n)
}

// Jain returns the fairness index of Jain, Chiu and Hawe ("A Quantitative Measure of
// Fairness and Discrimination for Resource Allocation in Shared Computer Systems", DEC
// TR-301, 1984), in [1/n, 1] for shares that are not negative:
//
//	(sum_i x_i)^2 / (n sum_i x_i^2)
//
// Without shares, or if all are 0, everybody gets the same and it is 1.
func Jain(x []float64) float64 {
	// Dividing by the largest keeps the squares from overflowing and vanishing.
	largest := 0.0
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	if largest == 0 {
		return 1
	}
	sum, squares := 0.0, 0.0
	for _, v := range x {
		v /= largest
		sum += v
		squares += v * v
	}
	return sum * sum / (float64(len(x)) * squares)
}

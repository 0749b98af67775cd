package gbdt

import (
	"fmt"
	"math"
)

// A gradient holds the first and second derivative of the loss of one row, float32 as
// in LightGBM.
type gradient struct{ g, h float32 }

// An objective is a loss to minimise.
type objective interface {
	// check reports labels that the loss does not admit.
	check(label, weight []float32) error
	// start returns the constant score that minimises the loss.
	start(label, weight []float32) float64
	// gradient returns the derivatives of the loss of one row of weight 1.
	gradient(score float64, label float32) (g, h float64)
	// constantHessian reports whether the hessian is 1 in every row of weight 1.
	constantHessian() bool
	// renewal returns the level of the residuals' percentile that replaces the output
	// of a leaf, if ok.
	renewal() (alpha float64, ok bool)
	// metric is the name of the loss among the metrics.
	metric() string
}

// objectives makes an objective by its name in Options.
var objectives = map[string]func(o Options) objective{
	"regression":    func(Options) objective { return squared{} },
	"regression_l1": func(Options) objective { return absolute{} },
	"quantile":      func(o Options) objective { return quantile{alpha: float32(o.Alpha)} },
	"poisson":       func(o Options) objective { return poisson{inflate: math.Exp(o.PoissonMaxDeltaStep)} },
}

// squared is (score-label)^2, of which the gradient is taken without the factor 2.
type squared struct{}

func (squared) check(_, _ []float32) error { return nil }

func (squared) start(label, weight []float32) float64 { return mean(label, weight) }

func (squared) gradient(score float64, label float32) (g, h float64) {
	return score - float64(label), 1
}

func (squared) constantHessian() bool    { return true }
func (squared) renewal() (float64, bool) { return 0, false }
func (squared) metric() string           { return "l2" }

// absolute is |score-label|.
type absolute struct{}

func (absolute) check(_, _ []float32) error { return nil }

func (absolute) start(label, weight []float32) float64 {
	return labelPercentile(label, weight, 0.5)
}

func (absolute) gradient(score float64, label float32) (g, h float64) {
	return float64(sign(score - float64(label))), 1
}

func (absolute) constantHessian() bool    { return true }
func (absolute) renewal() (float64, bool) { return 0.5, true }
func (absolute) metric() string           { return "l1" }

// quantile is the pinball loss: alpha*(label-score) below the label and
// (1-alpha)*(score-label) above.
type quantile struct{ alpha float32 }

func (quantile) check(_, _ []float32) error { return nil }

func (q quantile) start(label, weight []float32) float64 {
	return labelPercentile(label, weight, float64(q.alpha))
}

func (q quantile) gradient(score float64, label float32) (g, h float64) {
	if float32(score-float64(label)) >= 0 {
		return float64(1 - q.alpha), 1
	}
	return float64(-q.alpha), 1
}

func (quantile) constantHessian() bool      { return true }
func (q quantile) renewal() (float64, bool) { return float64(q.alpha), true }
func (quantile) metric() string             { return "quantile" }

// poisson is exp(score) - label*score, the negative log likelihood of a count with mean
// exp(score), with its hessian inflated for safe steps.
type poisson struct{ inflate float64 }

func (poisson) check(label, weight []float32) error {
	for i, v := range label {
		if v < 0 {
			return fmt.Errorf("gbdt: objective poisson: label of row %d must be at least 0, got %v", i, v)
		}
	}
	if mean(label, weight) == 0 {
		return fmt.Errorf("gbdt: objective poisson: labels must not all be 0")
	}
	return nil
}

func (poisson) start(label, weight []float32) float64 {
	return math.Log(mean(label, weight))
}

func (p poisson) gradient(score float64, label float32) (g, h float64) {
	e := math.Exp(score)
	return e - float64(label), float64(e * p.inflate)
}

func (poisson) constantHessian() bool    { return false }
func (poisson) renewal() (float64, bool) { return 0, false }
func (poisson) metric() string           { return "poisson" }

func mean(label, weight []float32) float64 {
	sum, total := 0.0, float64(len(label))
	if weight == nil {
		for _, v := range label {
			sum += float64(v)
		}
		return sum / total
	}
	total = 0
	for i, v := range label {
		sum += float64(float64(v) * float64(weight[i]))
		total += float64(weight[i])
	}
	return sum / total
}

// labelPercentile returns a percentile of the labels, rounded to float32.
func labelPercentile(label, weight []float32, alpha float64) float64 {
	if weight == nil {
		v := make([]float32, len(label))
		copy(v, label)
		return round32(percentile(v, alpha))
	}
	v := make([]weighted, len(label))
	for i := range label {
		v[i] = weighted{float64(label[i]), float64(weight[i])}
	}
	return round32(weightedPercentile(v, alpha, round32))
}

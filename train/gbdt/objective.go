package gbdt

import (
	"fmt"
	"math"
)

// A gradient holds the first and second derivative of the loss of one row, float32 as
// in LightGBM.
type gradient struct{ g, h float32 }

// An Objective is a loss to minimise. Options.CustomObjective takes one that is not in
// the package; the others have names in Options.Objective. Its methods are called by
// several goroutines at once and must not keep or modify their arguments.
type Objective interface {
	// Check reports labels that the loss does not admit. Labels are finite; weight is
	// nil when every row weighs 1.
	Check(label, weight []float32) error
	// Start returns the constant raw score to begin with, which is best the one that
	// minimises the loss.
	Start(label, weight []float32) float64
	// Gradient returns the first and second derivative, by the raw score, of the loss
	// of one row of weight 1.
	Gradient(score float64, label float32) (g, h float64)
}

// A Renewer is an Objective that replaces the output of every leaf by a percentile of
// the residuals, label minus raw score, of the rows in it. Losses whose second
// derivative says nothing, such as the absolute error, need this.
type Renewer interface {
	// Renewal returns the level of the percentile, in (0, 1).
	Renewal() float64
}

// An objective is what training asks of a loss.
type objective interface {
	Objective
	// metric is the name of the loss among the metrics, "" for none.
	metric() string
	// line is the objective line of the text format.
	line() string
}

// A leafWeigher is an objective with a Renewal whose percentiles weigh rows otherwise
// than the table does.
type leafWeigher interface {
	leafWeights(label, weight []float32) []float32
}

// objectives makes an objective by its name in Options.
var objectives = map[string]func(o Options) objective{
	"regression":    func(Options) objective { return squared{} },
	"regression_l1": func(Options) objective { return absolute{} },
	"huber":         func(o Options) objective { return huber{alpha: o.Alpha} },
	"fair":          func(o Options) objective { return fair{c: o.FairC} },
	"quantile":      func(o Options) objective { return quantile{alpha: float32(o.Alpha)} },
	"mape":          func(Options) objective { return percentage{} },
	"poisson":       func(o Options) objective { return poisson{inflate: exponential(o.PoissonMaxDeltaStep)} },
	"gamma":         func(Options) objective { return gamma{} },
	"tweedie":       func(o Options) objective { return tweedie{power: o.TweedieVariancePower} },
	"binary":        newBinary,
}

// customName is the Objective of Options with a CustomObjective.
const customName = "custom"

func newObjective(o Options) objective {
	if o.CustomObjective != nil {
		return custom{o.CustomObjective}
	}
	return objectives[o.Objective](o)
}

// renewal returns the level of the residuals' percentile that replaces the output of a
// leaf, if obj asks for it.
func renewal(obj objective) (alpha float64, ok bool) {
	var from any = obj
	if c, isCustom := obj.(custom); isCustom {
		from = c.Objective
	}
	if r, ok := from.(Renewer); ok {
		return r.Renewal(), true
	}
	return 0, false
}

// custom is an objective from outside. It has no metric, and its models predict raw
// scores.
type custom struct{ Objective }

func (custom) metric() string { return "" }
func (custom) line() string   { return "" }

// squared is (score-label)^2, of which the gradient is taken without the factor 2.
type squared struct{}

func (squared) Check(_, _ []float32) error { return nil }

func (squared) Start(label, weight []float32) float64 { return mean(label, weight) }

// Gradient is rounded before it is weighed, as LightGBM's does for this loss.
func (squared) Gradient(score float64, label float32) (g, h float64) {
	return round32(score - float64(label)), 1
}

func (squared) metric() string { return "l2" }
func (squared) line() string   { return "regression" }

// absolute is |score-label|.
type absolute struct{}

func (absolute) Check(_, _ []float32) error { return nil }

func (absolute) Start(label, weight []float32) float64 {
	return labelPercentile(label, weight, 0.5)
}

func (absolute) Gradient(score float64, label float32) (g, h float64) {
	return float64(sign(score - float64(label))), 1
}

func (absolute) Renewal() float64 { return 0.5 }
func (absolute) metric() string   { return "l1" }
func (absolute) line() string     { return "regression_l1" }

// huber is d^2/2 of the difference d up to alpha, and linear beyond (Huber, "Robust
// Estimation of a Location Parameter", 1964).
type huber struct{ alpha float64 }

func (huber) Check(_, _ []float32) error { return nil }

func (huber) Start(label, weight []float32) float64 { return mean(label, weight) }

func (o huber) Gradient(score float64, label float32) (g, h float64) {
	d := score - float64(label)
	return max(-o.alpha, min(d, o.alpha)), 1
}

func (huber) metric() string { return "huber" }
func (huber) line() string   { return "huber" }

// fair is c^2 (|d|/c - log(1+|d|/c)) of the difference d: quadratic near 0 and nearly
// linear far from it.
type fair struct{ c float64 }

func (fair) Check(_, _ []float32) error { return nil }

func (fair) Start(label, weight []float32) float64 { return mean(label, weight) }

func (o fair) Gradient(score float64, label float32) (g, h float64) {
	d := score - float64(label)
	b := math.Abs(d) + o.c
	return o.c * d / b, o.c * o.c / (b * b)
}

func (fair) metric() string { return "fair" }
func (fair) line() string   { return "fair" }

// quantile is the pinball loss: alpha*(label-score) below the label and
// (1-alpha)*(score-label) above.
type quantile struct{ alpha float32 }

func (quantile) Check(_, _ []float32) error { return nil }

func (o quantile) Start(label, weight []float32) float64 {
	return labelPercentile(label, weight, float64(o.alpha))
}

func (o quantile) Gradient(score float64, label float32) (g, h float64) {
	if float32(score-float64(label)) >= 0 {
		return float64(1 - o.alpha), 1
	}
	return float64(-o.alpha), 1
}

func (o quantile) Renewal() float64 { return float64(o.alpha) }
func (quantile) metric() string     { return "quantile" }
func (quantile) line() string       { return "quantile" }

// percentage is |score-label| / max(1, |label|).
type percentage struct{}

func (percentage) Check(_, _ []float32) error { return nil }

func (o percentage) Start(label, weight []float32) float64 {
	return labelPercentile(label, o.leafWeights(label, weight), 0.5)
}

func (percentage) Gradient(score float64, label float32) (g, h float64) {
	return float64(sign(score-float64(label))) * float64(inverse(label)), 1
}

func (percentage) leafWeights(label, weight []float32) []float32 {
	out := make([]float32, len(label))
	for i, v := range label {
		out[i] = inverse(v)
		if weight != nil {
			out[i] *= weight[i]
		}
	}
	return out
}

// inverse is the weight of an absolute error as a percentage; small labels count as 1.
func inverse(label float32) float32 {
	return 1 / max(1, float32(math.Abs(float64(label))))
}

func (percentage) Renewal() float64 { return 0.5 }
func (percentage) metric() string   { return "mape" }
func (percentage) line() string     { return "mape" }

// poisson is exp(score) - label*score, the negative log likelihood of a count with mean
// exp(score), with its hessian inflated for safe steps.
type poisson struct{ inflate float64 }

func (poisson) Check(label, weight []float32) error { return checkCounts("poisson", label, weight) }

func (poisson) Start(label, weight []float32) float64 {
	return logarithm(mean(label, weight))
}

func (o poisson) Gradient(score float64, label float32) (g, h float64) {
	e := exponential(score)
	return e - float64(label), float64(e * o.inflate)
}

func (poisson) metric() string { return "poisson" }
func (poisson) line() string   { return "poisson" }

// gamma is label*exp(-score) + score, the negative log likelihood of a gamma variable
// with mean exp(score), up to its shape.
type gamma struct{}

func (gamma) Check(label, _ []float32) error {
	for i, v := range label {
		if v <= 0 {
			return fmt.Errorf("gbdt: objective gamma: label of row %d must be greater than 0, got %v", i, v)
		}
	}
	return nil
}

func (gamma) Start(label, weight []float32) float64 {
	return logarithm(mean(label, weight))
}

func (gamma) Gradient(score float64, label float32) (g, h float64) {
	e := float64(float64(label) * exponential(-score))
	return 1 - e, e
}

func (gamma) metric() string { return "gamma" }
func (gamma) line() string   { return "gamma" }

// tweedie is exp((2-p) score)/(2-p) - label*exp((1-p) score)/(1-p), the negative log
// likelihood, up to its dispersion, of a Tweedie variable with mean exp(score) whose
// variance grows with the power p of the mean (Jorgensen, "Exponential Dispersion
// Models", 1987).
type tweedie struct{ power float64 }

func (tweedie) Check(label, weight []float32) error { return checkCounts("tweedie", label, weight) }

func (tweedie) Start(label, weight []float32) float64 {
	return logarithm(mean(label, weight))
}

func (o tweedie) Gradient(score float64, label float32) (g, h float64) {
	y, p := float64(label), o.power
	low, high := exponential((1-p)*score), exponential((2-p)*score)
	g = -float64(y*low) + high
	h = -float64(float64(y*(1-p))*low) + float64((2-p)*high)
	return g, h
}

func (tweedie) metric() string { return "tweedie" }
func (tweedie) line() string   { return "tweedie" }

// checkCounts reports labels that are negative or all 0.
func checkCounts(objective string, label, weight []float32) error {
	for i, v := range label {
		if v < 0 {
			return fmt.Errorf("gbdt: objective %s: label of row %d must be at least 0, got %v", objective, i, v)
		}
	}
	if mean(label, weight) == 0 {
		return fmt.Errorf("gbdt: objective %s: labels must not all be 0", objective)
	}
	return nil
}

// binary is log(1 + exp(-sigmoid*y*score)) with y = 1 for labels above 0 and -1 for
// others, times the weight of the class: the negative log likelihood of the
// probability 1/(1+exp(-sigmoid*score)).
type binary struct {
	sigmoid    float64
	unbalanced bool
	positive   float64    // weight of positive rows
	weights    [2]float64 // of negative and positive rows, from balance
}

func newBinary(o Options) objective {
	return &binary{sigmoid: o.Sigmoid, unbalanced: o.IsUnbalance, positive: o.ScalePosWeight}
}

// Check sets the weights of the classes too: with is_unbalance, the rarer class weighs
// as much as the other.
func (o *binary) Check(label, _ []float32) error {
	var counts [2]float64
	for i, v := range label {
		switch v {
		case -1, 0:
			counts[0]++
		case 1:
			counts[1]++
		default:
			return fmt.Errorf("gbdt: objective binary: label of row %d must be 0 or 1 (or -1 for 0), got %v", i, v)
		}
	}
	if counts[0] == 0 || counts[1] == 0 {
		return fmt.Errorf("gbdt: objective binary: labels must hold both 0 and 1")
	}
	o.weights = [2]float64{1, 1}
	if o.unbalanced {
		if counts[1] > counts[0] {
			o.weights[0] = counts[1] / counts[0]
		} else {
			o.weights[1] = counts[0] / counts[1]
		}
	}
	o.weights[1] *= o.positive
	return nil
}

func (o *binary) Start(label, weight []float32) float64 {
	positive, total := 0.0, 0.0
	for i, v := range label {
		w := 1.0
		if weight != nil {
			w = float64(weight[i])
		}
		if v > 0 {
			positive += w
		}
		total += w
	}
	p := max(epsilon, min(positive/total, 1-epsilon))
	return logarithm(p/(1-p)) / o.sigmoid
}

func (o *binary) Gradient(score float64, label float32) (g, h float64) {
	y, w := -1.0, o.weights[0]
	if label > 0 {
		y, w = 1, o.weights[1]
	}
	g = -y * o.sigmoid / (1 + exponential(y*o.sigmoid*score))
	a := math.Abs(g)
	return g * w, a * (o.sigmoid - a) * w
}

func (*binary) metric() string { return "binary_logloss" }
func (o *binary) line() string {
	return "binary sigmoid:" + short(o.sigmoid)
}

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

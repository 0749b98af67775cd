package gbdt

import "math"

// A loss measures predictions.
type loss struct {
	// of returns the loss of one row from its prediction, on the scale of the labels.
	of func(o *Options, label float32, score float64) float64
	// root says that the metric is the square root of the mean loss.
	root bool
}

// losses holds the metrics by their names in Options. All are weighted means over the
// rows, and smaller is better.
var losses = map[string]loss{
	"l1": {of: func(_ *Options, label float32, score float64) float64 {
		return math.Abs(score - float64(label))
	}},
	"l2":   {of: squaredLoss},
	"rmse": {of: squaredLoss, root: true},
	"mape": {of: func(_ *Options, label float32, score float64) float64 {
		return math.Abs(score-float64(label)) / max(1, math.Abs(float64(label)))
	}},
	"quantile": {of: func(o *Options, label float32, score float64) float64 {
		delta := float64(label) - score
		if delta < 0 {
			return (o.Alpha - 1) * delta
		}
		return o.Alpha * delta
	}},
	// The score is what exp returned, floored as in LightGBM so that its logarithm is finite.
	"poisson": {of: func(_ *Options, label float32, score float64) float64 {
		score = max(score, float64(float32(1e-10)))
		return score - float64(float64(label)*math.Log(score))
	}},
}

func squaredLoss(_ *Options, label float32, score float64) float64 {
	d := score - float64(label)
	return d * d
}

// evaluate returns the metric of raw scores on t.
func evaluate(name string, o *Options, t *Table, score []float64, link func(float64) float64, p *pool) float64 {
	l := losses[name]
	sum := p.sum(t.Rows, func(from, to int) float64 {
		s := 0.0
		for i := from; i < to; i++ {
			v := l.of(o, t.Label[i], link(score[i]))
			if t.Weight != nil {
				v *= float64(t.Weight[i])
			}
			s += v
		}
		return s
	})
	total := float64(t.Rows)
	if t.Weight != nil {
		total = 0
		for _, w := range t.Weight {
			total += float64(w)
		}
	}
	sum /= total
	if l.root {
		sum = math.Sqrt(sum)
	}
	return sum
}

package gbdt

import (
	"cmp"
	"math"
	"slices"
)

// A metric measures predictions. It is a weighted mean of losses over the rows, or
// what of says about all rows.
type metric struct {
	// loss returns the loss of one row from its prediction, on the scale of the labels.
	loss func(o *Options, label float32, p float64) float64
	// total makes the metric of the mean loss, nil for the mean itself.
	total func(mean, weights float64) float64
	// of returns the metric of raw scores, for a metric without loss. weight may be nil.
	of func(label, weight []float32, score []float64) float64
	// bigger says that bigger is better.
	bigger bool
}

// smallest floors the predictions of log links, so that logarithms are finite. It is a
// float32 constant in LightGBM.
const smallest = float64(float32(1e-10))

// metrics holds the metrics by their names in Options, which are LightGBM's.
var metrics = map[string]metric{
	"l1": {loss: func(_ *Options, label float32, p float64) float64 {
		return math.Abs(p - float64(label))
	}},
	"l2":   {loss: squaredLoss},
	"rmse": {loss: squaredLoss, total: func(mean, _ float64) float64 { return math.Sqrt(mean) }},
	"mape": {loss: func(_ *Options, label float32, p float64) float64 {
		return math.Abs(p-float64(label)) / max(1, math.Abs(float64(label)))
	}},
	"huber": {loss: func(o *Options, label float32, p float64) float64 {
		d := math.Abs(p - float64(label))
		if d <= o.Alpha {
			return 0.5 * d * d
		}
		return o.Alpha * (d - 0.5*o.Alpha)
	}},
	"fair": {loss: func(o *Options, label float32, p float64) float64 {
		x := math.Abs(p - float64(label))
		return float64(o.FairC*x) - float64(o.FairC*o.FairC*math.Log1p(x/o.FairC))
	}},
	"quantile": {loss: func(o *Options, label float32, p float64) float64 {
		d := float64(label) - p
		if d < 0 {
			return (o.Alpha - 1) * d
		}
		return o.Alpha * d
	}},
	"poisson": {loss: func(_ *Options, label float32, p float64) float64 {
		p = max(p, smallest)
		return p - float64(float64(label)*math.Log(p))
	}},
	"gamma": {loss: func(_ *Options, label float32, p float64) float64 {
		// The likelihood with shape 1, that of an exponential variable.
		return float64(label)/p + math.Log(p)
	}},
	"gamma_deviance": {
		loss: func(_ *Options, label float32, p float64) float64 {
			r := float64(label) / (p + 1e-9)
			return r - math.Log(r) - 1
		},
		// LightGBM doubles the sum here, and does not divide it by the weights.
		total: func(mean, weights float64) float64 { return 2 * mean * weights },
	},
	"tweedie": {loss: func(o *Options, label float32, p float64) float64 {
		p, v := max(p, smallest), o.TweedieVariancePower
		a := float64(label) * exponential((1-v)*math.Log(p)) / (1 - v)
		return exponential((2-v)*math.Log(p))/(2-v) - a
	}},
	"binary_logloss": {loss: func(_ *Options, label float32, p float64) float64 {
		if label <= 0 {
			p = 1 - p
		}
		return -math.Log(max(p, epsilon))
	}},
	"binary_error": {loss: func(_ *Options, label float32, p float64) float64 {
		if (p > 0.5) != (label > 0) {
			return 1
		}
		return 0
	}},
	"auc":               {of: areaUnderROC, bigger: true},
	"average_precision": {of: averagePrecision, bigger: true},
}

func squaredLoss(_ *Options, label float32, p float64) float64 {
	d := p - float64(label)
	return d * d
}

// evaluate returns the metric of raw scores on t.
func evaluate(name string, o *Options, t *Table, score []float64, link func(float64) float64, p *pool) float64 {
	m := metrics[name]
	if m.of != nil {
		return m.of(t.Label, t.Weight, score)
	}
	sum := p.sum(t.Rows, func(from, to int) float64 {
		s := 0.0
		for i := from; i < to; i++ {
			v := m.loss(o, t.Label[i], link(score[i]))
			if t.Weight != nil {
				v *= float64(t.Weight[i])
			}
			s += v
		}
		return s
	})
	weights := float64(t.Rows)
	if t.Weight != nil {
		weights = 0
		for _, w := range t.Weight {
			weights += float64(w)
		}
	}
	if m.total != nil {
		return m.total(sum/weights, weights)
	}
	return sum / weights
}

// descending calls visit for every group of rows with the same score, from the highest
// on, with the weights of its negative and positive rows.
func descending(label, weight []float32, score []float64, visit func(negative, positive float64)) {
	order := make([]int32, len(score))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(score[b], score[a]) })
	for at := 0; at < len(order); {
		var sums [2]float64
		first := score[order[at]]
		for ; at < len(order) && score[order[at]] == first; at++ {
			i, w := order[at], 1.0
			if weight != nil {
				w = float64(weight[i])
			}
			if label[i] > 0 {
				sums[1] += w
			} else {
				sums[0] += w
			}
		}
		visit(sums[0], sums[1])
	}
}

// areaUnderROC is the probability that a positive row scores above a negative one; ties
// count half. It is 1 where one of the classes is missing, as in LightGBM.
func areaUnderROC(label, weight []float32, score []float64) float64 {
	var area, positives, negatives float64
	descending(label, weight, score, func(negative, positive float64) {
		area += negative * (0.5*positive + positives)
		positives += positive
		negatives += negative
	})
	if positives == 0 || negatives == 0 {
		return 1
	}
	return area / (positives * negatives)
}

// averagePrecision is the mean, over positive rows, of the share of positives among the
// rows that score at least as high. It is 1 where one of the classes is missing.
func averagePrecision(label, weight []float32, score []float64) float64 {
	var sum, positives, all float64
	descending(label, weight, score, func(negative, positive float64) {
		positives += positive
		all += negative + positive
		sum += positive * positives / all
	})
	if positives == 0 || positives == all {
		return 1
	}
	return sum / positives
}

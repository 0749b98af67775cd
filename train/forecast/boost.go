package forecast

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/metric"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// A Boosted is what was fitted for one cluster.
type Boosted struct {
	Cluster         online.Cluster
	Candidates      []Candidate
	Rows, ValidRows int
	Frames          []Frame
	Warnings        []error
	Failed          string // why a head has no trees though the validation window was not asked

	gain []float64 // per column
}

const (
	medianHead = "median"
	meanHead   = "mean"
)

// A trial is the trees of a head. The mean has no absolute error, the median no squared
// one: each is what its loss estimates.
type trial struct {
	head      string
	objective string
	link      online.Link // none of trees whose output is the count itself
}

var trials = [...]trial{
	{medianHead, "regression_l1", online.Stabilised},
	{meanHead, "regression", online.Residual},
}

// Boost fits the trees of a cluster from the rows of its series. The validation rows stop the
// boosting and say whether the trees beat the base of the row, which otherwise stands for
// them; then trees of as many rounds are fitted on all rows. The errors on the validation
// rows, of the trees that had not seen them, calibrate the quantiles. So it is for the next minute,
// whose median and mean have trees, and for each distance ahead, where the median has.
func Boost(ctx context.Context, name string, spec features.Spec, ahead []int, s *Sample, o Options, rec train.Recorder) (*Boosted, error) {
	out := &Boosted{
		Cluster: online.Cluster{Name: name, Calibration: gaussian()},
		Rows:    s.train.frame.Rows(), ValidRows: s.valid.frame.Rows(),
		Frames: []Frame{
			{name, datasets.TrainWindow, s.train.frame, s.train.count},
			{name, datasets.ValidWindow, s.valid.frame, s.valid.count},
		},
		gain: make([]float64, len(spec.Columns())),
	}
	if out.Rows == 0 || out.ValidRows == 0 {
		out.Failed = fmt.Sprintf("trees of cluster %s: %d rows of training and %d of validation", name, out.Rows, out.ValidRows)
		return out, nil
	}
	o.Trees = o.treesOf(distinct(s.train.frame.Function), name == totalsCluster)
	for _, tr := range trials {
		head, predicted, err := out.head(ctx, tr, name, &s.sample, o, rec)
		if err != nil {
			return nil, err
		}
		if tr.head == medianHead {
			out.Cluster.Median = head
		} else {
			out.Cluster.Mean = head
			out.Cluster.Calibration = calibrate(predicted, s.valid.count)
		}
	}
	for k, h := range ahead {
		if s.later[k].train.frame.Rows() == 0 || s.later[k].valid.frame.Rows() == 0 {
			continue
		}
		tr := trials[0]
		tr.head = fmt.Sprintf("%s-%d", medianHead, h)
		head, predicted, err := out.head(ctx, tr, name, &s.later[k], o, rec)
		if err != nil {
			return nil, err
		}
		l := online.Later{Minutes: h, Median: head, Calibration: calibrate(predicted, s.later[k].valid.count)}
		l.Bias = l.Calibration.Bias(predicted, s.later[k].valid.count)
		out.Cluster.Later = append(out.Cluster.Later, l)
	}
	return out, nil
}

// distinct is the number of series of rows that stand one series after another.
func distinct(series []datasets.FunctionID) int {
	n := 0
	for i, f := range series {
		if i == 0 || f != series[i-1] {
			n++
		}
	}
	return n
}

// Trees of few series, and of sums: rows of one series are alike, so smaller leaves are still no accident,
// and smaller trees are more of them.
const (
	fewSeries     = 20
	fewLeaves     = 15
	fewRowsInLeaf = 15
)

// treesOf are the options of trees for rows of so many series.
func (o Options) treesOf(series int, sums bool) gbdt.Options {
	b := o.Trees
	if sums || series < fewSeries {
		b.NumLeaves, b.MinDataInLeaf = min(b.NumLeaves, fewLeaves), min(b.MinDataInLeaf, fewRowsInLeaf)
		b.NumIterations += b.NumIterations / 3
	}
	return b
}

// head fits and chooses one head, and returns what the choice forecast for the validation rows
// before it had seen them.
func (out *Boosted) head(ctx context.Context, tr trial, name string, s *sample, o Options, rec train.Recorder) (online.Head, []float64, error) {
	base := predict(ctx, online.Head{}, s.valid, o.Workers)
	best := Candidate{Head: tr.head, Name: features.BaseColumn, Score: score(tr, s.valid, base)}
	out.Candidates = append(out.Candidates, best)
	predicted, head := base, online.Head{}
	m, h, err := fitTrees(ctx, tr, name, s.train, s.valid, 0, o, rec, out)
	if err == nil {
		trees := predict(ctx, h, s.valid, o.Workers)
		c := Candidate{Head: tr.head, Name: tr.objective + "/" + string(tr.link), Iterations: len(m.Trees), Score: score(tr, s.valid, trees)}
		out.Candidates = append(out.Candidates, c)
		if c.Score < best.Score {
			best, predicted = c, trees
			both := newPart(s.train.frame.Columns)
			both.append(s.train)
			both.append(s.valid)
			if m, head, err = fitTrees(ctx, tr, name, both, nil, c.Iterations, o, rec, out); err == nil {
				for j, g := range normalised(m.Importance(gbdt.ByGain)) {
					out.gain[j] += g * float64(s.train.frame.Rows())
				}
			}
		}
	}
	if ctx.Err() != nil {
		return online.Head{}, nil, ctx.Err()
	}
	if err != nil {
		out.Failed = fmt.Sprintf("trees of cluster %s: %v", name, err)
		out.Warnings = append(out.Warnings, fmt.Errorf("cluster %s: %s: %w", name, tr.head, err))
		head = online.Head{}
	}
	for i := range out.Candidates {
		if c := &out.Candidates[i]; c.Head == tr.head {
			c.Chosen = c.Name == best.Name
		}
	}
	return head, predicted, nil
}

// fitTrees fits the trees of a trial and reads them back as the run time will. With a part
// for validation that stops the boosting; without one there are that many rounds.
func fitTrees(ctx context.Context, tr trial, name string, fit, valid *part, rounds int, o Options, rec train.Recorder, out *Boosted) (*gbdt.Model, online.Head, error) {
	b := o.Trees
	b.Objective, b.Metric, b.Workers = tr.objective, nil, o.Workers
	var check *gbdt.Table
	stage := "all/"
	if valid == nil {
		b.NumIterations, b.EarlyStoppingRound = rounds, 0
	} else {
		check, stage = table(valid, tr), ""
	}
	m, rep, err := gbdt.Train(ctx, table(fit, tr), check, b, prefixed{rec, "forecast/" + name + "/" + tr.head + "/" + stage})
	if err != nil {
		return nil, online.Head{}, err
	}
	for _, w := range rep.Warnings {
		out.Warnings = append(out.Warnings, fmt.Errorf("cluster %s: %s: %w", name, tr.objective, w))
	}
	var text bytes.Buffer
	if err := m.WriteText(&text); err != nil {
		return nil, online.Head{}, err
	}
	trees, err := online.NewEnsemble(text.Bytes())
	if err != nil {
		return nil, online.Head{}, err
	}
	return m, online.Head{Objective: tr.objective, Link: tr.link, File: "forecast/" + name + "-" + tr.head + ".txt", Trees: trees}, nil
}

// table has the rows of s with what the trees of tr output.
func table(s *part, tr trial) *gbdt.Table {
	label := make([]float32, len(s.count))
	weighted := false
	for i, y := range s.count {
		switch base := s.frame.Row(i)[0]; tr.link {
		case online.Stabilised:
			label[i] = float32(features.Stabilise(y) - base)
		case online.Residual:
			label[i] = float32(online.ScaledResidual(features.Count(base), y))
		default:
			label[i] = float32(y)
		}
		weighted = weighted || s.weight[i] != s.weight[0]
	}
	t := &gbdt.Table{Columns: s.frame.Columns, Rows: s.frame.Rows(), Data: s.frame.Data, Label: label}
	if weighted {
		t.Weight = s.weight
	}
	return t
}

// predict forecasts the rows of s with head exactly as the run time does.
func predict(ctx context.Context, head online.Head, s *part, workers int) []float64 {
	out := make([]float64, len(s.count))
	const chunk = 1024
	// The only error is that of ctx, which the caller asks.
	_ = parallel.For(ctx, (len(s.count)+chunk-1)/chunk, workers, func(b int) {
		var scratch online.Scratch
		from, to := b*chunk, min((b+1)*chunk, len(s.count))
		width := len(s.frame.Columns)
		head.Forecasts(s.frame.Data[from*width:to*width], s.bound[from:to], out[from:to], &scratch)
	})
	return out
}

// score is the weighted pooled WAPE of a median and the weighted mean Poisson deviance of a
// mean.
func score(tr trial, s *part, predicted []float64) float64 {
	if tr.link == online.Stabilised {
		return wape(s, predicted)
	}
	return deviance(s, predicted)
}

// deviance is the mean Poisson deviance. A forecast of 0 is taken for one of a
// thousandth, so that one arrival it did not foresee does not make it infinite.
func deviance(s *part, mean []float64) float64 {
	var sum, total float64
	for i, y := range s.count {
		w := float64(s.weight[i])
		m := max(mean[i], 1e-3)
		d := 2 * (m - y)
		if y > 0 {
			d += 2 * y * math.Log(y/m)
		}
		sum += w * d
		total += w
	}
	return sum / total
}

// wape is the pooled one; without arrivals, the sum of what was forecast.
func wape(s *part, forecast []float64) float64 {
	var e metric.Errors
	for i, y := range s.count {
		e.Add(y, forecast[i], forecast[i], float64(s.weight[i]))
	}
	if e.Actual == 0 {
		return e.Absolute
	}
	return e.WAPE()
}

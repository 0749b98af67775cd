package forecast

import (
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/option"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// Options configure Train. Start from DefaultOptions: the zero value is not valid.
type Options struct {
	// Trees configure the boosting. The objective and its metric are set per head, the
	// workers are those below. Default: at most 300 trees of 31 leaves, learning rate 0.05, at
	// least 40 rows a leaf, half of the columns and 0.7 of the rows a tree, early stopping
	// after 25 rounds. A cluster of fewer than 20 series, and that of sums, has a third more trees of at
	// most 15 leaves and at least 15 rows.
	Trees gbdt.Options `json:"trees"`
	// MinRate is the number of invocations per hour of the training window from which a
	// function gets trees, > 0. Default 1.
	MinRate float64 `json:"min_rate"`
	// MaxClusters bounds the clusters of functions, >= 1. Default 8.
	MaxClusters int `json:"max_clusters"`
	// MinClusterFunctions is the number of functions per cluster that limits their number
	// in small traces, >= 1. Default 20.
	MinClusterFunctions int `json:"min_cluster_functions"`
	// Components puts Prophet's components among the features and the experts; without them
	// the model is plain boosted trees. Default true.
	Components bool `json:"components"`
	// Calendar puts the phases of day and week among the features where the training
	// window covers two periods of a day. Default true.
	Calendar bool `json:"calendar"`
	// Growth of Prophet's trend, linear or flat. Default flat: a slope estimated from days
	// of counts and extrapolated by a day or two errs more than it explains, and what the
	// level does meanwhile the columns tell.
	Growth prophet.Growth `json:"growth"`
	// ChangepointPriorScale of Prophet, > 0. Default 0.05.
	ChangepointPriorScale float64 `json:"changepoint_prior_scale"`
	// RefitMinutes is the time between rolling origins of the decomposition, >= 1. A
	// training window of less than eight of them has eight. Default 1440.
	RefitMinutes int `json:"refit_minutes"`
	// MaxRefits bounds the number of rolling origins, >= 2. Default 14.
	MaxRefits int `json:"max_refits"`
	// MaxRows bounds the rows of training data, >= 1000. Where there are more they are drawn,
	// evenly over classes of demand, and weighted by what they stand for. A quarter of it,
	// but at least 12000, bounds those of validation. Default 200000.
	MaxRows int `json:"max_rows"`
	// Ahead are the minutes ahead, beside the next one, that get trees of their own, in [2, 1440],
	// ascending; those of more than a quarter of the training window are left out. Default 2,
	// 5, 10, 15, 30, 60, 1440.
	Ahead []int `json:"ahead"`
	// TimeLimit ends the decomposition; functions that it did not reach go without one. 0, the default, is no limit. With a limit, what is trained
	// depends on the speed of the machine.
	TimeLimit time.Duration `json:"time_limit"`
	// Seed of the draws of rows and clusters. Default 1.
	Seed uint64 `json:"seed"`
	// Workers that run at once; 0, the default, is one per processor. The model does not
	// depend on it.
	Workers int `json:"workers"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	trees := gbdt.DefaultOptions()
	trees.NumIterations = 300
	trees.LearningRate = 0.05
	trees.MinDataInLeaf = 40
	trees.FeatureFraction = 0.5
	trees.BaggingFraction, trees.BaggingFreq = 0.7, 1
	trees.EarlyStoppingRound = 25
	return Options{
		Trees:                 trees,
		MinRate:               1,
		MaxClusters:           8,
		MinClusterFunctions:   20,
		Components:            true,
		Calendar:              true,
		Growth:                prophet.Flat,
		ChangepointPriorScale: 0.05,
		RefitMinutes:          datasets.MinutesPerDay,
		MaxRefits:             14,
		MaxRows:               200_000,
		Ahead:                 []int{2, 5, 10, 15, 30, 60, 1440},
		Seed:                  1,
	}
}

// Validate reports every option that is out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "forecast"}
	check := func(ok bool, key, rule string, value any) { out.That(ok, key, "must be %s, got %v", rule, value) }
	out.Within("trees", o.Trees.Validate())
	check(o.MinRate > 0 && !math.IsInf(o.MinRate, 0), "min_rate", "greater than 0", o.MinRate)
	check(o.MaxClusters >= 1, "max_clusters", "at least 1", o.MaxClusters)
	check(o.MinClusterFunctions >= 1, "min_cluster_functions", "at least 1", o.MinClusterFunctions)
	check(o.Growth == prophet.Linear || o.Growth == prophet.Flat, "growth", fmt.Sprintf("%s or %s", prophet.Linear, prophet.Flat), fmt.Sprintf("%q", o.Growth))
	check(o.ChangepointPriorScale > 0 && !math.IsInf(o.ChangepointPriorScale, 0), "changepoint_prior_scale", "greater than 0", o.ChangepointPriorScale)
	check(o.RefitMinutes >= 1, "refit_minutes", "at least 1", o.RefitMinutes)
	check(o.MaxRefits >= 2, "max_refits", "at least 2", o.MaxRefits)
	check(o.MaxRows >= 1000, "max_rows", "at least 1000", o.MaxRows)
	for i, h := range o.Ahead {
		check(h >= 2 && h <= online.MaxAhead && (i == 0 || h > o.Ahead[i-1]), "ahead", fmt.Sprintf("ascending in [2, %d]", online.MaxAhead), o.Ahead)
	}
	check(o.TimeLimit >= 0, "time_limit", "not negative", o.TimeLimit)
	check(o.Workers >= 0, "workers", "not negative", o.Workers)
	return out.Err()
}

// prophetModel is what is estimated for series of n minutes.
func (o Options) prophetModel(n int, holidays []prophet.Holiday) fit.Model {
	m := fit.DefaultModel()
	m.Growth = o.Growth
	m.ChangepointPriorScale = o.ChangepointPriorScale
	m.Seasonalities = fit.AutoSeasonalities(time.Duration(n)*time.Minute, time.Minute)
	m.Holidays = holidays
	return m
}

// cutoffs are the rolling origins of a training window of n minutes: numbers of
// minutes that are known, ascending, the last one n. The first leaves enough for a
// daily rhythm to be seen twice if the window is long, a quarter of it if not.
func (o Options) cutoffs(n int) []int {
	step := max(1, min(o.RefitMinutes, n/8), n/o.MaxRefits)
	first := max(1, min(2*datasets.MinutesPerDay, n/4))
	var out []int
	for c := first; c < n; c += step {
		out = append(out, c)
	}
	return append(out, n)
}

package gbdt

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/internal/option"
)

// Options configure Train. Fields keep LightGBM's names, written in Go; the tags hold
// the original spelling. Start from DefaultOptions: the zero value is not valid.
type Options struct {
	// Objective is the loss: regression (squared error), regression_l1 (absolute
	// error), huber and quantile (see Alpha), fair (see FairC), mape, poisson, gamma and
	// tweedie (log link; see TweedieVariancePower), binary (see Sigmoid), or custom, the
	// one of CustomObjective. Default regression.
	Objective string `json:"objective"`
	// CustomObjective is the loss when Objective is custom, else nil. Models of it
	// predict raw scores.
	CustomObjective Objective `json:"-"`
	// Metric names what is measured after every iteration: l1, l2, rmse, mape, huber,
	// fair, quantile, poisson, gamma, gamma_deviance, tweedie, binary_logloss,
	// binary_error, auc or average_precision; the single name none means nothing. Empty
	// means the metric of the objective.
	Metric []string `json:"metric"`
	// NumIterations is the largest number of trees, at least 1. Default 100.
	NumIterations int `json:"num_iterations"`
	// LearningRate multiplies the output of every tree, > 0. Default 0.1.
	LearningRate float64 `json:"learning_rate"`
	// NumLeaves bounds the leaves of a tree, in [2, 131072]. Default 31.
	NumLeaves int `json:"num_leaves"`
	// MaxDepth bounds the depth of a tree; <= 0 means no bound. Default -1.
	MaxDepth int `json:"max_depth"`
	// MinDataInLeaf is the smallest number of rows in a leaf, >= 0. Default 20.
	MinDataInLeaf int `json:"min_data_in_leaf"`
	// MinSumHessianInLeaf is the smallest sum of hessians in a leaf, >= 0. Default 1e-3.
	MinSumHessianInLeaf float64 `json:"min_sum_hessian_in_leaf"`
	// LambdaL1 soft-thresholds the gradient sums, >= 0. Default 0.
	LambdaL1 float64 `json:"lambda_l1"`
	// LambdaL2 is added to the hessian sums, >= 0. Default 0.
	LambdaL2 float64 `json:"lambda_l2"`
	// MinGainToSplit is the gain that a split must exceed, >= 0. Default 0.
	MinGainToSplit float64 `json:"min_gain_to_split"`

	// BaggingFraction is the share of rows that a tree sees, in (0, 1]. Default 1.
	BaggingFraction float64 `json:"bagging_fraction"`
	// BaggingFreq is the number of iterations between draws of the bag; 0 means no
	// bagging, whatever the fraction. Default 0.
	BaggingFreq int `json:"bagging_freq"`
	// BaggingSeed seeds the draws of the bag. Default 3.
	BaggingSeed int `json:"bagging_seed"`
	// FeatureFraction is the share of features that a tree may split, in (0, 1]. Default 1.
	FeatureFraction float64 `json:"feature_fraction"`
	// FeatureFractionSeed seeds the draws of the features. Default 2.
	FeatureFractionSeed int `json:"feature_fraction_seed"`

	// MaxBin bounds the bins of a numerical feature, in [2, 65535]; more than 256 are
	// slower. A categorical one has more if it takes more to hold 99% of the rows.
	// Default 255.
	MaxBin int `json:"max_bin"`
	// MinDataInBin is the smallest number of sampled rows in a bin, >= 1. Default 3.
	MinDataInBin int `json:"min_data_in_bin"`
	// BinConstructSampleCnt is the number of rows from which bins are made, >= 1.
	// Default 200000.
	BinConstructSampleCnt int `json:"bin_construct_sample_cnt"`
	// DataRandomSeed seeds the sample of rows for the bins. Default 1.
	DataRandomSeed int `json:"data_random_seed"`
	// UseMissing gives missing values their own direction at every split; when false,
	// NaN is zero. Default true.
	UseMissing bool `json:"use_missing"`
	// ZeroAsMissing makes zero, and NaN, the missing value. Default false.
	ZeroAsMissing bool `json:"zero_as_missing"`
	// CategoricalFeature lists the columns, from 0, whose values are categories: numbers
	// without order, of which the integer part counts. Negative and missing values, and
	// categories that training did not see or saw too rarely, go right at every split.
	// Default none.
	CategoricalFeature []int `json:"categorical_feature"`
	// MaxCatToOnehot is the number of bins up to which a split of a categorical column
	// separates one category from the rest, >= 1. Default 4.
	MaxCatToOnehot int `json:"max_cat_to_onehot"`
	// MaxCatThreshold bounds the categories that go left at other splits, >= 1. Default 32.
	MaxCatThreshold int `json:"max_cat_threshold"`
	// CatL2 is added to LambdaL2 there, >= 0. Default 10.
	CatL2 float64 `json:"cat_l2"`
	// CatSmooth is added to the hessians when categories are ordered, and the number of
	// rows below which a category of a leaf is left out, >= 0. Default 10.
	CatSmooth float64 `json:"cat_smooth"`
	// MinDataPerGroup is the smallest number of rows between two sets of categories that
	// are tried, >= 1. Default 100.
	MinDataPerGroup int `json:"min_data_per_group"`
	// IgnoreColumn lists the columns, from 0, that no tree may split. Default none.
	IgnoreColumn []int `json:"ignore_column"`
	// FeaturePreFilter drops features that no cut can split with MinDataInLeaf rows on
	// both sides. Default true.
	FeaturePreFilter bool `json:"feature_pre_filter"`

	// BoostFromAverage starts at the best constant instead of zero. Default true.
	BoostFromAverage bool `json:"boost_from_average"`
	// EarlyStoppingRound stops when a metric of the validation table has not improved
	// for that many iterations, and drops their trees; 0 means never. It needs a
	// validation table. Default 0.
	EarlyStoppingRound int `json:"early_stopping_round"`
	// EarlyStoppingMinDelta is by how much a metric must improve to count as better, >= 0.
	// Default 0.
	EarlyStoppingMinDelta float64 `json:"early_stopping_min_delta"`
	// FirstMetricOnly lets only the first metric stop training early. Default false.
	FirstMetricOnly bool `json:"first_metric_only"`
	// IsProvideTrainingMetric measures the training table too. Default false.
	IsProvideTrainingMetric bool `json:"is_provide_training_metric"`
	// Alpha is the level of the quantile objective and metric, in (0, 1) for them, and
	// the difference beyond which those of huber are linear, > 0. Default 0.9.
	Alpha float64 `json:"alpha"`
	// PoissonMaxDeltaStep inflates the hessian of the poisson objective by
	// exp(PoissonMaxDeltaStep), > 0. Default 0.7.
	PoissonMaxDeltaStep float64 `json:"poisson_max_delta_step"`
	// FairC is the scale of the fair objective and metric, > 0. Default 1.
	FairC float64 `json:"fair_c"`
	// TweedieVariancePower is the power of the mean that the variance of the tweedie
	// objective and metric grows with, in [1, 2) and not 1 for the metric. Default 1.5.
	TweedieVariancePower float64 `json:"tweedie_variance_power"`
	// Sigmoid is the steepness of the link of the binary objective, > 0. Default 1.
	Sigmoid float64 `json:"sigmoid"`
	// IsUnbalance weighs the rarer class of the binary objective up to the other.
	// Default false.
	IsUnbalance bool `json:"is_unbalance"`
	// ScalePosWeight is the weight of the positive rows of the binary objective, > 0,
	// and 1 with IsUnbalance. Default 1.
	ScalePosWeight float64 `json:"scale_pos_weight"`

	// Workers is the number of goroutines; <= 0 means one per processor. The model does
	// not depend on it. Default 0.
	Workers int `json:"workers"`
}

// NoMetric is the Metric of Options that measures nothing.
const NoMetric = "none"

// DefaultOptions returns LightGBM's defaults.
func DefaultOptions() Options {
	return Options{
		Objective:             "regression",
		NumIterations:         100,
		LearningRate:          0.1,
		NumLeaves:             31,
		MaxDepth:              -1,
		MinDataInLeaf:         20,
		MinSumHessianInLeaf:   1e-3,
		BaggingFraction:       1,
		BaggingSeed:           3,
		FeatureFraction:       1,
		FeatureFractionSeed:   2,
		MaxBin:                255,
		MinDataInBin:          3,
		BinConstructSampleCnt: 200000,
		DataRandomSeed:        1,
		UseMissing:            true,
		MaxCatToOnehot:        4,
		MaxCatThreshold:       32,
		CatL2:                 10,
		CatSmooth:             10,
		MinDataPerGroup:       100,
		FeaturePreFilter:      true,
		BoostFromAverage:      true,
		Alpha:                 0.9,
		PoissonMaxDeltaStep:   0.7,
		FairC:                 1,
		TweedieVariancePower:  1.5,
		Sigmoid:               1,
		ScalePosWeight:        1,
	}
}

// Validate reports every field that is out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "gbdt"}
	check := func(ok bool, key, rule string, value any) { out.That(ok, key, "must be %s, got %v", rule, value) }
	notNegative := func(key string, v float64) {
		check(v >= 0 && !math.IsInf(v, 1), key, "finite and at least 0", v)
	}
	fraction := func(key string, v float64) { check(v > 0 && v <= 1, key, "in (0, 1]", v) }
	positive := func(key string, v float64) {
		check(v > 0 && !math.IsInf(v, 1), key, "finite and greater than 0", v)
	}
	if o.CustomObjective != nil {
		check(o.Objective == customName, "objective", customName+" with a custom objective", fmt.Sprintf("%q", o.Objective))
	} else {
		_, known := objectives[o.Objective]
		check(known, "objective", "one of "+strings.Join(names(objectives), ", "), fmt.Sprintf("%q", o.Objective))
	}
	if !slices.Equal(o.Metric, []string{NoMetric}) {
		for i, m := range o.Metric {
			_, known := metrics[m]
			check(known, "metric", "one of "+strings.Join(names(metrics), ", ")+", or "+NoMetric+" alone", fmt.Sprintf("%q", m))
			check(!slices.Contains(o.Metric[:i], m), "metric", "free of duplicates", fmt.Sprintf("%q", m))
		}
	}
	// The level of a percentile is meant where one is used.
	if o.Objective == "quantile" || slices.Contains(o.Metric, "quantile") {
		check(o.Alpha > 0 && o.Alpha < 1, "alpha", "in (0, 1)", o.Alpha)
	} else {
		positive("alpha", o.Alpha)
	}
	positive("fair_c", o.FairC)
	check(o.TweedieVariancePower >= 1 && o.TweedieVariancePower < 2, "tweedie_variance_power", "in [1, 2)", o.TweedieVariancePower)
	if measured := o.Objective == "tweedie" && len(o.Metric) == 0 || slices.Contains(o.Metric, "tweedie"); measured {
		check(o.TweedieVariancePower != 1, "tweedie_variance_power", "greater than 1 for the metric tweedie", o.TweedieVariancePower)
	}
	positive("sigmoid", o.Sigmoid)
	positive("scale_pos_weight", o.ScalePosWeight)
	check(!o.IsUnbalance || o.ScalePosWeight == 1, "scale_pos_weight", "1 with is_unbalance", o.ScalePosWeight)
	check(o.NumIterations >= 1, "num_iterations", "at least 1", o.NumIterations)
	positive("learning_rate", o.LearningRate)
	check(o.NumLeaves >= 2 && o.NumLeaves <= 131072, "num_leaves", "in [2, 131072]", o.NumLeaves)
	check(o.MinDataInLeaf >= 0, "min_data_in_leaf", "at least 0", o.MinDataInLeaf)
	notNegative("min_sum_hessian_in_leaf", o.MinSumHessianInLeaf)
	notNegative("lambda_l1", o.LambdaL1)
	notNegative("lambda_l2", o.LambdaL2)
	notNegative("min_gain_to_split", o.MinGainToSplit)
	fraction("bagging_fraction", o.BaggingFraction)
	check(o.BaggingFreq >= 0, "bagging_freq", "at least 0", o.BaggingFreq)
	fraction("feature_fraction", o.FeatureFraction)
	check(o.MaxBin >= 2 && o.MaxBin <= 65535, "max_bin", "in [2, 65535]", o.MaxBin)
	check(o.MinDataInBin >= 1, "min_data_in_bin", "at least 1", o.MinDataInBin)
	check(o.BinConstructSampleCnt >= 1, "bin_construct_sample_cnt", "at least 1", o.BinConstructSampleCnt)
	check(o.UseMissing || !o.ZeroAsMissing, "zero_as_missing", "false without use_missing", o.ZeroAsMissing)
	check(o.MaxCatToOnehot >= 1, "max_cat_to_onehot", "at least 1", o.MaxCatToOnehot)
	check(o.MaxCatThreshold >= 1, "max_cat_threshold", "at least 1", o.MaxCatThreshold)
	notNegative("cat_l2", o.CatL2)
	notNegative("cat_smooth", o.CatSmooth)
	check(o.MinDataPerGroup >= 1, "min_data_per_group", "at least 1", o.MinDataPerGroup)
	for _, c := range append(slices.Clone(o.CategoricalFeature), o.IgnoreColumn...) {
		check(c >= 0, "categorical_feature and ignore_column", "columns from 0", c)
	}
	check(o.EarlyStoppingRound >= 0, "early_stopping_round", "at least 0", o.EarlyStoppingRound)
	notNegative("early_stopping_min_delta", o.EarlyStoppingMinDelta)
	positive("poisson_max_delta_step", o.PoissonMaxDeltaStep)
	return out.Err()
}

// names returns the keys of m in order.
func names[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

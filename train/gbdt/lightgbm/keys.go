package lightgbm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/train/gbdt"
)

// A key is a parameter of LightGBM. With neither set nor unsupported it can not change
// the model and is recorded.
type key struct {
	name    string
	aliases string // separated by spaces
	// set stores a value; an error follows the key's name.
	set func(c *Config, value string) error
	// unsupported says what is missing here, and off lists the values that do not ask for it,
	// separated by |. An empty value never does.
	unsupported, off string
	// each is, of an unsupported key with a value per feature, the value that asks for
	// nothing; # stands for any number, which Resolve looks at.
	each string

	place int
}

// inert reports whether an unsupported key does not ask for anything.
func (k *key) inert(value string) bool {
	value = strings.ToLower(value)
	if k.each != "" && value != "" {
		for v := range strings.SplitSeq(value, ",") {
			n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if n == 0 {
				n = 0 // without a sign
			}
			if err != nil || k.each != "#" && strconv.FormatFloat(n, 'g', -1, 64) != k.each {
				return false
			}
		}
		return true
	}
	if v, err := strconv.ParseFloat(value, 64); err == nil {
		value = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return value == "" || slices.Contains(strings.Split(k.off, "|"), value)
}

// keys lists the parameters in the order of LightGBM's documentation.
var keys = []key{
	// Core parameters.
	{name: "task", aliases: "task_type", set: setTask},
	{name: "objective", aliases: "objective_type app application loss", set: setObjective},
	{name: "boosting", aliases: "boosting_type boost", unsupported: "only gbdt is", off: "gbdt|gbrt"},
	{name: "data_sample_strategy", unsupported: "only bagging is", off: "bagging"},
	{name: "data", aliases: "train train_data train_data_file data_filename", set: text(func(c *Config) *string { return &c.Data })},
	{name: "valid", aliases: "test valid_data valid_data_file test_data test_data_file valid_filenames", set: setValid},
	{name: "num_iterations", aliases: "num_iteration n_iter num_tree num_trees num_round num_rounds nrounds num_boost_round n_estimators max_iter",
		set: integer(func(c *Config) *int { return &c.Options.NumIterations })},
	{name: "learning_rate", aliases: "shrinkage_rate eta", set: float(func(c *Config) *float64 { return &c.Options.LearningRate })},
	{name: "num_leaves", aliases: "num_leaf max_leaves max_leaf max_leaf_nodes", set: integer(func(c *Config) *int { return &c.Options.NumLeaves })},
	{name: "tree_learner", aliases: "tree tree_type tree_learner_type", unsupported: "only serial is", off: "serial"},
	{name: "num_threads", aliases: "num_thread nthread nthreads n_jobs", set: integer(func(c *Config) *int { return &c.Options.Workers })},
	{name: "device_type", aliases: "device", unsupported: "only cpu is", off: "cpu"},
	{name: "seed", aliases: "random_seed random_state", set: setSeed},
	{name: "deterministic"},

	// Learning control parameters.
	{name: "force_col_wise"},
	{name: "force_row_wise"},
	{name: "histogram_pool_size", aliases: "hist_pool_size"},
	{name: "max_depth", set: integer(func(c *Config) *int { return &c.Options.MaxDepth })},
	{name: "min_data_in_leaf", aliases: "min_data_per_leaf min_data min_child_samples min_samples_leaf",
		set: integer(func(c *Config) *int { return &c.Options.MinDataInLeaf })},
	{name: "min_sum_hessian_in_leaf", aliases: "min_sum_hessian_per_leaf min_sum_hessian min_hessian min_child_weight",
		set: float(func(c *Config) *float64 { return &c.Options.MinSumHessianInLeaf })},
	{name: "bagging_fraction", aliases: "sub_row subsample bagging", set: float(func(c *Config) *float64 { return &c.Options.BaggingFraction })},
	{name: "pos_bagging_fraction", aliases: "pos_sub_row pos_subsample pos_bagging", unsupported: "classes are not bagged apart", off: "1"},
	{name: "neg_bagging_fraction", aliases: "neg_sub_row neg_subsample neg_bagging", unsupported: "classes are not bagged apart", off: "1"},
	{name: "bagging_freq", aliases: "subsample_freq", set: integer(func(c *Config) *int { return &c.Options.BaggingFreq })},
	{name: "bagging_seed", aliases: "bagging_fraction_seed", set: integer(func(c *Config) *int { return &c.Options.BaggingSeed })},
	{name: "bagging_by_query", unsupported: "there are no queries", off: "false|0"},
	{name: "feature_fraction", aliases: "sub_feature colsample_bytree", set: float(func(c *Config) *float64 { return &c.Options.FeatureFraction })},
	{name: "feature_fraction_bynode", aliases: "sub_feature_bynode colsample_bynode", unsupported: "features are drawn by tree", off: "1"},
	{name: "feature_fraction_seed", set: integer(func(c *Config) *int { return &c.Options.FeatureFractionSeed })},
	{name: "extra_trees", aliases: "extra_tree", unsupported: "thresholds are not random", off: "false"},
	{name: "extra_seed"},
	{name: "early_stopping_round", aliases: "early_stopping_rounds early_stopping n_iter_no_change", set: setEarlyStopping},
	{name: "early_stopping_min_delta", set: float(func(c *Config) *float64 { return &c.Options.EarlyStoppingMinDelta })},
	{name: "first_metric_only", set: boolean(func(c *Config) *bool { return &c.Options.FirstMetricOnly })},
	{name: "max_delta_step", aliases: "max_tree_output max_leaf_output", unsupported: "outputs are not bounded", off: "0|-1"},
	{name: "lambda_l1", aliases: "reg_alpha l1_regularization", set: float(func(c *Config) *float64 { return &c.Options.LambdaL1 })},
	{name: "lambda_l2", aliases: "reg_lambda lambda l2_regularization", set: float(func(c *Config) *float64 { return &c.Options.LambdaL2 })},
	{name: "linear_lambda"},
	{name: "min_gain_to_split", aliases: "min_split_gain", set: float(func(c *Config) *float64 { return &c.Options.MinGainToSplit })},
	{name: "drop_rate", aliases: "rate_drop"},
	{name: "max_drop"},
	{name: "skip_drop"},
	{name: "xgboost_dart_mode"},
	{name: "uniform_drop"},
	{name: "drop_seed"},
	{name: "top_rate"},
	{name: "other_rate"},
	{name: "min_data_per_group", set: integer(func(c *Config) *int { return &c.Options.MinDataPerGroup })},
	{name: "max_cat_threshold", set: integer(func(c *Config) *int { return &c.Options.MaxCatThreshold })},
	{name: "cat_l2", set: float(func(c *Config) *float64 { return &c.Options.CatL2 })},
	{name: "cat_smooth", set: float(func(c *Config) *float64 { return &c.Options.CatSmooth })},
	{name: "max_cat_to_onehot", set: integer(func(c *Config) *int { return &c.Options.MaxCatToOnehot })},
	{name: "top_k", aliases: "topk"},
	{name: "monotone_constraints", aliases: "mc monotone_constraint monotonic_cst", unsupported: "splits are not constrained", each: "0"},
	{name: "monotone_constraints_method", aliases: "monotone_constraining_method mc_method"},
	{name: "monotone_penalty", aliases: "monotone_splits_penalty ms_penalty mc_penalty"},
	{name: "feature_contri", aliases: "feature_contrib fc fp feature_penalty", unsupported: "gains are not weighed", each: "1"},
	{name: "forcedsplits_filename", aliases: "fs forced_splits_filename forced_splits_file forced_splits", unsupported: "splits can not be forced"},
	{name: "refit_decay_rate"},
	{name: "cegb_tradeoff"},
	{name: "cegb_penalty_split", unsupported: "splits have no cost", off: "0"},
	{name: "cegb_penalty_feature_lazy", unsupported: "features have no cost", each: "0"},
	{name: "cegb_penalty_feature_coupled", unsupported: "features have no cost", each: "0"},
	{name: "path_smooth", unsupported: "outputs are not smoothed", off: "0"},
	{name: "interaction_constraints", unsupported: "any features may interact", off: "[]"},
	{name: "verbosity", aliases: "verbose"},
	{name: "input_model", aliases: "model_input model_in", unsupported: "training starts anew, and predict takes the model as its argument"},
	{name: "output_model", aliases: "model_output model_out", set: text(func(c *Config) *string { return &c.OutputModel })},
	{name: "saved_feature_importance_type", unsupported: "models list the number of splits", off: "0"},
	{name: "snapshot_freq", aliases: "save_period", unsupported: "only the finished model is written", off: "0|-1"},
	{name: "use_quantized_grad", unsupported: "gradients are exact", off: "false"},
	{name: "num_grad_quant_bins"},
	{name: "quant_train_renew_leaf"},
	{name: "stochastic_rounding"},

	// Data parameters.
	{name: "linear_tree", aliases: "linear_trees", unsupported: "leaves are constant", off: "false"},
	{name: "max_bin", aliases: "max_bins", set: integer(func(c *Config) *int { return &c.Options.MaxBin })},
	{name: "max_bin_by_feature", unsupported: "max_bin holds for all features", each: "#"},
	{name: "min_data_in_bin", set: integer(func(c *Config) *int { return &c.Options.MinDataInBin })},
	{name: "bin_construct_sample_cnt", aliases: "subsample_for_bin", set: integer(func(c *Config) *int { return &c.Options.BinConstructSampleCnt })},
	{name: "data_random_seed", aliases: "data_seed", set: integer(func(c *Config) *int { return &c.Options.DataRandomSeed })},
	{name: "is_enable_sparse", aliases: "is_sparse enable_sparse sparse"},
	{name: "enable_bundle", aliases: "is_enable_bundle bundle"},
	{name: "use_missing", set: boolean(func(c *Config) *bool { return &c.Options.UseMissing })},
	{name: "zero_as_missing", set: boolean(func(c *Config) *bool { return &c.Options.ZeroAsMissing })},
	{name: "feature_pre_filter", set: boolean(func(c *Config) *bool { return &c.Options.FeaturePreFilter })},
	{name: "pre_partition", aliases: "is_pre_partition"},
	{name: "two_round", aliases: "two_round_loading use_two_round_loading"},
	{name: "header", aliases: "has_header", set: boolean(func(c *Config) *bool { return &c.Layout.Header })},
	{name: "label_column", aliases: "label", set: text(func(c *Config) *string { return &c.Layout.Label })},
	{name: "weight_column", aliases: "weight", set: text(func(c *Config) *string { return &c.Layout.Weight })},
	{name: "group_column", aliases: "group group_id query_column query query_id", unsupported: "there are no queries"},
	{name: "ignore_column", aliases: "ignore_feature blacklist", set: text(func(c *Config) *string { return &c.Layout.Ignore })},
	{name: "categorical_feature", aliases: "cat_feature categorical_column cat_column categorical_features",
		set: text(func(c *Config) *string { return &c.Layout.Categorical })},
	{name: "forcedbins_filename", unsupported: "bins can not be forced"},
	{name: "save_binary", aliases: "is_save_binary is_save_binary_file", unsupported: "binned data are not written", off: "false"},
	{name: "precise_float_parser", set: boolean(func(c *Config) *bool { return &c.Layout.Precise })},
	{name: "parser_config_file", unsupported: "there are no other parsers"},

	// Prediction parameters.
	{name: "start_iteration_predict", unsupported: "prediction starts at the first tree", off: "0|-1"},
	{name: "num_iteration_predict", set: integer(func(c *Config) *int { return &c.NumIteration })},
	{name: "predict_raw_score", aliases: "is_predict_raw_score predict_rawscore raw_score", set: boolean(func(c *Config) *bool { return &c.RawScore })},
	{name: "predict_leaf_index", aliases: "is_predict_leaf_index leaf_index", set: boolean(func(c *Config) *bool { return &c.LeafIndex })},
	{name: "predict_contrib", aliases: "is_predict_contrib contrib", unsupported: "contributions are not computed", off: "false"},
	{name: "predict_disable_shape_check", unsupported: "columns are always checked", off: "false"},
	{name: "pred_early_stop", unsupported: "prediction uses all trees", off: "false"},
	{name: "pred_early_stop_freq"},
	{name: "pred_early_stop_margin"},
	{name: "output_result", aliases: "predict_result prediction_result predict_name prediction_name pred_name name_pred"},

	// Parameters of other tasks.
	{name: "convert_model_language"},
	{name: "convert_model", aliases: "convert_model_file"},

	// Objective parameters.
	{name: "objective_seed"},
	{name: "num_class", aliases: "num_classes", unsupported: "there is one score per row", off: "1"},
	{name: "is_unbalance", aliases: "unbalance unbalanced_sets", set: boolean(func(c *Config) *bool { return &c.Options.IsUnbalance })},
	{name: "scale_pos_weight", set: float(func(c *Config) *float64 { return &c.Options.ScalePosWeight })},
	{name: "sigmoid", set: float(func(c *Config) *float64 { return &c.Options.Sigmoid })},
	{name: "boost_from_average", set: boolean(func(c *Config) *bool { return &c.Options.BoostFromAverage })},
	{name: "reg_sqrt", unsupported: "labels are not transformed", off: "false"},
	{name: "alpha", set: float(func(c *Config) *float64 { return &c.Options.Alpha })},
	{name: "fair_c", set: float(func(c *Config) *float64 { return &c.Options.FairC })},
	{name: "poisson_max_delta_step", set: float(func(c *Config) *float64 { return &c.Options.PoissonMaxDeltaStep })},
	{name: "tweedie_variance_power", set: float(func(c *Config) *float64 { return &c.Options.TweedieVariancePower })},
	{name: "lambdarank_truncation_level"},
	{name: "lambdarank_norm"},
	{name: "label_gain"},
	{name: "lambdarank_position_bias_regularization"},

	// Metric parameters.
	{name: "metric", aliases: "metrics metric_types", set: setMetric},
	{name: "metric_freq", aliases: "output_freq"},
	{name: "is_provide_training_metric", aliases: "training_metric is_training_metric train_metric",
		set: boolean(func(c *Config) *bool { return &c.Options.IsProvideTrainingMetric })},
	{name: "eval_at", aliases: "ndcg_eval_at ndcg_at map_eval_at map_at"},
	{name: "multi_error_top_k"},
	{name: "auc_mu_weights"},

	// Network and GPU parameters.
	{name: "num_machines", aliases: "num_machine", unsupported: "training runs on one machine", off: "1"},
	{name: "local_listen_port", aliases: "local_port port"},
	{name: "time_out"},
	{name: "machine_list_filename", aliases: "machine_list_file machine_list mlist"},
	{name: "machines", aliases: "workers nodes"},
	{name: "gpu_platform_id"},
	{name: "gpu_device_id"},
	{name: "gpu_use_dp"},
	{name: "num_gpu"},
}

// byName finds a key by its names.
var byName = func() map[string]*key {
	m := map[string]*key{}
	for i := range keys {
		k := &keys[i]
		k.place = i
		m[k.name] = k
		for a := range strings.FieldsSeq(k.aliases) {
			m[a] = k
		}
	}
	return m
}()

func lookUp(s setting) (*key, error) {
	if k, ok := byName[s.name]; ok {
		return k, nil
	}
	near, best := "", 3
	for _, k := range keys {
		for _, name := range append(strings.Fields(k.aliases), k.name) {
			if d := distance(s.name, name); d < best {
				near, best = name, d
			}
		}
	}
	if near != "" {
		near = "; did you mean " + near + "?"
	}
	return nil, fmt.Errorf("%s: unknown key %q%s", s.where, s.name, near)
}

// distance is the number of letters to insert, remove or replace to make b of a
// (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func text(field func(c *Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

func integer(field func(c *Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("must be an integer, got %q", v)
		}
		*field(c) = n
		return nil
	}
}

func float(field func(c *Config) *float64) func(*Config, string) error {
	return func(c *Config, v string) error {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("must be a number, got %q", v)
		}
		*field(c) = x
		return nil
	}
}

func boolean(field func(c *Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "true", "+":
			*field(c) = true
		case "false", "-":
			*field(c) = false
		default:
			return fmt.Errorf("must be true or false, got %q", v)
		}
		return nil
	}
}

func setTask(c *Config, v string) error {
	switch v {
	case "train", "training":
		c.Task = "train"
	case "predict", "prediction", "test":
		c.Task = "predict"
	default:
		return fmt.Errorf("must be train or predict, got %q", v)
	}
	return nil
}

func setValid(c *Config, v string) error {
	if strings.Contains(v, ",") {
		return fmt.Errorf("must be one file, got %q", v)
	}
	c.Valid = v
	return nil
}

// setSeed draws the seeds that have keys of their own, in LightGBM's order.
func setSeed(c *Config, v string) error {
	var seed int
	if err := integer(func(*Config) *int { return &seed })(c, v); err != nil {
		return err
	}
	seeds := gbdt.DeriveSeeds(seed)
	c.Options.DataRandomSeed, c.Options.BaggingSeed, c.Options.FeatureFractionSeed = seeds.Data, seeds.Bagging, seeds.Feature
	return nil
}

func setEarlyStopping(c *Config, v string) error {
	var n int
	if err := integer(func(*Config) *int { return &n })(c, v); err != nil {
		return err
	}
	c.Options.EarlyStoppingRound = max(0, n)
	return nil
}

// objectives maps LightGBM's names of objectives to the main ones.
var objectives = map[string]string{
	"regression": "regression", "regression_l2": "regression", "l2": "regression", "mean_squared_error": "regression",
	"mse": "regression", "l2_root": "regression", "root_mean_squared_error": "regression", "rmse": "regression",
	"regression_l1": "regression_l1", "l1": "regression_l1", "mean_absolute_error": "regression_l1", "mae": "regression_l1",
	"huber": "huber", "fair": "fair", "quantile": "quantile", "poisson": "poisson", "gamma": "gamma", "tweedie": "tweedie",
	"mape": "mape", "mean_absolute_percentage_error": "mape", "binary": "binary",
}

func setObjective(c *Config, v string) error {
	name, ok := objectives[strings.ToLower(v)]
	if !ok {
		return fmt.Errorf("must be one of %s, got %q", values(objectives), v)
	}
	c.Options.Objective = name
	return nil
}

// metrics maps LightGBM's names of metrics to the main ones.
var metrics = map[string]string{
	"l1": "l1", "mean_absolute_error": "l1", "mae": "l1", "regression_l1": "l1",
	"l2": "l2", "mean_squared_error": "l2", "mse": "l2", "regression_l2": "l2", "regression": "l2",
	"rmse": "rmse", "root_mean_squared_error": "rmse", "l2_root": "rmse",
	"mape": "mape", "mean_absolute_percentage_error": "mape",
	"quantile": "quantile", "huber": "huber", "fair": "fair", "poisson": "poisson", "gamma": "gamma",
	"gamma_deviance": "gamma_deviance", "tweedie": "tweedie", "auc": "auc", "average_precision": "average_precision",
	"binary_logloss": "binary_logloss", "binary": "binary_logloss", "binary_error": "binary_error",
}

func setMetric(c *Config, v string) error {
	c.Options.Metric = nil
	if v == "" {
		return nil // that of the objective
	}
	for m := range strings.SplitSeq(v, ",") {
		m = strings.ToLower(strings.TrimSpace(m))
		switch m {
		case "none", "null", "custom", "na":
			c.Options.Metric = []string{gbdt.NoMetric}
			return nil
		}
		name, ok := metrics[m]
		if !ok {
			return fmt.Errorf("must be of %s or none, got %q", values(metrics), m)
		}
		if !slices.Contains(c.Options.Metric, name) {
			c.Options.Metric = append(c.Options.Metric, name)
		}
	}
	return nil
}

// values lists the values of m in order, each once.
func values(m map[string]string) string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

"""Makes the golden cases of this folder with LightGBM 4.6.0 (PyPI), numpy 2 and Python 3.11:

    python make.py

Each case is a folder with train.conf, model.txt, pred_raw.txt (raw scores of the test data)
and metrics.csv, in the layout of LightGBM's own command line: label first, no header.
"""

import csv
import math
import os
import random

import lightgbm

COMMON = {
    "task": "train", "data": "../data/small.train", "valid": "../data/small.test",
    "deterministic": "true", "force_col_wise": "true", "num_threads": "1",
    "is_training_metric": "true", "num_leaves": "15", "num_trees": "10", "min_data_in_leaf": "5",
}
CASES = {
    "l1": {"objective": "regression_l1", "metric": "l1"},
    "l2": {"objective": "regression", "metric": "l2,rmse,mape"},
    "l1_bagging": {"objective": "regression_l1", "metric": "l1", "bagging_fraction": "0.6", "bagging_freq": "2",
                   "feature_fraction": "0.6"},
    "l2_reg": {"objective": "regression", "metric": "l2", "lambda_l1": "2", "lambda_l2": "3", "max_depth": "3",
               "min_gain_to_split": "0.5", "zero_as_missing": "true"},
    "huber": {"objective": "huber", "metric": "huber,fair", "alpha": "1.5", "fair_c": "2"},
    "fair": {"objective": "fair", "metric": "fair,quantile", "fair_c": "0.5"},
    "mape": {"objective": "mape", "metric": "mape"},
    "categorical": {"objective": "regression", "metric": "l2", "categorical_feature": "2,3", "min_data_per_group": "10",
                    "cat_smooth": "2", "cat_l2": "3"},
    "categorical_one": {"objective": "regression_l1", "metric": "l1", "categorical_feature": "2,3", "max_cat_to_onehot": "100"},
    "gamma": {"objective": "gamma", "metric": "gamma,gamma_deviance", "data": "count"},
    "tweedie": {"objective": "tweedie", "metric": "tweedie,rmse", "tweedie_variance_power": "1.3", "data": "count"},
    "binary": {"objective": "binary", "metric": "binary_logloss,auc,binary_error,average_precision", "sigmoid": "0.7", "is_unbalance": "true",
               "data": "class"},
    "quantile": {"objective": "quantile", "metric": "quantile", "alpha": "0.8"},
}


LABELS = {
    "small": lambda y: f"{y:.3f}",
    "count": lambda y: str(1 + max(0, round(y))),
    "class": lambda y: str(int(y > 12)),
}


def write_data(path, rows, rng, label):
    with open(path, "w") as f:
        for _ in range(rows):
            x = [round(rng.random(), 3), round(rng.gauss(0, 1), 3), float(rng.randrange(24)),
                 0.0 if rng.random() < 0.6 else round(rng.uniform(-2, 2), 3), round(rng.expovariate(0.1), 3)]
            y = 10 * x[0] + x[1] ** 2 + 3 * math.sin(x[2] / 4) + 2 * x[3] + math.sqrt(x[4]) + rng.gauss(0, 0.5)
            if rng.random() < 0.1:
                x[4] = math.nan
            f.write(",".join([LABELS[label](y)] + ["nan" if math.isnan(v) else f"{v:.3f}" for v in x]) + "\n")


os.makedirs("data", exist_ok=True)
rng = random.Random(1)
for label in LABELS:
    write_data(f"data/{label}.train", 400, rng, label)
    write_data(f"data/{label}.test", 100, rng, label)
for name, extra in CASES.items():
    os.makedirs(name, exist_ok=True)
    data = extra.pop("data", "small")
    conf = COMMON | extra | {"data": f"../data/{data}.train", "valid": f"../data/{data}.test"}
    with open(f"{name}/train.conf", "w") as f:
        f.writelines(f"{k}={v}\n" for k, v in conf.items())
    params = {k: v for k, v in conf.items() if k not in ("task", "data", "valid", "num_trees")} | {"label_column": "0"}
    train = lightgbm.Dataset(conf["data"][3:], params=params)
    valid = lightgbm.Dataset(conf["valid"][3:], reference=train, params=params)
    seen = {}
    model = lightgbm.train(params, train, num_boost_round=int(conf["num_trees"]), valid_sets=[train, valid], valid_names=["training", "valid_1"],
                           callbacks=[lightgbm.record_evaluation(seen)])
    # The parameters block holds paths and nothing that the tests read.
    text = model.model_to_string()
    with open(f"{name}/model.txt", "w") as f:
        f.write(text[:text.index("\nparameters:")])
    with open(f"{name}/pred_raw.txt", "w") as f:
        f.writelines(f"{v!r}\n" for v in map(float, model.predict(conf["valid"][3:], raw_score=True)))
    with open(f"{name}/metrics.csv", "w") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["iteration", "set", "metric", "value"])
        for i in range(model.num_trees()):
            for s in seen:
                for m in seen[s]:
                    out.writerow([i + 1, s, m, f"{seen[s][m][i]:.6g}"])

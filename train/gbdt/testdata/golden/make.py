"""Makes the golden cases of this folder with LightGBM 4.6.0 (PyPI), numpy 2 and Python 3.11:

    python make.py

Each case is a folder with train.conf, model.txt, pred_raw.txt (raw scores of small.test)
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
    "quantile": {"objective": "quantile", "metric": "quantile", "alpha": "0.8"},
}


def write_data(path, rows, rng):
    with open(path, "w") as f:
        for _ in range(rows):
            x = [round(rng.random(), 3), round(rng.gauss(0, 1), 3), float(rng.randrange(24)),
                 0.0 if rng.random() < 0.6 else round(rng.uniform(-2, 2), 3), round(rng.expovariate(0.1), 3)]
            y = 10 * x[0] + x[1] ** 2 + 3 * math.sin(x[2] / 4) + 2 * x[3] + math.sqrt(x[4]) + rng.gauss(0, 0.5)
            if rng.random() < 0.1:
                x[4] = math.nan
            f.write(",".join([f"{y:.3f}"] + ["nan" if math.isnan(v) else f"{v:.3f}" for v in x]) + "\n")


os.makedirs("data", exist_ok=True)
rng = random.Random(1)
write_data("data/small.train", 400, rng)
write_data("data/small.test", 100, rng)
for name, extra in CASES.items():
    os.makedirs(name, exist_ok=True)
    conf = COMMON | extra
    with open(f"{name}/train.conf", "w") as f:
        f.writelines(f"{k}={v}\n" for k, v in conf.items())
    params = {k: v for k, v in conf.items() if k not in ("task", "data", "valid", "num_trees")} | {"label_column": "0"}
    data = lightgbm.Dataset("data/small.train", params=params)
    valid = lightgbm.Dataset("data/small.test", reference=data, params=params)
    seen = {}
    model = lightgbm.train(params, data, num_boost_round=int(conf["num_trees"]), valid_sets=[data, valid], valid_names=["training", "valid_1"],
                           callbacks=[lightgbm.record_evaluation(seen)])
    # The parameters block holds paths and nothing that the tests read.
    text = model.model_to_string()
    with open(f"{name}/model.txt", "w") as f:
        f.write(text[:text.index("\nparameters:")])
    with open(f"{name}/pred_raw.txt", "w") as f:
        f.writelines(f"{v!r}\n" for v in map(float, model.predict("data/small.test", raw_score=True)))
    with open(f"{name}/metrics.csv", "w") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["iteration", "set", "metric", "value"])
        for i in range(model.num_trees()):
            for s in seen:
                for m in seen[s]:
                    out.writerow([i + 1, s, m, f"{seen[s][m][i]:.6g}"])

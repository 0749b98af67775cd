"""Trains models with LightGBM.

Input: a list of jobs, {"rows": {"file", "dims"}, "label": file, "weight": file or "",
"categorical": [column], "parameters": {key: value}, "rounds"}. Rows are raw little-endian
float64, labels and weights float32. Output: a list of model texts without parameters.
"""

import json
import sys

import lightgbm
import numpy


def train(job):
    rows = numpy.fromfile(job["rows"]["file"], "<f8").reshape(job["rows"]["dims"])
    label = numpy.fromfile(job["label"], "<f4")
    weight = numpy.fromfile(job["weight"], "<f4") if job["weight"] else None
    parameters = {**job["parameters"], "verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True,
                  # Bundles of sparse features may drop a value in 10000, which changes trees.
                  "enable_bundle": False}
    data = lightgbm.Dataset(rows, label, weight=weight, params=parameters, categorical_feature=job["categorical"] or [])
    text = lightgbm.train(parameters, data, job["rounds"]).model_to_string()
    return text[: text.index("\nparameters:")]


json.dump([train(job) for job in json.load(sys.stdin)], sys.stdout)

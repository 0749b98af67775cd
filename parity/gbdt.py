"""Trains models with LightGBM, and predicts with them.

Input: a list of jobs, {"rows": {"file", "dims"}, "probe": {"file", "dims"}, "label": file,
"weight": file or "", "categorical": [column], "parameters": {key: value}, "rounds"}. Rows
and probe are raw little-endian float64, labels and weights float32. Output: a list of
{"text", "raw"}: the text of the model without parameters, and its raw scores of the probe
with as many trees as "trees" of the job says.
"""

import json
import sys

import lightgbm
import numpy


def train(job):
    rows, probe = (numpy.fromfile(job[k]["file"], "<f8").reshape(job[k]["dims"]) for k in ("rows", "probe"))
    label = numpy.fromfile(job["label"], "<f4")
    weight = numpy.fromfile(job["weight"], "<f4") if job["weight"] else None
    parameters = {**job["parameters"], "verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True,
                  # Bundles of sparse features may drop a value in 10000, which changes trees.
                  "enable_bundle": False}
    data = lightgbm.Dataset(rows, label, weight=weight, params=parameters, categorical_feature=job["categorical"] or [])
    model = lightgbm.train(parameters, data, job["rounds"])
    text = model.model_to_string()
    raw = model.predict(probe, raw_score=True, num_threads=1, num_iteration=job["trees"])
    return {"text": text[: text.index("\nparameters:")], "raw": raw.tolist()}


json.dump([train(job) for job in json.load(sys.stdin)], sys.stdout)

"""Trains and predicts with LightGBM from files that a person might have made.

Input: a list of jobs, {"parameters": {key: value}, "train": file, "predict": file, "header":
bool, "trees": n}, where "predict" is a file to predict or empty. Output: a list of {"text",
"raw"}: the text of the model without parameters, empty if LightGBM refuses the file to train
on, and the raw scores, null if it refuses the file to predict.

LightGBM ends the program on some of the files, so each job runs in a process of its own.
"""

import json
import os
import sys

import lightgbm


def run(job):
    parameters = {**job["parameters"], "header": job["header"], "verbosity": -1, "num_threads": 1,
                  "deterministic": True, "force_col_wise": True, "enable_bundle": False}
    result = {"text": "", "raw": None}
    yield result
    model = lightgbm.train(parameters, lightgbm.Dataset(job["train"], params=parameters), job["trees"])
    text = model.model_to_string()
    result["text"] = text[: text.index("\nparameters:")]
    yield result
    if job["predict"]:
        # What the model is read from has the column of the label, which a model in memory has not.
        saved = job["train"] + ".model"
        model.save_model(saved)
        loaded = lightgbm.Booster(model_file=saved)
        raw = loaded.predict(job["predict"], raw_score=True, data_has_header=job["header"], num_threads=1)
        result["raw"] = [float(v) for v in raw]
        yield result


def child(job):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            for result in run(job):
                os.write(writing, json.dumps(result).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as f:
        lines = f.read().splitlines()
    os.waitpid(pid, 0)
    return json.loads(lines[-1])


json.dump([child(job) for job in json.load(sys.stdin)], sys.stdout)

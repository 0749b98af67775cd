"""Trains LightGBM on the data of the benchmark and says how long the rounds took.

Standard input: {"params": {...}, "rounds": n, "columns": k, "train": file, "test": file,
"model": file to write}. A data file holds the rows of k features and then the labels,
float64 in the order of the machine. Standard output: {"seconds", "cpu", "peak", "loaded",
"l1"}; peak and loaded are the largest resident memory after the rounds and after the data
were read, in bytes.
"""

import json
import resource
import sys
import time

import lightgbm
import numpy


def read(file, columns):
    table = numpy.fromfile(file, numpy.float64)
    rows = len(table) // (columns + 1)
    return table[: rows * columns].reshape(rows, columns), table[rows * columns :].astype(numpy.float32)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    job = json.load(sys.stdin)
    x, y = read(job["train"], job["columns"])
    loaded = peak()
    params = dict(job["params"], verbosity=-1)
    data = lightgbm.Dataset(x, y, params=params, free_raw_data=True).construct()
    del x, y
    booster = lightgbm.Booster(params, data)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(job["rounds"]):
        booster.update()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    most = peak()
    booster.save_model(job["model"])
    x, y = read(job["test"], job["columns"])
    error = float(numpy.abs(booster.predict(x) - y).mean())
    json.dump({"seconds": wall, "cpu": cpu, "peak": most, "loaded": loaded, "l1": error}, sys.stdout)


main()

"""Measures how far a sample of a trace is from the whole, as SciPy does.

Input: {"whole", "sample": folders of traces in the store, "minutes": their span}. Output:
by figure, invocations a minute, mean execution time in ms and memory in MB by function: the
means of both and their Wasserstein distance, also that of log10(1 + figure) with the number
of invocations in place of their rate. DuckDB reads the Parquet files.
"""

import json
import sys

import duckdb
import numpy
from scipy.stats import wasserstein_distance

job = json.load(sys.stdin)


def figures(folder):
    rows = duckdb.sql(f"select function, memory_mb, execution_prob, execution_ns from '{folder}/functions.parquet' order by function").fetchall()
    counts = dict(duckdb.sql(f"select function, sum(count)::bigint from '{folder}/minutes/*.parquet' group by function").fetchall())
    ns = [numpy.trapezoid(numpy.array(r[3], dtype=float), numpy.array(r[2])) for r in rows]
    return {
        "invocations": numpy.array([counts.get(r[0], 0) for r in rows], dtype=float),
        "execution": numpy.array(ns) / 1e6,
        "memory": numpy.array([r[1] for r in rows]),
    }


whole, sample = figures(job["whole"]), figures(job["sample"])
out = {}
for name in whole:
    a, b = sample[name], whole[name]
    per = job["minutes"] if name == "invocations" else 1
    out[name] = {
        "whole_mean": float(b.mean() / per),
        "sample_mean": float(a.mean() / per),
        "wasserstein": float(wasserstein_distance(a / per, b / per)),
        "wasserstein_log10": float(wasserstein_distance(numpy.log10(1 + a), numpy.log10(1 + b))),
    }
json.dump(out, sys.stdout)

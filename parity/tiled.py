"""Judges a semi-synthetic trace by the day and the total that it was made of.

Input: {"shapes", "trace": folders of traces in the store, "total": a file of counts with
day, minute (both from 1) and invocations, "days": how many}. Output: the invocations of the
one day and of the trace; the largest difference between a minute of the trace and the
rounded running totals of the scaled platform; and the largest between a function's count
and its share of a minute. DuckDB reads the Parquet files.
"""

import csv
import json
import sys

import duckdb
import numpy

job = json.load(sys.stdin)


def day(folder, n):
    query = f"select function, minute, count from '{folder}/minutes/day={n:03d}.parquet'"
    columns = duckdb.sql(query).fetchnumpy()
    functions = duckdb.sql(f"select count(*) from '{folder}/functions.parquet'").fetchall()[0][0]
    table = numpy.zeros((functions, 1440), dtype=numpy.int64)
    table[columns["function"], columns["minute"]] = columns["count"]
    return table


platform = numpy.zeros((job["days"], 1440), dtype=object)
with open(job["total"], newline="") as f:
    for row in csv.DictReader(f):
        if int(row["day"]) <= job["days"]:
            platform[int(row["day"]) - 1, int(row["minute"]) - 1] += int(row["invocations"])

shapes = day(job["shapes"], 0)
one, observed = int(shapes.sum()), int(platform.sum())
running = numpy.cumsum(platform.reshape(-1))
wanted = [(int(r) * one * job["days"] + observed // 2) // observed for r in running]
level = numpy.diff(numpy.array([0] + wanted, dtype=object)).reshape(platform.shape)

total, minute, share = 0, 0, 0.0
sums = shapes.sum(axis=0)
parts = numpy.where(sums > 0, shapes / numpy.maximum(sums, 1), shapes.sum(axis=1, keepdims=True) / one)
for d in range(job["days"]):
    table = day(job["trace"], d)
    total += int(table.sum())
    minute = max(minute, int(abs(table.sum(axis=0) - level[d].astype(numpy.int64)).max()))
    share = max(share, float(abs(table - parts * level[d].astype(float)).max()))

json.dump({"one": one, "total": total, "minute": minute, "share": share}, sys.stdout)

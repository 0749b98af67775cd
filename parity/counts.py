"""Compares the counts of a stored trace with those of its CSV files.

Input: {"trace": folder of the trace in the store, "csv": the file of counts}. Output:
the totals of each reader, and every cell that differs from the CSV file, which is read
with Python's own csv module: a function is a row, and the columns whose names are numbers
are minutes, counted from 1.
"""

import collections
import csv
import json
import pathlib
import sys

import duckdb
import pandas
import pyarrow.compute
import pyarrow.parquet


def main():
    job = json.load(sys.stdin)
    trace = pathlib.Path(job["trace"])

    cells, keys = {}, set()
    per_function = collections.Counter()
    with open(job["csv"], newline="") as f:
        for row in csv.DictReader(f):
            key = (row["HashOwner"], row["HashApp"], row["HashFunction"])
            keys.add(key)
            for name, text in row.items():
                if name.isdigit() and int(text) != 0:
                    cells[*key, int(name) - 1] = int(text)
                    per_function[key] += int(text)

    db = duckdb.connect()
    db.read_parquet(str(trace / "minutes" / "*.parquet")).create_view("minutes")
    db.read_parquet(str(trace / "functions.parquet")).create_view("functions")
    joined = "FROM minutes JOIN functions USING (function)"
    stored = {row[:4]: row[4] for row in db.execute(f"SELECT owner, app, name, minute, count {joined}").fetchall()}
    sums = {row[:3]: row[3] for row in db.execute(
        "SELECT owner, app, name, coalesce(sum(count), 0)::BIGINT FROM functions LEFT JOIN minutes USING (function) GROUP BY ALL").fetchall()}

    arrow = pyarrow.parquet.read_table(trace / "minutes")
    json.dump({
        "csv": sum(cells.values()),
        "duckdb": db.execute(f"SELECT sum(count)::BIGINT {joined}").fetchone()[0],
        "pyarrow": pyarrow.compute.sum(arrow["count"]).as_py(),
        "pandas": int(pandas.read_parquet(trace / "minutes")["count"].sum()),
        "functions": len(sums),
        "cells": len(stored),
        "other_functions": sorted("/".join(k) for k in keys ^ sums.keys()),
        "other_sums": sorted("/".join(k) for k, n in sums.items() if per_function[k] != n),
        "other_cells": sorted("/".join(map(str, k)) for k in stored.keys() | cells.keys() if stored.get(k) != cells.get(k)),
    }, sys.stdout)


main()

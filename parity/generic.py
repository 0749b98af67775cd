"""Counts what is in files of counts, and writes one of them down in other ways.

Input: {"files": [{"path", "kind", "day", "minute", "count"}]}, the names of the columns of
a file with a row per day and minute, or with the kind "wide" the layout of the Azure trace
of 2019, and perhaps {"rewrite": a path of the former, "out": a folder}. Output: for each
file the sum of its counts, the number that is not zero, the number of its series, and its
sums by day; and the names of the files that were written. They are read with Python's own
csv module, and written with pandas, pyarrow and DuckDB.
"""

import collections
import csv
import gzip
import json
import pathlib
import random
import sys

import duckdb
import pandas
import pyarrow
import pyarrow.parquet


def rows(file):
    opener = gzip.open if file["path"].endswith(".gz") else open
    with opener(file["path"], "rt", newline="") as f:
        for row in csv.DictReader(f):
            if file.get("kind") == "wide":
                series = (row["HashOwner"], row["HashApp"], row["HashFunction"])
                for name, text in row.items():
                    if name.isdigit():
                        yield series, "1", int(text)
            else:
                yield "", row[file["day"]], int(row[file["count"]])


def measure(file):
    total = cells = 0
    days, series = collections.Counter(), set()
    for name, day, count in rows(file):
        total += count
        cells += count != 0
        days[int(day)] += count
        series.add(name)
    return {"total": total, "cells": cells, "series": len(series), "days": [days[d] for d in sorted(days)]}


def rewrite(path, out):
    """The counts of the Azure total, with times, in every form that a platform may export."""
    table = pandas.read_csv(path)
    minutes = (table["day"] - 1) * 1440 + table["minute"] - 1
    table = pandas.DataFrame({
        "function": "per_minute",
        "minute": pandas.Timestamp("2019-07-15", tz="UTC") + pandas.to_timedelta(minutes, unit="min"),
        "count": table["invocations"],
    })
    table.to_csv(out / "pandas.csv", index=False)
    table.to_csv(out / "pandas.csv.gz", index=False)
    table.assign(minute=table["minute"].map(lambda t: t.isoformat())).to_json(out / "pandas.jsonl", orient="records", lines=True)
    table.to_parquet(out / "pandas.parquet")
    shuffled = table.sample(frac=1, random_state=1)
    naive = table.assign(minute=table["minute"].dt.tz_localize(None), count=table["count"].astype("float64"))
    naive.to_parquet(out / "naive.parquet", compression="gzip", coerce_timestamps="ms", row_group_size=5000)
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pandas(table.assign(function=pandas.Categorical(table["function"]))), out / "int96.parquet",
        use_deprecated_int96_timestamps=True, version="1.0", data_page_version="2.0", compression="zstd")
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pandas(table), out / "plain.parquet", use_dictionary=False, compression="none", write_statistics=False)
    duckdb.sql(f"COPY (SELECT * FROM shuffled) TO '{out / 'duckdb.parquet'}' (FORMAT parquet)")
    lines = [f'"per_minute","{t.isoformat()}",{n},"a, ""b"""' for t, n in zip(table["minute"], table["count"])]
    random.Random(1).shuffle(lines)
    (out / "quoted.csv").write_text("\ufefffunction,minute,count,other\r\n" + "\r\n".join(lines))
    return sorted(p.name for p in out.iterdir())


def main():
    job = json.load(sys.stdin)
    answer = {"files": [measure(f) for f in job["files"]]}
    if "rewrite" in job:
        answer["written"] = rewrite(job["rewrite"], pathlib.Path(job["out"]))
    json.dump(answer, sys.stdout)


main()

"""Writes small files that unpack to much.

Input: {"out": a folder}. Output: for each file its name, its size, and the bytes of text or
of values that it stands for. They are written with Python's gzip module and with pyarrow.
"""

import gzip
import json
import pathlib
import sys

import numpy
import pyarrow
import pyarrow.parquet

MB = 1 << 20


def text(path, first, block, times):
    with gzip.open(path, "wb", compresslevel=6) as f:
        f.write(first)
        for _ in range(times):
            f.write(block)
    return len(first) + times * len(block)


def table(path, columns, groups, **options):
    rows = pyarrow.table(columns)
    with pyarrow.parquet.ParquetWriter(path, rows.schema, compression="zstd", compression_level=3, **options) as w:
        for _ in range(groups):
            w.write_table(rows, row_group_size=len(rows))
    return rows.nbytes * groups


def main():
    out = pathlib.Path(json.load(sys.stdin)["out"])
    header = b"function,minute,count\n"
    constant = {"function": ["f"] * MB, "minute": numpy.zeros(MB, "int64"), "count": numpy.ones(MB, "int64")}
    unpacked = {
        "line.csv.gz": text(out / "line.csv.gz", header, b"0" * MB, 128),
        "manylines.csv.gz": text(out / "manylines.csv.gz", header, (b"0" * (2 * MB - 1) + b"\n") * 8, 8),
        "blank.csv.gz": text(out / "blank.csv.gz", header, b"\n" * MB, 128),
        "quotes.csv.gz": text(out / "quotes.csv.gz", header, b'"' * MB, 128),
        "bad.csv.gz": text(out / "bad.csv.gz", header, b"f,x,1\n" * (MB // 6), 24),
        "same.csv.gz": text(out / "same.csv.gz", header, b"f,1,1\n" * (MB // 6), 24),
        "days.csv.gz": text(out / "days.csv.gz", header, b"".join(b"f,%d,1\n" % (1440 * i) for i in range(2**17 + 1)), 1),
        "names.jsonl.gz": text(out / "names.jsonl.gz", b"", b"".join(b'{"minute":1,"count":1,"function":"%d"}\n' % i for i in range(2**18 + 2**15)), 1),
        "nested.jsonl.gz": text(out / "nested.jsonl.gz", b'{"minute":1,"count":1}\n', (b'{"a":' * (MB // 6) + b"\n"), 64),
        "rows.parquet": table(out / "rows.parquet", constant, 4),
        "page.parquet": table(out / "page.parquet", {"function": [bytes(520 * MB).decode()], "minute": [1], "count": [1]}, 1, use_dictionary=False, write_statistics=False),
    }
    json.dump([{"name": n, "size": (out / n).stat().st_size, "unpacked": size} for n, size in unpacked.items()], sys.stdout)


main()

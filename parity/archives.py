"""Packs files in every way that a trace is delivered in, and counts what is in one.

Input: {"out": a folder, "pack": files or folders, "azure2021": a file of that trace}.
Output: {"packed": {the name of each archive or compressed file: the path that it holds},
"rows", "functions", "minutes": [[app, func, minute, invocations], ...], "took_us": the sum
of all durations}, where an invocation is counted in the minute of end_timestamp -
duration, to the microsecond, and takes one microsecond at least. Everything is done with
Python's own modules, but zstd, which pyarrow writes.
"""

import bz2
import collections
import csv
import gzip
import io
import json
import lzma
import math
import pathlib
import sys
import tarfile
import zipfile

import pyarrow


def zstd(data):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


SQUEEZE = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd}


def tar(path, **how):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **how) as t:
        t.add(path, arcname=path.name)
    return out.getvalue()


def zipped(path, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            z.write(file, file.relative_to(path.parent))
    return out.getvalue()


def pack(path, out):
    """Yields the name and the bytes of every form of one file or folder."""
    forms = {
        "tar": tar(path, format=tarfile.PAX_FORMAT),
        "gnu.tar": tar(path, format=tarfile.GNU_FORMAT),
        "ustar.tar": tar(path, format=tarfile.USTAR_FORMAT),
        "zip": zipped(path, zipfile.ZIP_DEFLATED),
        "stored.zip": zipped(path, zipfile.ZIP_STORED),
        "bz2.zip": zipped(path, zipfile.ZIP_BZIP2),
    }
    forms |= {"tar." + name: squeeze(forms["tar"]) for name, squeeze in SQUEEZE.items()}
    if path.is_file():
        data = path.read_bytes()
        forms |= {name: squeeze(data) for name, squeeze in SQUEEZE.items()}
        half = data.index(b"\n", len(data) // 2) + 1
        # Two files one after the other are one, as cat makes them.
        forms |= {"two." + name: squeeze(data[:half]) + squeeze(data[half:]) for name, squeeze in SQUEEZE.items()}
    for form, data in forms.items():
        name = f"{path.name}.{form}"
        (out / name).write_bytes(data)
        yield name


def azure2021(path):
    minutes, took, rows, functions = collections.Counter(), 0, 0, set()
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            rows += 1
            end, duration = float(row["end_timestamp"]), float(row["duration"])
            start = math.floor((end - duration) * 1e6 + 0.5)
            functions.add((row["app"], row["func"]))
            minutes[row["app"], row["func"], max(0, start) // 60_000_000] += 1
            took += max(1, math.floor(duration * 1e6 + 0.5))
    return {"rows": rows, "functions": len(functions), "took_us": took,
            "minutes": [[*k, n] for k, n in sorted(minutes.items())]}


def main():
    job = json.load(sys.stdin)
    out, packed = pathlib.Path(job["out"]), {}
    for path in job["pack"]:
        for name in pack(pathlib.Path(path), out):
            packed[name] = path
    json.dump({"packed": packed} | azure2021(job["azure2021"]), sys.stdout)


main()

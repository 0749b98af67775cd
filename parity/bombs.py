"""Writes small files that unpack to much, and archives that reach out of themselves.

Input: {"out": a folder}. Output: for each file its name, its size, and the bytes of text or
of values that it stands for. They are written with Python's own modules and with pyarrow.
"""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import struct
import sys
import tarfile
import zipfile

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


def line(path, opener):
    """One line of 300 MB."""
    with opener(path) as f:
        f.write(b"function,minute,count\n")
        for _ in range(300):
            f.write(b"0" * MB)
    return 300 * MB


class Zeros(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, b):
        b[:] = b"0" * len(b)
        return len(b)


def member(name, size=0, **fields):
    m = tarfile.TarInfo(name)
    m.size = size
    for k, v in fields.items():
        setattr(m, k, v)
    return m


def tar(path, mode, *members, data=None):
    with tarfile.open(path, mode) as t:
        for m in members:
            t.addfile(m, io.BytesIO(data) if data else io.BufferedReader(Zeros()) if m.size else None)
    return sum(m.size for m in members)


def zipped(path, *names, data=b"", blocks=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for n in names:
            with z.open(n, "w") as f:
                f.write(data)
                for _ in range(blocks):
                    f.write(b"0" * MB)
    return len(names) * (len(data) + blocks * MB)


def overlap(path, files):
    """A zip whose directory names the same 100 MB again and again."""
    zipped(path, "0000.csv", data=b"function,minute,count\n", blocks=100)
    raw = path.read_bytes()
    start = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry = raw[start:end]
    directory = b"".join(entry.replace(b"0000", b"%04d" % i) for i in range(files))
    path.write_bytes(raw[:start] + directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, files, files, len(directory), start, 0))
    return files * 100 * MB


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
    rows = b"function,minute,count\nf,1,1\n"
    unpacked |= {
        "line.csv.xz": line(out / "line.csv.xz", lambda p: lzma.open(p, "wb", preset=1)),
        "line.csv.bz2": line(out / "line.csv.bz2", lambda p: bz2.open(p, "wb")),
        "line.csv.zst": line(out / "line.csv.zst", lambda p: pyarrow.CompressedOutputStream(str(p), "zstd")),
        "line.zip": zipped(out / "line.zip", "a.csv", data=b"function,minute,count\n", blocks=300),
        "line.tar.gz": tar(out / "line.tar.gz", "w:gz", member("a.csv", 300 * MB)),
        "line.tar.xz": tar(out / "line.tar.xz", "w:xz", member("a.csv", 300 * MB)),
        "overlap.zip": overlap(out / "overlap.zip", 1000),
        "many.zip": zipped(out / "many.zip", *("%05d.csv" % i for i in range(2**16 + 1)), data=rows),
        "many.tar.gz": tar(out / "many.tar.gz", "w:gz", *(member("%05d.csv" % i, len(rows)) for i in range(2**16 + 1)), data=rows),
        "slip.tar": tar(out / "slip.tar", "w", member("../../slip.csv", len(rows)), data=rows),
        "slip.zip": zipped(out / "slip.zip", "good.csv", "a/../../slip.csv", data=rows),
        "absolute.tar.gz": tar(out / "absolute.tar.gz", "w:gz", member("/slip.csv", len(rows)), data=rows),
        "link.tar": tar(out / "link.tar", "w", member("a.csv", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "hardlink.tar.xz": tar(out / "hardlink.tar.xz", "w:xz", member("a.csv", type=tarfile.LNKTYPE, linkname="../b.csv")),
        "device.tar": tar(out / "device.tar", "w", member("a.csv", type=tarfile.CHRTYPE, devmajor=1, devminor=5)),
    }
    inner = (out / "line.zip").read_bytes()
    unpacked["matryoshka.zip"] = zipped(out / "matryoshka.zip", "1.csv", "2.csv", data=inner)
    cut = (out / "line.tar.xz").read_bytes()
    (out / "cut.tar.xz").write_bytes(cut[: len(cut) // 2])
    unpacked["cut.tar.xz"] = len(cut) // 2
    json.dump([{"name": n, "size": (out / n).stat().st_size, "unpacked": size} for n, size in unpacked.items()], sys.stdout)


main()

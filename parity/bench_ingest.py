"""Times the ingest of one day of the Azure 2019 layout against DuckDB.

Both run as processes of their own, with two threads, alternately, on the same generated
file. Incendio does the whole command: digests of the files, names, counts, durations,
memory, quarantine, every table of the store. DuckDB does the counts only, in the form of
the work that is fastest for it: drop the zeros and write function, minute and count as
Parquet with zstd, sorted by function and minute. Its UNPIVOT is shown for the record.

Printed are wall time without the start of Python and the import of duckdb, CPU time of
the whole process and peak memory; the ratio is of medians. Both must find the same number
of counts and of invocations, and DuckDB's rows must be sorted. Then many days are ingested
at once: their peak memory is to be that of one day.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LIST = """
  SELECT function::INT AS function, m::INT AS minute, cell::BIGINT AS count FROM
    (SELECT function, unnest(cells) AS cell, unnest(range(1440)) AS m FROM
      (SELECT row_number() OVER () - 1 AS function, string_split(line, ',')[5:] AS cells FROM
        read_csv($file, columns={'line': 'VARCHAR'}, delim='\x01', quote='', escape='', header=false,
                 skip=1, max_line_size=10000000, auto_detect=false)))
  WHERE cell <> '0'
"""
FORMS = {
    # Rows keep the order of the file, in which they are sorted already.
    "string_split + unnest": LIST,
    "string_split + unnest, ORDER BY": LIST + "ORDER BY function, minute",
    "UNPIVOT": """
  SELECT function::INT AS function, m::INT - 1 AS minute, count FROM
    (UNPIVOT (SELECT row_number() OVER () - 1 AS function, COLUMNS(* EXCLUDE (HashOwner, HashApp, HashFunction, Trigger))
              FROM read_csv($file, header=true))
     ON COLUMNS(* EXCLUDE (function)) INTO NAME m VALUE count)
  WHERE count > 0 ORDER BY function, minute
""",
}
MB = 1 << 20


def duckdb_form(form, source, target):
    """What the child process does: one form, its wall time to standard output."""
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 2")
    began = time.perf_counter()
    query = FORMS[form].replace("$file", f"'{source}'")
    db.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    print(time.perf_counter() - began)


def run(command):
    """Runs a process: its output, wall and CPU seconds, and peak memory in bytes."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "GOMAXPROCS": "2"})
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"bench-ingest: {' '.join(map(str, command[:4]))} ended with {child.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return out, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def totals(pattern):
    import duckdb

    rows, invocations, unsorted = duckdb.execute(f"""
      SELECT count(*), sum(count), sum((key <= before)::INT) FROM
        (SELECT count, function * 1440 + minute AS key, lag(function * 1440 + minute) OVER () AS before FROM '{pattern}')
    """).fetchone()
    return rows, invocations, unsorted


class Trial:
    def __init__(self, name):
        self.name, self.wall, self.cpu, self.peak, self.size = name, [], [], 0, 0

    def add(self, wall, cpu, peak, size):
        self.wall.append(wall)
        self.cpu.append(cpu)
        self.peak, self.size = max(self.peak, peak), size

    def line(self):
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return f"{self.name:34} {wall:8.2f} {cpu:8.2f} {self.peak / MB:10.0f} {self.size / 1e6:10.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default="bin/incendio", type=pathlib.Path)
    parser.add_argument("--functions", default=46412, type=int)
    parser.add_argument("--runs", default=5, type=int)
    parser.add_argument("--days", default=14, type=int, help="days of the second part")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return duckdb_form(*args.child)
    try:
        import duckdb
    except ImportError:
        sys.exit("bench-ingest: DuckDB is missing: pip install -r parity/requirements.txt")

    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-ingest-"))
    try:
        bench(args, work, duckdb.__version__)
    finally:
        shutil.rmtree(work)


def bench(args, work, version):
    def synth(days):
        folder = work / f"{days} days"
        run([args.program, "synth", "--layout", "azure2019", "--functions", str(args.functions), "--days", str(days), "--out", folder])
        return folder

    def ingest(folder):
        store = work / "store"
        shutil.rmtree(store, ignore_errors=True)
        out, *figures = run([args.program, "ingest", "azure2019", folder, "--name", "bench", "--store", store, "--json"])
        size = sum(f.stat().st_size for f in (store / "traces" / "bench" / "minutes").iterdir())
        return json.loads(out), *figures, size

    day = synth(1)
    source = next(day.glob("invocations_per_function_md*"))
    ours, peers = Trial("incendio ingest"), {form: Trial(f"DuckDB {form}") for form in FORMS}
    for turn in range(args.runs):
        described, *figures = ingest(day)
        ours.add(*figures)
        for form, trial in peers.items():
            if form == "UNPIVOT" and turn > 0:
                continue
            target = work / "duckdb.parquet"
            out, _, cpu, peak = run([sys.executable, __file__, "--child", form, str(source), str(target)])
            trial.add(float(out), cpu, peak, target.stat().st_size)
            if turn == 0:
                mine, theirs = totals(work / "store/traces/bench/minutes/*.parquet"), totals(target)
                if mine != theirs or mine[1] != described["invocations"] or mine[2] != 0:
                    sys.exit(f"bench-ingest: counts, invocations and rows out of order: {mine}, DuckDB {theirs}, ingest --json {described['invocations']}")

    rows, invocations, _ = mine
    print(f"One day of {described['functions']} functions: {source.stat().st_size / 1e6:.0f} MB, {rows} counts that are not 0"
          f" ({rows / described['functions'] / 14.40:.1f} %), {invocations} invocations. Medians of {args.runs} runs in turn, 2 threads,"
          f" DuckDB {version}.\n")
    print(f"{'':34} {'wall s':>8} {'CPU s':>8} {'peak MB':>10} {'Parquet MB':>10}")
    for trial in [ours, *peers.values()]:
        print(trial.line())
    best = min(peers.values(), key=lambda t: statistics.median(t.wall))
    print(f"\nRatio to {best.name}: wall {statistics.median(ours.wall) / statistics.median(best.wall):.2f},"
          f" CPU {statistics.median(ours.cpu) / statistics.median(best.cpu):.2f}")

    shutil.rmtree(day)
    described, wall, cpu, peak, size = ingest(synth(args.days))
    print(f"\n{args.days} days at once: {described['invocations']} invocations, wall {wall:.2f} s, CPU {cpu:.2f} s,"
          f" peak {peak / MB:.0f} MB ({ours.peak / MB:.0f} MB for one day), Parquet {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

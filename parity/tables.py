"""Reads every Parquet file under a folder with DuckDB, pyarrow and pandas.

Input: {"root": folder}. Output: {"files": [{"name", "rows", "columns"}]}.
Fails where the readers do not see the same rows.
"""

import json
import pathlib
import sys

import duckdb
import pandas
import pyarrow.parquet


def main():
    root = pathlib.Path(json.load(sys.stdin)["root"])
    files = []
    for path in sorted(root.rglob("*.parquet")):
        arrow = pyarrow.parquet.read_table(path)
        arrow.validate(full=True)
        duck = duckdb.sql("SELECT * FROM read_parquet($path)", params={"path": str(path)})
        if duck.columns != arrow.column_names:
            sys.exit(f"{path}: DuckDB reads the columns {duck.columns}, pyarrow {arrow.column_names}")
        # check_dtype: the frames of DuckDB have other types for text, not other values.
        pandas.testing.assert_frame_equal(pandas.read_parquet(path), duck.df(), check_dtype=False, check_exact=True, obj=str(path))
        files.append({"name": path.relative_to(root).as_posix(), "rows": arrow.num_rows, "columns": arrow.num_columns})
    json.dump({"files": files}, sys.stdout)


main()

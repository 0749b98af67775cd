// Package parity checks the program against the real peers that its files and figures
// are meant for: DuckDB, pyarrow, pandas and polars open its tables, LightGBM and ONNX Runtime
// compute its models, SciPy its statistics, and the real traces give totals that other
// programs counted.
//
// The checks are tests under the build tag parity, and `make parity` runs them with those
// that other packages have. They need two variables of the environment: PARITY_PYTHON, a
// Python that has what requirements.txt names, and SHARED_DATA, the absolute path of the
// folder that holds the real traces (data), the reference results (golden) and the files
// that were written to break readers (corpora). Nothing
// is skipped: a check without its peer fails and says what is missing.
//
// The scripts beside the tests are the peers' side, and share no code with the program:
// peers.py says which peers there are; each other one reads a JSON value on standard input
// and writes one on standard output.
package parity

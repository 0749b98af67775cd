"""Says which peers are installed, or fails with a sentence that names what is missing."""

import importlib
import importlib.metadata
import pathlib
import sys

PEERS = ["duckdb", "in_toto_attestation", "lightgbm", "model_signing", "numpy", "onnx", "onnxruntime", "pandas", "polars", "prophet", "pyarrow", "scipy"]


def main():
    wanted = {}
    for line in (pathlib.Path(__file__).parent / "requirements.txt").read_text().splitlines():
        name, pinned, version = line.partition("==")
        if pinned:
            wanted[name.replace("-", "_")] = version
    found = []
    for name in PEERS:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as e:  # OSError: a library of the system is missing
            sys.exit(f"parity: {name} cannot be imported ({e}); parity/requirements.txt names version {wanted[name]}")
        version = importlib.metadata.version(name)
        if version != wanted[name]:
            sys.exit(f"parity: {name} is version {version}, but parity/requirements.txt names {wanted[name]}")
        found.append(f"{name} {version}")
    print("parity: peers are", ", ".join(found))


main()

#!/usr/bin/env bash
# Executes the notebooks headless: see usage.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: notebooks/execute.sh [--out DIR]

Executes every notebook of this folder in a throw-away folder and fails if a cell
does. Nothing in the checkout changes: outputs are never stored in git.

  --out DIR   keep the executed notebooks, as HTML too

NOTEBOOK_STORE  the trace store (default: incendio-data in the checkout)
NOTEBOOK_RUN    a run folder (default: the last run of the store)
Where neither is given and there is no run yet, bin/incendio makes one of the
embedded trace in the throw-away folder.

Needs Go, and python3 with venv. The kernel (gonb) and goimports are built from
notebooks/tools, which pins them; nbconvert comes from PyPI, pinned below. Both
are kept in .venv-parity/notebooks for the next time.
TEXT
}

nbconvert=7.17.2 nbclient=0.11.0 jupyter_client=8.10.0

out=
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out needs a folder}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "execute.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
  esac
  shift
done

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/.venv-parity/notebooks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stage() { printf '%s\n' "notebooks: $*" >&2; }

stage "kernel"
mkdir -p "$tools/bin"
(cd "$root/notebooks/tools" &&
  CGO_ENABLED=0 go build -o "$tools/bin/gonb" github.com/janpfeifer/gonb &&
  CGO_ENABLED=0 go build -o "$tools/bin/goimports" golang.org/x/tools/cmd/goimports)

wanted="nbconvert==$nbconvert nbclient==$nbclient jupyter_client==$jupyter_client"
if [ "$(cat "$tools/installed" 2>/dev/null)" != "$wanted" ]; then
  stage "nbconvert"
  python3 -m venv "$tools/python"
  # shellcheck disable=SC2086 # a list of words
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check $wanted
  printf '%s\n' "$wanted" >"$tools/installed"
fi

export PATH="$tools/bin:$tools/python/bin:$PATH"
export JUPYTER_DATA_DIR=$work/jupyter IPYTHONDIR=$work/ipython KERNEL_LOG=$work/kernel.log
export NOTEBOOK_CHECKOUT=$root
# The kernel's module names the checkout and the pinned versions; with mod=mod, go
# completes its go.mod from those of the modules it names instead of refusing it.
export GOFLAGS=-mod=mod CGO_ENABLED=0
# gonb --install would write this too, but ends with an error where gopls is absent,
# which only completion in an editor needs.
mkdir -p "$JUPYTER_DATA_DIR/kernels/gonb"
cat >"$JUPYTER_DATA_DIR/kernels/gonb/kernel.json" <<JSON
{"argv": ["sh", "-c", "exec gonb --kernel \"\$1\" 2>>\"\$KERNEL_LOG\"", "gonb", "{connection_file}"], "display_name": "Go (gonb)", "language": "go", "interrupt_mode": "message"}
JSON

if [ -z "${NOTEBOOK_STORE:-}" ] && [ -z "${NOTEBOOK_RUN:-}" ] && ! ls "$root"/incendio-data/runs/*/report.json >/dev/null 2>&1; then
  stage "no run yet: making one of the embedded trace"
  [ -x "$root/bin/incendio" ] || { echo "execute.sh: bin/incendio is not there: make build" >&2; exit 1; }
  export NOTEBOOK_STORE=$work/store NOTEBOOK_RUN=$work/run
  status=0
  GOFLAGS='' "$root/bin/incendio" run --store "$NOTEBOOK_STORE" --out "$NOTEBOOK_RUN" >&2 || status=$?
  # 3: some functions fell back; 4: the candidate was refused. Both leave a report.
  case $status in 0 | 3 | 4) ;; *) exit "$status" ;; esac
fi
# The kernel runs in a folder of its own, so the paths must be absolute.
absolute() {
  (cd "$2" 2>/dev/null && pwd) || { echo "execute.sh: $1=$2: not a folder" >&2; exit 1; }
}
NOTEBOOK_STORE=$(absolute NOTEBOOK_STORE "${NOTEBOOK_STORE:-$root/incendio-data}")
export NOTEBOOK_STORE
if [ -n "${NOTEBOOK_RUN:-}" ]; then
  NOTEBOOK_RUN=$(absolute NOTEBOOK_RUN "$NOTEBOOK_RUN")
  export NOTEBOOK_RUN
fi

mkdir "$work/executed"
for notebook in "$root"/notebooks/*.ipynb; do
  name=$(basename "$notebook" .ipynb)
  stage "$name"
  cp "$notebook" "$work/$name.ipynb"
  jupyter nbconvert --log-level WARN --to notebook --execute --ExecutePreprocessor.timeout=600 \
    --output-dir "$work/executed" --output "$name.ipynb" "$work/$name.ipynb" 2>"$work/nbconvert.log" ||
    { cat "$KERNEL_LOG" "$work/nbconvert.log" >&2; echo "execute.sh: $name did not execute" >&2; exit 1; }
  # gonb reports a cell that does not compile or exits non-zero as an error; a cell
  # that should draw and did not is caught here.
  grep -q 'image/svg+xml\|<svg' "$work/executed/$name.ipynb" || { echo "execute.sh: $name drew nothing" >&2; exit 1; }
done
if [ -n "$out" ]; then
  mkdir -p "$out"
  cp "$work"/executed/*.ipynb "$out"
  PYTHONWARNINGS=ignore jupyter nbconvert --log-level WARN --to html "$out"/*.ipynb
fi
stage "done"

#!/usr/bin/env bash
# Measures entrena against its peers: `make bench`, or `bash benchmarks/run.sh [engine|process|features|memory|forms|quality …]`.
# Everything goes into benchmarks/.venv (quality: .venv-quality) and benchmarks/build; the tables into benchmarks/results.
set -euo pipefail
cd "$(dirname "$0")/.."

# `quality` has other peers, and needs neither Keras nor FANN.
if [[ " $* " == *" quality "* && $# -gt 1 ]]; then
    bash "$0" quality
    others=()
    for name in "$@"; do [[ $name = quality ]] || others+=("$name"); done
    [[ ${#others[@]} = 0 ]] || bash "$0" "${others[@]}"
    exit
fi
VENV=benchmarks/.venv
REQUIREMENTS=benchmarks/requirements.txt
if [[ "$*" = quality ]]; then
    VENV=benchmarks/.venv-quality
    REQUIREMENTS=benchmarks/requirements-quality.txt
fi
# river's network needs a pandas before 3, which nothing else here uses.
mkdir -p benchmarks/build
CONSTRAINTS=constraints.txt
if [[ $VENV = benchmarks/.venv ]]; then
    CONSTRAINTS=benchmarks/build/constraints.txt
    grep -v '^pandas==' constraints.txt > "$CONSTRAINTS"
fi
PYTHON="$VENV/bin/python"
STAMP="$VENV/installed"

if [[ ! -x "$PYTHON" ]]; then
    "${PYTHON3:-python3}" -m venv "$VENV"
fi
if [[ ! -f "$STAMP" || pyproject.toml -nt "$STAMP" || constraints.txt -nt "$STAMP" || $REQUIREMENTS -nt "$STAMP" ]]; then
    echo "Installing the peers ($REQUIREMENTS) and entrena …"
    # PyTorch first, alone and pinned: another release brings several GB of CUDA packages.
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$(grep '^torch==' "$REQUIREMENTS")"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check -c "$CONSTRAINTS" -r "$REQUIREMENTS" -e .
    touch "$STAMP"
fi

# The C library FANN, where it can be had; without it its rows are left out.
if [[ $VENV = benchmarks/.venv ]] && ! [[ -f /usr/include/floatfann.h ]] && [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq libfann-dev; } >/dev/null 2>&1 || true
fi
if [[ $VENV = benchmarks/.venv && benchmarks/learners/fann.c -nt benchmarks/build/fann ]]; then
    "${CC:-cc}" -O3 -march=native benchmarks/learners/fann.c -o benchmarks/build/fann -lfloatfann -lm 2>/dev/null ||
        echo "FANN is not available (Debian: apt-get install libfann-dev)"
fi

# Settings of a machine that would slow scikit-learn down.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
for benchmark in "${@:-engine process features memory}"; do
    for name in $benchmark; do
        "$PYTHON" -m "benchmarks.$name"
    done
done

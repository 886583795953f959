#!/usr/bin/env bash
# usage: scripts/test.sh [CTEST_OPTION...]
# Installs what is missing, builds everything and runs every test, for instance
# `scripts/test.sh -R kernels` those of the kernels alone.
# Every operation and model runs on the CPU and on the emulated GPU; where there is nvcc, the kernels are compiled for
# a real one as well, and where there is a GPU, all of it runs there too.
#   EMBER_TEST_ASSETS   a folder with the photos and weights that are too large to be committed
#                       (CONTRIBUTING.md); tests that need them are skipped without it
#   -h                  this text
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/lint.sh --format
# The architectures of the GPUs here; where there is none, one, to see that nvcc takes the kernels.
# (Without a driver nvidia-smi says so on its standard output.)
architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
  grep -xE '[0-9]+\.[0-9]+' | tr -d . | sort -u | paste -sd ';') || true
cmake --preset default --log-level=WARNING -DEMBER_CUDA_ARCHITECTURES="${architectures:-90}"
cmake --build --preset default
# What tests/weights/test_onnx.py runs exported networks in, which is in no Debian package; once for each version.
wanted=tests/weights/requirements.txt
if ! cmp -s $wanted build/python/requirements.txt; then
  {
    /usr/bin/python3 -m venv --system-site-packages build/python &&
      build/python/bin/python -m pip install --disable-pip-version-check --retries 1 --timeout 15 -r $wanted &&
      cp $wanted build/python/requirements.txt
  } >build/python.log 2>&1 ||
    echo "skipped: pip could not get onnxruntime (build/python.log), so no exported network is run in it"
fi
ctest --preset default "$@"

#!/usr/bin/env bash
# usage: scripts/test.sh [CTEST_OPTION...]
# Installs what is missing, builds everything and runs every test, for instance
# `scripts/test.sh -R kernels` those of the kernels alone.
#   EMBER_TEST_ASSETS   a folder with the photos and weights that are too large to be committed
#                       (CONTRIBUTING.md); tests that need them are skipped without it
#   -h                  this text
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/lint.sh --format
cmake --preset default --log-level=WARNING
cmake --build --preset default
ctest --preset default "$@"

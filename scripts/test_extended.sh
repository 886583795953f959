#!/usr/bin/env bash
# usage: scripts/test_extended.sh [SEEDS]
# Looks longer than scripts/test.sh for faults of the kernels, on the emulated GPU: takes every kernel through SEEDS
# orders of blocks and threads (default 2000), runs the tests of operations and models under five other seeds, and
# plants faults in the kernels, each of which the tests must find; and kills a training run at 300 random moments.
#   -h   this text
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
seeds=${1:-2000}
[[ $# -le 1 && $seeds =~ ^[1-9][0-9]*$ ]] || { echo "error: $0: SEEDS is a number from 1 (see -h)" >&2; exit 64; }
cd "$(dirname "$0")/.."

cmake --preset default --log-level=WARNING
cmake --build --preset default --target test_{tensor,data,kernels,nn}_emulated test_apps

# runs FOLDER SEEDS CASES: the cases of a folder's tests; says nothing but what goes wrong, and how to see it again.
runs() {
  local said
  said=$(EMBER_EMULATOR_SEEDS=$2 "build/test_$1_emulated" "$3" 2>&1) && return
  printf '%s\nfailed: EMBER_EMULATOR_SEEDS=%s build/test_%s_emulated "%s"\n' "$said" "$2" "$1" "$3"
  return 1
}
export -f runs

echo "the tests under five other seeds, every kernel in $seeds orders"
{
  for first in 11 21 31 41 51; do
    for folder in nn data kernels tensor; do echo "$folder $first-$((first + 1)) -tce=orders:*"; done
  done
  for ((first = 1; first <= seeds; first += 100)); do
    last=$((first + 99 < seeds ? first + 99 : seeds))
    for folder in kernels data tensor; do echo "$folder $first-$last -tc=orders:*"; done
  done
} | xargs -P "$(nproc)" -L 1 bash -c 'runs "$@"' runs

echo "planted faults"
tests/emulator/mutants.py

echo "a run killed at 300 random moments"
EMBER_KILLS=300 build/test_apps -tc="*killed at random moments*"

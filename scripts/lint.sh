#!/usr/bin/env bash
# usage: scripts/lint.sh [--format] [FILE...]
# Checks the formatting of all sources, then those named (or all .cpp and .cu) with clang-tidy.
#   --format   the formatting only
#   -h         this text
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
cd "$(dirname "$0")/.."

folders=(apps bench data docs kernels nn tensor tests)
version=14  # others lay out some lines differently and find other things

format=clang-format-$version
if command -v $format >/dev/null; then
  find "${folders[@]}" \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
    xargs -0 $format --dry-run -Werror
else
  echo "skipped: the formatting is checked with clang-format $version"
fi
[ "${1:-}" != --format ] || exit 0

scripts/setup.sh --lint
[ -f build/compile_commands.json ] || cmake --preset default --log-level=WARNING
# clang-tidy 14 cannot read the headers of CUDA 13: it sees `.cu` as the emulated build compiles them. Options
# that only GCC knows are left out.
mkdir -p build/lint
python3 - <<'PYTHON'
import json

GCC_ONLY = ("--param=", "-fsanitize=", "-fno-tree-", "-fno-store-merging", "-fno-crossjumping", "-fno-ipa-icf", "-fno-optimize-sibling-calls",
            "-ftrivial-auto-var-init=")
with open("build/compile_commands.json") as file:
    commands = json.load(file)
kept = []
for entry in commands:
    words = entry["command"].split()
    if not any(word.endswith("nvcc") for word in words):
        kept.append(entry | {"command": " ".join(word for word in words if not word.startswith(GCC_ONLY))})
with open("build/lint/compile_commands.json", "w") as file:
    json.dump(kept, file, indent=1)
PYTHON
if [ $# = 0 ]; then
  mapfile -t sources < <(find "${folders[@]}" -name '*.cpp' -o -name '*.cu')
  set -- "${sources[@]}"
fi
# What clang-tidy says on stderr is only how many warnings it left out.
printf '%s\0' "$@" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-$version -p build/lint --quiet 2>/dev/null

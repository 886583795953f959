#!/usr/bin/env bash
# usage: scripts/reproduce.sh [DATA_DIR]
# Runs the mask-detection study: the baseline CNN, then MobileNetV2, frozen and fine-tuned, as the notebook did it;
# the same with photos split before they are balanced; and on faces cut out. Ends with one page that lays all side by
# side, runs/side_by_side.html.
#   DATA_DIR   the public photos (README.md says where they are); without it, drawn faces
#   -h         this text
set -euo pipefail
case "${1:-}" in
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
  -*) echo "error: $0: unknown option $1 (see -h)" >&2; exit 64 ;;
esac
[ $# -le 1 ] || { echo "error: $0: one DATA_DIR at most (see -h)" >&2; exit 64; }
data=()
if [ $# = 1 ]; then
  [ -d "$1" ] || { echo "error: $1: no such folder; README.md says where the photos are" >&2; exit 66; }
  data=(--data-dir "$(realpath "$1")")
fi
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset default --log-level=WARNING
cmake --build --preset default --target train_baseline train_mobilenet compare_runs predict
weights=weights/mobilenet_v2.safetensors
weights/fetch "$weights"

runs=()
# study PROGRAM OPTION...: a run of its own, in the next free folder.
study() {
  local program=$1
  shift
  build/"$program" "$@" "${data[@]}"
  runs+=("$(ls -dt runs/"$program"-* | head -n 1)")
}
notebook=(--finetune --scale unit --weights "$weights")  # the notebook feeds [0, 1]
study train_baseline
study train_mobilenet "${notebook[@]}"
study train_baseline --protocol photos
study train_mobilenet --protocol photos "${notebook[@]}"
study train_baseline --protocol faces --folds 5
study train_mobilenet --protocol faces --folds 5 --finetune --weights "$weights"

build/compare_runs "${runs[@]}" --output runs/side_by_side.html
echo
echo "The protocols side by side: runs/side_by_side.html"

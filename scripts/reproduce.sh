#!/usr/bin/env bash
# usage: scripts/reproduce.sh [DATA_DIR]
# Runs the mask-detection study: the baseline CNN, then MobileNetV2, frozen and fine-tuned.
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
cmake --build --preset default --target train_baseline train_mobilenet predict
weights=weights/mobilenet_v2.safetensors
weights/fetch "$weights"

build/train_baseline "${data[@]}"
build/train_mobilenet --finetune --scale unit --weights "$weights" "${data[@]}"  # the notebook feeds [0, 1]

echo
for app in train_baseline train_mobilenet; do
  folder=$(ls -dt runs/$app-* | head -n 1)
  python3 - "$folder" <<'PYTHON'
import json
import sys

folder = sys.argv[1]
with open(f"{folder}/report.json") as file:
    report = json.load(file)
print(f"{folder}: test accuracy {report['test']['accuracy']:.3f}, "
      f"balanced {report['test']['balanced_accuracy']:.3f}, loss {report['test']['loss']:.3f}, "
      f"{report['seconds']:.0f} s")
PYTHON
done

#!/usr/bin/env bash
# usage: scripts/gpu_acceptance.sh [FOLDER]
# What a machine with an NVIDIA GPU can say about Ember: builds for its architecture, runs the whole
# suite on the card, compute-sanitizer over the kernels' tests, the benchmarks, Ember's kernels beside
# cuDNN's, the study on drawn faces, and PyTorch's steps where PyTorch is installed. Goes on after a
# failure; ends with a table.
#   FOLDER    where the report goes (default gpu-report), empty or new
#   BUILD     the build folder (default build-gpu)
#   PYTHON    the Python that may have PyTorch (default python3)
#   -h        this text
set -uo pipefail
case "${1:-}" in
  -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
  -*) echo "error: $0: unknown option $1 (see -h)" >&2; exit 64 ;;
esac
[ $# -le 1 ] || { echo "error: $0: one FOLDER at most (see -h)" >&2; exit 64; }
report=$(realpath -m "${1:-gpu-report}")
cd "$(dirname "$0")/.."
build=${BUILD:-build-gpu}
python=${PYTHON:-python3}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
  echo "error: $0: no NVIDIA GPU here (nvidia-smi finds none); the emulated card is tested by scripts/test.sh" >&2
  exit 69
fi
if [ -n "$(ls -A "$report" 2>/dev/null)" ]; then
  echo "error: $0: $report is not empty; name another FOLDER" >&2
  exit 73
fi
mkdir -p "$report" || exit 73

failed=0
summary=$report/summary.txt
nvidia-smi --query-gpu=name,compute_cap,memory.total,driver_version --format=csv,noheader |
  tee "$summary" "$report/machine.txt"

# step NAME COMMAND...: runs it with its output in NAME.log, and notes how it went and how long it took.
step() {
  local name=$1 begin=$SECONDS verdict=passed
  shift
  if ! "$@" >"$report/$name.log" 2>&1; then
    verdict=FAILED
    failed=1
  fi
  printf '%-24s %-8s %5d s\n' "$name" "$verdict" $((SECONDS - begin)) | tee -a "$summary"
}
skip() { printf '%-24s skipped: %s\n' "$1" "$2" | tee -a "$summary"; }

architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d . | sort -u | paste -sd ';')
step configure cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DEMBER_CUDA_ARCHITECTURES="$architectures"
step build cmake --build "$build"
step devices "$build/devices"

# The tests of operations and models take the card beside the CPU, whole numbers bit for bit, as on the emulated one.
export EMBER_TEST_REQUIRE_GPU=1
step suite ctest --test-dir "$build" --output-on-failure

if command -v compute-sanitizer >/dev/null; then
  # Every kernel at small shapes: the tests at the models' would take hours.
  for tool in memcheck racecheck initcheck synccheck; do
    for folder in tensor data kernels; do
      step "${tool}_$folder" compute-sanitizer --tool "$tool" --error-exitcode 1 \
        "$build/test_$folder" -tc="orders:*"
    done
  done
else
  skip compute-sanitizer "not installed (it comes with the CUDA Toolkit)"
fi

step bench_kernels "$build/bench_kernels" --benchmark_out="$report/bench_kernels.json" \
  --benchmark_out_format=json
step own_beside_cudnn "$python" bench/peers/kernels.py "$report/bench_kernels.json"
step bench_steps "$build/bench_steps" --benchmark_out="$report/bench_steps.json" \
  --benchmark_out_format=json

step train_baseline "$build/train_baseline" --device cuda --output-dir "$report/train_baseline"
weights=weights/mobilenet_v2.safetensors
step weights weights/fetch "$weights"
step train_mobilenet "$build/train_mobilenet" --finetune --scale unit --weights "$weights" \
  --device cuda --output-dir "$report/train_mobilenet"

if "$python" -c 'import torch, torchvision; assert torch.cuda.is_available()' 2>/dev/null; then
  for layout in nchw nhwc; do
    step "pytorch_$layout" "$python" bench/peers/torch_steps.py frozen_forward frozen_step \
      finetune_step baseline_step --layout "$layout" --device cuda
  done
else
  skip pytorch "$python has no PyTorch that sees the GPU"
fi

echo "The report is in $report"
exit $failed

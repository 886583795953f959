"""Whole training steps, Ember against PyTorch in one sitting.

usage: compare.py --python PYTHON [--build DIR] [--rounds N] [--threads N] [--output FILE.json]

Runs build/bench_steps and torch_steps.py (with PYTHON, an interpreter that has torch and torchvision; see
requirements.txt) in turn, PyTorch in each of its configurations, and prints for each step the median of the rounds
and the ratio Ember / best PyTorch. On a shared machine only the ratios mean much.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

STEPS = ["frozen_forward", "frozen_step", "finetune_step", "baseline_step"]
CONFIGURATIONS = {
    "eager nchw": ["--layout", "nchw"],
    "eager nhwc": ["--layout", "nhwc"],
    "compiled nchw": ["--layout", "nchw", "--compile"],
    "compiled nhwc": ["--layout", "nhwc", "--compile"],
}
HERE = pathlib.Path(__file__).resolve().parent


def ember(build: pathlib.Path, threads: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of each step."""
    run = subprocess.run(
        [build / "bench_steps", "--benchmark_filter=/cpu", "--benchmark_format=json", f"--benchmark_min_time={seconds / 5}",
         "--benchmark_repetitions=5"],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)}, capture_output=True, text=True, check=True)
    return {row["run_name"].split("/")[0]: row["real_time"]
            for row in json.loads(run.stdout)["benchmarks"] if row.get("aggregate_name") == "median"}


def pytorch(python: str, options: list[str], threads: int, seconds: float) -> dict[str, float]:
    run = subprocess.run([python, HERE / "torch_steps.py", *STEPS, *options, "--threads", str(threads),
                          "--seconds", str(seconds)], capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{' '.join(options)}: {run.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(run.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent.parent / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3, help="for each step, each round")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()

    times: dict[str, dict[str, list[float]]] = {step: {} for step in STEPS}
    for _ in range(options.rounds):
        for name in ["Ember", *CONFIGURATIONS]:
            result = (ember(options.build, options.threads, options.seconds) if name == "Ember"
                      else pytorch(options.python, CONFIGURATIONS[name], options.threads, options.seconds))
            for step, milliseconds in result.items():
                times[step].setdefault(name, []).append(milliseconds)

    medians = {step: {name: statistics.median(runs) for name, runs in by_name.items()}
               for step, by_name in times.items()}
    print(f"{platform.processor() or platform.machine()}, {options.threads} threads, median of {options.rounds} rounds, ms")
    print(f"{'step':<16}{'Ember':>10}" + "".join(f"{name:>15}" for name in CONFIGURATIONS) + f"{'ratio':>8}")
    for step, by_name in medians.items():
        peers = [by_name[name] for name in CONFIGURATIONS if name in by_name]
        cells = "".join(f"{by_name[name]:>15.1f}" if name in by_name else f"{'-':>15}" for name in CONFIGURATIONS)
        ratio = f"{by_name['Ember'] / min(peers):>8.2f}" if peers else f"{'-':>8}"
        print(f"{step:<16}{by_name['Ember']:>10.1f}{cells}{ratio}")
    if options.output:
        options.output.write_text(json.dumps(medians, indent=1) + "\n")


if __name__ == "__main__":
    main()

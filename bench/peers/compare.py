"""Whole training steps, Ember beside its peers in one sitting.

usage: compare.py [--build DIR] [--rounds N] [--threads N] [--seconds S] [--output FILE.json]

Makes a virtual environment with the peers (requirements.txt) in build/peers, unless it is there or --python names an
interpreter that has them. Then runs build/bench_steps and each peer in each of its configurations in turn: PyTorch
eager and compiled, in both layouts, and for the forward pass ONNX Runtime and OpenVINO. Prints for each step the median
of the rounds and the ratio Ember / best peer. On a shared machine only the ratios mean much.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import venv

STEPS = ["frozen_forward", "frozen_step", "finetune_step", "baseline_step"]
HERE = pathlib.Path(__file__).resolve().parent
# name: script and its arguments
PEERS = {
    "eager nchw": ["torch_steps.py", *STEPS, "--layout", "nchw"],
    "eager nhwc": ["torch_steps.py", *STEPS, "--layout", "nhwc"],
    "compiled nchw": ["torch_steps.py", *STEPS, "--layout", "nchw", "--compile"],
    "compiled nhwc": ["torch_steps.py", *STEPS, "--layout", "nhwc", "--compile"],
    "ONNX Runtime": ["runtime_steps.py", "onnxruntime"],
    "OpenVINO": ["runtime_steps.py", "openvino"],
}


def make_environment(folder: pathlib.Path) -> str:
    """The interpreter of an environment that has the peers."""
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        print(f"installing the peers into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        done.touch()
    return str(python)


def ember(build: pathlib.Path, threads: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of each step."""
    run = subprocess.run(
        [build / "bench_steps", "--benchmark_filter=/cpu", "--benchmark_format=json", f"--benchmark_min_time={seconds / 5}",
         "--benchmark_repetitions=5"],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)}, capture_output=True, text=True, check=True)
    return {row["run_name"].split("/")[0]: row["real_time"]
            for row in json.loads(run.stdout)["benchmarks"] if row.get("aggregate_name") == "median"}


def peer(python: str, name: str, threads: int, seconds: float) -> dict[str, float]:
    script, *arguments = PEERS[name]
    run = subprocess.run([python, HERE / script, *arguments, "--threads", str(threads), "--seconds", str(seconds)],
                         capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{name}: {run.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(run.stdout.splitlines()[-1])


def processor() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines()
             if line.startswith("model name")] if cpuinfo.exists() else []
    return names[0] if names else platform.machine()


def table(medians: dict[str, dict[str, float]]) -> str:
    lines = [f"{'':<16}" + "".join(f"{step:>16}" for step in STEPS)]
    for name in ["Ember", *PEERS]:
        cells = "".join(f"{medians[step][name]:>16.1f}" if name in medians[step] else f"{'-':>16}" for step in STEPS)
        lines.append(f"{name:<16}{cells}")
    ratios = []
    for step in STEPS:
        best = min((ms for name, ms in medians[step].items() if name != "Ember"), default=None)
        ratios.append(f"{medians[step]['Ember'] / best:>16.2f}" if best else f"{'-':>16}")
    lines.append(f"{'Ember / best':<16}" + "".join(ratios))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="an interpreter that has what requirements.txt lists")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent.parent / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3, help="for each step, each round")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    python = options.python or make_environment(options.build / "peers")

    times: dict[str, dict[str, list[float]]] = {step: {} for step in STEPS}
    for number in range(options.rounds):
        for name in ["Ember", *PEERS]:
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            result = (ember(options.build, options.threads, options.seconds) if name == "Ember"
                      else peer(python, name, options.threads, options.seconds))
            for step, milliseconds in result.items():
                times[step].setdefault(name, []).append(milliseconds)

    medians = {step: {name: statistics.median(runs) for name, runs in by_name.items()}
               for step, by_name in times.items()}
    print(f"{processor()}, {options.threads} threads, batch 32, 128x128, float32: ms, median of {options.rounds} rounds")
    print(table(medians))
    if options.output:
        options.output.write_text(json.dumps(medians, indent=1) + "\n")


if __name__ == "__main__":
    main()

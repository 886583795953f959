"""Whole training steps and the augmentation of a batch, Ember beside its peers in one sitting.

usage: compare.py [--steps STEP,...] [--peers WORD,...] [--build DIR] [--rounds N] [--threads N] [--seconds S]
                  [--output FILE.json]

Makes a virtual environment with the peers (requirements.txt) in build/peers, unless it is there or --python names an
interpreter that has them. Then runs build/bench_steps and each peer in each of its configurations in turn: PyTorch
eager and compiled, in both layouts, with the C library's allocator and, where libjemalloc.so.2 is installed, with
jemalloc; Keras on TensorFlow; for the forward pass ONNX Runtime and OpenVINO. Augmentation is timed on one core, and
that of Keras alone beside it. Prints the machine's peaks as Ember measures them and, for each step, the median of the
rounds and the ratio Ember / best peer. --steps takes some of the steps, --peers the peers that have one of the words in
their names. On a shared machine only the ratios mean much.
"""

import argparse
import ctypes.util
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import venv

STEPS = ["frozen_forward", "frozen_step", "finetune_step", "baseline_step", "augmentation"]
HERE = pathlib.Path(__file__).resolve().parent
JEMALLOC = ctypes.util.find_library("jemalloc")
# As PyTorch's performance guide has it: memory that was touched once is kept.
JEMALLOC_OPTIONS = ("oversize_threshold:1,background_thread:true,metadata_thp:auto,"
                    "dirty_decay_ms:9000000000,muzzy_decay_ms:9000000000")


@dataclasses.dataclass
class Peer:
    script: str
    arguments: list[str]
    preload: str | None = None


def all_peers(steps: list[str]) -> dict[str, Peer]:
    peers = {}
    models = [step for step in steps if step != "augmentation"]
    for mode, compiled in {"eager": [], "compiled": ["--compile"]}.items():
        for layout in ["nchw", "nhwc"]:
            if not models:
                continue
            arguments = [*models, "--layout", layout, *compiled]
            peers[f"{mode} {layout}"] = Peer("torch_steps.py", arguments)
            if JEMALLOC:
                peers[f"{mode} {layout} je"] = Peer("torch_steps.py", arguments, JEMALLOC)
    if models:
        peers["Keras"] = Peer("keras_steps.py", models)
    if "augmentation" in steps:
        peers["Keras's generator"] = Peer("keras_steps.py", ["augmentation"])
    if "frozen_forward" in steps:
        peers["ONNX Runtime"] = Peer("runtime_steps.py", ["onnxruntime"])
        peers["OpenVINO"] = Peer("runtime_steps.py", ["openvino"])
    return peers


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


def ember(build: pathlib.Path, steps: list[str], threads: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of each step."""
    def rows(program: str, names: list[str], cores: int) -> dict[str, dict]:
        run = subprocess.run(
            [build / program, f"--benchmark_filter=({'|'.join(names)})/cpu", "--benchmark_format=json",
             f"--benchmark_min_time={seconds}"],
            env=os.environ | {"OMP_NUM_THREADS": str(cores)}, capture_output=True, text=True, check=True)
        return {row["name"].split("/")[0]: row for row in json.loads(run.stdout)["benchmarks"]}

    models = [step for step in steps if step != "augmentation"]
    times = {}
    if models:
        times |= {name: row["median_ms"] for name, row in rows("bench_steps", models, threads).items()}
    if "augmentation" in steps:
        row = rows("bench_kernels", ["warp_batch"], 1)["warp_batch"]
        times["augmentation"] = row["real_time"] * {"ms": 1, "us": 1e-3, "ns": 1e-6}[row["time_unit"]]
    return times


def measure(python: str, name: str, configuration: Peer, threads: int, seconds: float) -> dict[str, float]:
    environment = dict(os.environ)
    if configuration.preload:
        environment |= {"LD_PRELOAD": configuration.preload, "MALLOC_CONF": JEMALLOC_OPTIONS}
    if "augmentation" in configuration.arguments:
        threads = 1
    run = subprocess.run([python, HERE / configuration.script, *configuration.arguments, "--threads", str(threads),
                          "--seconds", str(seconds)], env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        print(f"{name}: {run.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return json.loads(run.stdout.splitlines()[-1])


def processor() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines()
             if line.startswith("model name")] if cpuinfo.exists() else []
    return names[0] if names else platform.machine()


def peaks(build: pathlib.Path) -> str:
    """What bench_layers says of the machine before its table."""
    run = subprocess.run([build / "bench_layers", "--seconds", "0"], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


def table(medians: dict[str, dict[str, float]]) -> str:
    steps = list(medians)
    lines = [f"{'':<18}" + "".join(f"{step:>16}" for step in steps)]
    for name in dict.fromkeys(name for by_name in medians.values() for name in by_name):
        cells = "".join(f"{medians[step][name]:>16.1f}" if name in medians[step] else f"{'-':>16}" for step in steps)
        lines.append(f"{name:<18}{cells}")
    ratios = []
    for step in steps:
        best = min((ms for name, ms in medians[step].items() if name != "Ember"), default=None)
        ratios.append(f"{medians[step]['Ember'] / best:>16.2f}" if best else f"{'-':>16}")
    lines.append(f"{'Ember / best':<18}" + "".join(ratios))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default=",".join(STEPS), help="some of them, with commas between")
    parser.add_argument("--peers", default="", help="words of the peers' names, with commas between")
    parser.add_argument("--python", help="an interpreter that has what requirements.txt lists")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent.parent / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3, help="for each step, each round")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    python = options.python or make_environment(options.build / "peers")

    steps = options.steps.split(",")
    if unknown := set(steps) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    peers = {name: configuration for name, configuration in all_peers(steps).items()
             if any(word in name for word in options.peers.split(","))}

    times: dict[str, dict[str, list[float]]] = {step: {} for step in steps}
    for number in range(options.rounds):
        for name in ["Ember", *peers]:
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            result = (ember(options.build, steps, options.threads, options.seconds) if name == "Ember"
                      else measure(python, name, peers[name], options.threads, options.seconds))
            for step, milliseconds in result.items():
                times[step].setdefault(name, []).append(milliseconds)

    medians = {step: {name: statistics.median(runs) for name, runs in by_name.items()}
               for step, by_name in times.items()}
    print(f"{processor()}, {options.threads} threads, batch 32, 128x128, float32: ms, median of {options.rounds} rounds")
    print(peaks(options.build))
    print(table(medians))
    if options.output:
        options.output.write_text(json.dumps(medians, indent=1) + "\n")


if __name__ == "__main__":
    main()

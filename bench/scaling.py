"""How a step's time and memory grow with the batch, the photos' size, MobileNetV2's width and the threads.

usage: scaling.py [--build DIR] [--seconds S]

Changes one at a time of batch 32, 128x128, width 1 and all threads, each in a process of its own, and prints tables in
Markdown: milliseconds a step and the process's peak of resident memory.
"""

import argparse
import json
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
STEPS = {"frozen_forward": "forward, base frozen", "finetune_step": "fine-tuning step", "baseline_step": "baseline step"}
AXES = {
    "batch": [1, 2, 4, 8, 16, 32, 64, 128],
    "image-size": [96, 128, 160, 192, 224],
    "width": [0.35, 0.5, 0.75, 1.0, 1.3],
    "threads": sorted({1, 2, 4, 8, 16, os.cpu_count()} & set(range(1, os.cpu_count() + 1))),
}


def measure(build: pathlib.Path, step: str, axis: str, value, seconds: float) -> tuple[float, float]:
    """Median milliseconds and peak megabytes."""
    environment = dict(os.environ)
    arguments = [build / "bench_steps", f"--benchmark_filter=^{step}/cpu", "--benchmark_format=json",
                 f"--benchmark_min_time={seconds / 3}", "--benchmark_repetitions=3"]
    if axis == "threads":
        environment["OMP_NUM_THREADS"] = str(value)
    else:
        arguments.append(f"--{axis}={value}")
    run = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    rows = json.loads(run.stdout)["benchmarks"]
    median = next(row for row in rows if row.get("aggregate_name") == "median")
    return median["median_ms"], max(row["peak_MB"] for row in rows if "aggregate_name" not in row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each figure")
    options = parser.parse_args()
    for axis, values in AXES.items():
        steps = {step: title for step, title in STEPS.items() if axis != "width" or step != "baseline_step"}
        print(f"| {axis} | " + " | ".join(f"{title}: ms | MB" for title in steps.values()) + " |")
        print("| ---: |" + " ---: | ---: |" * len(steps))
        for value in values:
            cells = [measure(options.build, step, axis, value, options.seconds) for step in steps]
            print(f"| {value} | " + " | ".join(f"{ms:.1f} | {mb:.0f}" for ms, mb in cells) + " |", flush=True)
        print()


if __name__ == "__main__":
    main()

"""Ember's kernels beside the naive ones and cuDNN's.

usage: kernels.py FILE.json

FILE.json is what `build/bench_kernels --benchmark_out=FILE.json` wrote on a machine with a GPU. Prints the fastest
call's microseconds of each case that more than one kernel has computed, cuDNN's over Ember's, and what Ember's moves in
per cent of the GPU's copy bandwidth; then, for each operation, the sum over all layers of a model.
"""

import argparse
import json
import re
import sys
from collections import defaultdict

KERNELS = ["naive", "cudnn", "own"]


def read(file: str) -> dict[str, dict[str, dict]]:
    """Rows by "operation/case" and kernels; those of the CPU and those that were skipped are left out."""
    cases: dict[str, dict[str, dict]] = defaultdict(dict)
    with open(file, encoding="utf-8") as stream:
        for row in json.load(stream)["benchmarks"]:
            operation, device, kernels, *case = row["name"].removesuffix("/manual_time").split("/")
            if device != "cpu" and not row.get("error_occurred"):
                cases["/".join([operation, *case])][kernels] = row
    return cases


def layers(row: dict) -> int:
    """How many layers of its model a case stands for."""
    found = re.search(r", (\d+) layers$", row.get("label", ""))
    return int(found[1]) if found else 1


def line(name: str, times: dict[str, float], copy: str) -> str:
    cells = [f"{times[kernels]:>11.1f}" if kernels in times else f"{'-':>11}" for kernels in KERNELS]
    ratio = f"{times['cudnn'] / times['own']:.2f}" if "cudnn" in times else "-"
    return f"{name:<72}{''.join(cells)}{ratio:>11}{copy:>7}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE.json")
    cases = {name: rows for name, rows in read(parser.parse_args().file).items() if len(rows) > 1 and "own" in rows}
    if not cases:
        print("error: no case was computed by more than one kernel: was it run on a GPU?", file=sys.stderr)
        return 65
    print(f"{'microseconds':<72}{''.join(f'{kernels:>11}' for kernels in KERNELS)}{'cudnn/own':>11}{'copy%':>7}")
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, rows in cases.items():
        times = {kernels: row["fastest"] for kernels, row in rows.items()}
        print(line(name, times, f"{rows['own']['copy%']:.0f}"))
        if {"own", "cudnn"} <= times.keys():
            operation, model = name.split("/")[:2]
            total = f"{operation}, all of {model}{', bare' if name.endswith('/bare') else ''}"
            for kernels in ("own", "cudnn"):
                sums[total][kernels] += layers(rows["own"]) * times[kernels]
    print()
    for name, times in sums.items():
        print(line(name, times, ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())

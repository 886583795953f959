#!/usr/bin/env python3
"""usage: tests/emulator/mutants.py [NAME_PART...]

Plants one fault after another in Ember's own kernels, builds the emulated tests with it and expects
them to find it: a barrier or a fence removed, a guard forgotten, a mask or an index wrong. Needs a build
in build/ (cmake --preset default && ninja -C build test_kernels_emulated); changes no source. Part of
the extended run: each fault is one compilation and one link.
"""
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
RACE = "data race on (global memory|shared array|dynamic shared memory)"
UNWRITTEN = "never written"
BOUNDS = "out of bounds"
WRONG = "is NOT correct"  # no report: the result is wrong


class Mutant(NamedTuple):
    file: str  # where the fault is
    unit: str  # the .cu that is compiled with it
    cases: str  # the tests that meet it
    before: str
    after: str
    found: str  # what the tests say


REDUCTION = "kernels/cuda/reduction.cuh"
GEMM = "kernels/cuda/gemm.cuh"
DIRECT = "kernels/cuda/direct_convolution.cuh"
MUTANTS = {
    "missing fence": Mutant(
        REDUCTION, "batch_norm", "*adds up blocks*", "  __threadfence();\n", "", RACE),
    "missing barrier before the counter": Mutant(
        REDUCTION, "batch_norm", "*adds up blocks*", "  __threadfence();\n  __syncthreads();\n",
        "  __threadfence();\n", RACE),
    "only one thread knows that the block is the last": Mutant(
        REDUCTION, "batch_norm", "*adds up blocks*", "__syncthreads_or(last) != 0", "last",
        f"{RACE}|divergent barrier|deadlock|{UNWRITTEN}|{WRONG}"),
    "counter not set back": Mutant(
        REDUCTION, "batch_norm", "*adds up blocks*", "atomicInc(counter, blocks - 1)",
        "atomicInc(counter, 0xffffffffu)", f"{WRONG}|{UNWRITTEN}"),
    "missing barrier in a tree of rows": Mutant(
        REDUCTION, "global_average_pool", "orders: pooling*", "    __syncthreads();\n    rows = kept;",
        "    rows = kept;", f"{RACE}|{UNWRITTEN}"),
    "a tree of rows reaches one cell too far": Mutant(
        REDUCTION, "global_average_pool", "global_average_pool*", "i < (rows - kept) * count",
        "i <= (rows - kept) * count", f"{RACE}|{UNWRITTEN}|{BOUNDS}"),
    "missing barrier before the first tile": Mutant(
        GEMM, "matmul", "orders: matrix*", "    __syncthreads();\n    int current = 0;",
        "    int current = 0;", f"{RACE}|{UNWRITTEN}"),
    "missing barrier between the tiles": Mutant(
        GEMM, "matmul", "orders: matrix*", "      }\n      __syncthreads();\n    }\n  }\n\n  /// Hands",
        "      }\n    }\n  }\n\n  /// Hands", f"{RACE}|{UNWRITTEN}"),
    "patches read before the window is there": Mutant(
        "kernels/conv2d.cu", "conv2d", "orders: convolutions of photos", "  }\n  __syncthreads();\n", "  }\n",
        f"{RACE}|{UNWRITTEN}"),
    "window filled again too early": Mutant(
        "kernels/conv2d_wgrad.cu", "conv2d_wgrad", "orders: convolutions of photos",
        "    __syncthreads();\n  }\n\n  // (kWarps", "  }\n\n  // (kWarps", RACE),
    "window of the row before": Mutant(
        DIRECT, "conv2d", "conv2d_forward is exact*", "from >= 0 && from", "from", f"{BOUNDS}|{WRONG}"),
    "missing barrier of the row window": Mutant(
        "kernels/cuda/depthwise.cuh", "depthwise_conv2d", "orders: depthwise*",
        "    __syncthreads();\n    return inside", "    return inside", f"{RACE}|{UNWRITTEN}"),
    "weights read before they are all there": Mutant(
        "kernels/depthwise_conv2d.cu", "depthwise_conv2d", "orders: depthwise*",
        "  }\n  __syncthreads();\n#pragma unroll", "  }\n#pragma unroll", f"{RACE}|{UNWRITTEN}"),
    "shared memory used again too early": Mutant(
        "kernels/depthwise_conv2d_wgrad.cu", "depthwise_conv2d_wgrad", "orders: depthwise*",
        "  }\n  __syncthreads();\n#pragma unroll", "  }\n#pragma unroll", RACE),
    "missing guard in add": Mutant(
        "kernels/add.cu", "add", "add sums*", "  if (walk.channel >= channels) return;\n", "",
        f"{BOUNDS}|{RACE}"),
    "missing guard in materialize": Mutant(
        "kernels/pending.cu", "pending", "materialize applies*",
        "  if (walk.channel >= channels) return;\n  const ChannelPending<",
        "  const ChannelPending<", f"{BOUNDS}|{RACE}"),
    "guard off by one in the loss": Mutant(
        "kernels/softmax_cross_entropy.cu", "softmax_cross_entropy", "softmax_cross_entropy equals*",
        "if (n >= rows) return;", "if (n > rows) return;", BOUNDS),
    "guard off by one in the loss's gradient": Mutant(
        "kernels/softmax_cross_entropy.cu", "softmax_cross_entropy", "softmax_cross_entropy equals*",
        "if (i >= rows * classes) return;", "if (i > rows * classes) return;", BOUNDS),
    "wrong mask": Mutant(
        REDUCTION, "softmax_cross_entropy", "softmax_cross_entropy equals*",
        "value += __shfl_xor_sync(kWholeWarp,", "value += __shfl_xor_sync(kWholeWarp >> 1,", "wrong mask"),
    "a warp's sum without its last step": Mutant(
        REDUCTION, "softmax_cross_entropy", "softmax_cross_entropy equals*",
        "T warp_sum(T value) {\n  for (unsigned reach = kWarpSize / 2; reach > 0",
        "T warp_sum(T value) {\n  for (unsigned reach = kWarpSize / 2; reach > 1", WRONG),
    "tail one too long in Adam": Mutant(
        "kernels/adam.cu", "adam", "adam follows*", "i < chunk.size; i += kThreads",
        "i <= chunk.size; i += kThreads", f"{BOUNDS}|{UNWRITTEN}|{RACE}"),
    "whole vectors beyond the tail in Adam": Mutant(
        "kernels/adam.cu", "adam", "adam follows*", "chunk.size / 4 * 4", "(chunk.size + 3) / 4 * 4",
        f"{BOUNDS}|{UNWRITTEN}|{RACE}"),
}


def build_commands():
    """The command that compiles each source of the test, and the one that links it."""
    lines = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "test_kernels_emulated"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if " -c " in line], lines[-1]


def run(name, mutant, compilations, link):
    """What the tests said, or why there is no fault to find."""
    source = (ROOT / mutant.file).read_text()
    if source.count(mutant.before) != 1:
        return f"error: {mutant.file} holds {source.count(mutant.before)} times: {mutant.before!r}"
    overlay = BUILD / "mutants" / re.sub(r"\W+", "_", name)
    changed = overlay / mutant.file
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text(source.replace(mutant.before, mutant.after))

    unit = ROOT / f"kernels/{mutant.unit}.cu"
    compile_it = next(c for c in compilations if c.endswith(f"-c {unit}") and "emulator/include" in c)
    original = re.search(r"-o (\S+)", compile_it)[1]
    object_file = overlay / "unit.o"
    mutated_unit = changed if changed.suffix == ".cu" else unit
    compile_it = compile_it.replace(f" -I{ROOT} ", f" -I{overlay} -I{ROOT} ")
    compile_it = re.sub(r"-o \S+", f"-o {object_file}", compile_it.replace(f"-c {unit}", f"-c {mutated_unit}"))
    compile_it = re.sub(r"-M[TF] \S+|-MD", "", compile_it)
    test = overlay / "test"
    # First of all objects, so that its copy of an inline function is the one that is linked.
    link_it = link.replace(f" {original}", "").replace("/c++ ", f"/c++ {object_file} ", 1)
    link_it = link_it.replace("-o test_kernels_emulated", f"-o {test}")
    for command in (compile_it, link_it):
        subprocess.run(command, shell=True, cwd=BUILD, check=True)
    done = subprocess.run([test, f"-tc={mutant.cases}"], capture_output=True, text=True, timeout=300)
    test.unlink()
    found = re.search(mutant.found, done.stdout)
    if done.returncode == 0 or not found:
        return "error: not found\n" + done.stdout[-2000:]
    line = done.stdout[done.stdout.rfind("\n", 0, found.start()) + 1:]
    return line.splitlines()[0].strip()


def main():
    compilations, link = build_commands()
    failed = 0
    for name, mutant in MUTANTS.items():
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        said = run(name, mutant, compilations, link)
        failed += said.startswith("error")
        print(f"{name}: {said}", flush=True)
    print(f"{failed} of {len(MUTANTS)} faults were not found" if failed else "every fault was found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""usage: tests/emulator/mutants.py [NAME_PART...]

Plants faults in Ember's own kernels, one in each build of the emulated tests, and expects them to find it:
a barrier or a fence removed, a guard forgotten, a mask or an index wrong. Needs a build in build/ of
test_{tensor,data,kernels}_emulated; changes no source. Each fault is one compilation and one link.
scripts/test_extended.sh plants them all.
"""
import functools
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
    cases: str  # the tests that meet it
    before: str
    after: str
    found: str  # what the tests say
    unit: str = ""  # where `file` is a header: the .cu that is compiled with it


REDUCTION = "kernels/cuda/reduction.cuh"
GEMM = "kernels/cuda/gemm.cuh"
DIRECT = "kernels/cuda/direct_convolution.cuh"
MUTANTS = {
    "missing fence": Mutant(
        REDUCTION, "orders: sums*", "    __threadfence();  // of", "    // of", RACE,
        "kernels/batch_norm.cu"),
    "missing barrier before the counter": Mutant(
        REDUCTION, "orders: sums*", "  __syncthreads();\n  bool last", "  bool last", RACE,
        "kernels/batch_norm.cu"),
    "only one thread knows that the block is the last": Mutant(
        REDUCTION, "orders: sums*", "__syncthreads_or(last) != 0", "last",
        f"{RACE}|divergent barrier|deadlock|{UNWRITTEN}|{WRONG}", "kernels/batch_norm.cu"),
    "counter not set back": Mutant(
        REDUCTION, "orders: sums*", "atomicInc(counter, blocks - 1)",
        "atomicInc(counter, 0xffffffffu)", f"{RACE}|{WRONG}|{UNWRITTEN}", "kernels/batch_norm.cu"),
    "missing barrier in a tree of rows": Mutant(
        REDUCTION, "orders: pooling*", "    __syncthreads();\n    rows = kept;",
        "    rows = kept;", f"{RACE}|{UNWRITTEN}", "kernels/global_average_pool.cu"),
    "a tree of rows reaches one cell too far": Mutant(
        REDUCTION, "global_average_pool*", "i < (rows - kept) * count",
        "i <= (rows - kept) * count", f"{RACE}|{UNWRITTEN}|{BOUNDS}", "kernels/global_average_pool.cu"),
    "missing barrier before the first tile": Mutant(
        GEMM, "orders: matrix*", "    __syncthreads();\n    int current = 0;",
        "    int current = 0;", f"{RACE}|{UNWRITTEN}", "kernels/matmul.cu"),
    "missing barrier between the tiles": Mutant(
        GEMM, "orders: matrix*", "LoaderA::kFloats);\n      __syncthreads();\n    }\n    multiply_step",
        "LoaderA::kFloats);\n    }\n    multiply_step", f"{RACE}|{UNWRITTEN}", "kernels/matmul.cu"),
    "patches read before the window is there": Mutant(
        "kernels/conv2d.cu", "orders: convolutions of photos", "  }\n  __syncthreads();\n", "  }\n",
        f"{RACE}|{UNWRITTEN}"),
    "window filled again too early": Mutant(
        "kernels/conv2d_wgrad.cu", "orders: convolutions of photos",
        "    __syncthreads();\n  }\n\n  // (kWarps", "  }\n\n  // (kWarps", RACE),
    "window of the row before": Mutant(
        DIRECT, "conv2d_forward is exact*", "from >= 0 && from", "from", f"{BOUNDS}|{WRONG}", "kernels/conv2d.cu"),
    "missing barrier of the row window": Mutant(
        "kernels/cuda/depthwise.cuh", "orders: depthwise*",
        "    __syncthreads();\n    return inside", "    return inside", f"{RACE}|{UNWRITTEN}",
        "kernels/depthwise_conv2d.cu"),
    "weights read before they are all there": Mutant(
        "kernels/depthwise_conv2d.cu", "orders: depthwise*",
        "  }\n  __syncthreads();\n#pragma unroll", "  }\n#pragma unroll", f"{RACE}|{UNWRITTEN}"),
    "shared memory used again too early": Mutant(
        "kernels/depthwise_conv2d_wgrad.cu", "orders: depthwise*",
        "  }\n  __syncthreads();\n#pragma unroll", "  }\n#pragma unroll", RACE),
    "missing guard in add": Mutant(
        "kernels/add.cu", "add sums*", "  if (walk.channel >= channels) return;\n", "",
        f"{BOUNDS}|{RACE}"),
    "missing guard in materialize": Mutant(
        "kernels/pending.cu", "materialize applies*",
        "  if (walk.channel >= channels) return;\n  const ChannelPending<",
        "  const ChannelPending<", f"{BOUNDS}|{RACE}"),
    "guard off by one in the loss": Mutant(
        "kernels/softmax_cross_entropy.cu", "softmax_cross_entropy equals*",
        "inside = n < rows;", "inside = n <= rows;", f"{BOUNDS}|{RACE}"),
    "guard off by one in the loss's gradient": Mutant(
        "kernels/softmax_cross_entropy.cu", "softmax_cross_entropy equals*",
        "if (i >= rows * classes) return;", "if (i > rows * classes) return;", BOUNDS),
    "wrong mask": Mutant(
        REDUCTION, "softmax_cross_entropy equals*",
        "value += __shfl_xor_sync(kWholeWarp,", "value += __shfl_xor_sync(kWholeWarp >> 1,", "wrong mask|undefined shuffle",
        "kernels/softmax_cross_entropy.cu"),
    "a warp's sum without its last step": Mutant(
        REDUCTION, "softmax_cross_entropy equals*",
        "T warp_sum(T value, unsigned lanes = kWarpSize) {\n  for (unsigned reach = lanes / 2; reach > 0",
        "T warp_sum(T value, unsigned lanes = kWarpSize) {\n  for (unsigned reach = lanes / 2; reach > 1", WRONG,
        "kernels/softmax_cross_entropy.cu"),
    "tail one too long in Adam": Mutant(
        "kernels/adam.cu", "adam follows*", "i < chunk.size; i += kThreads",
        "i <= chunk.size; i += kThreads", f"{BOUNDS}|{UNWRITTEN}|{RACE}"),
    "whole vectors beyond the tail in Adam": Mutant(
        "kernels/adam.cu", "adam follows*", "chunk.size / 4 * 4", "(chunk.size + 3) / 4 * 4",
        f"{BOUNDS}|{UNWRITTEN}|{RACE}"),
    "missing barrier before the pixels are written": Mutant(
        "data/warp.cu", "orders: batches*", "  }\n  __syncthreads();\n", "  }\n", f"{RACE}|{UNWRITTEN}"),
    "whole blocks of pixels at an image's end": Mutant(
        "data/warp.cu", "orders: batches*", "min(kPixels, pixels - first)", "kPixels",
        f"{BOUNDS}|{RACE}|{UNWRITTEN}"),
    "missing guard in scale_batch": Mutant(
        "data/scaling.cu", "orders: batches*", "  if (i >= size) return;\n", "", f"{BOUNDS}|{RACE}"),
    "guard off by one in fill": Mutant(
        "tensor/cuda/fill.cu", "orders: filling*", "if (i < count)", "if (i <= count)", BOUNDS),
}


@functools.cache
def build_commands(test):
    """The command that compiles each source of the test, and the one that links it."""
    lines = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", test],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if " -c " in line], lines[-1]


def run(name):
    """What the tests said, or why there is no fault to find."""
    mutant = MUTANTS[name]
    source = (ROOT / mutant.file).read_text()
    if source.count(mutant.before) != 1:
        return f"error: {mutant.file} holds {source.count(mutant.before)} times: {mutant.before!r}"
    overlay = BUILD / "mutants" / re.sub(r"\W+", "_", name)
    changed = overlay / mutant.file
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text(source.replace(mutant.before, mutant.after))

    unit = mutant.unit or mutant.file
    test = f"test_{unit.split('/')[0]}_emulated"
    compilations, link = build_commands(test)
    compile_it = next(c for c in compilations if c.endswith(f"-c {ROOT / unit}") and "emulator/include" in c)
    original = re.search(r"-o (\S+)", compile_it)[1]
    object_file = overlay / "unit.o"
    compile_it = compile_it.replace(f" -I{ROOT} ", f" -I{overlay} -I{ROOT} ")
    compile_it = re.sub(r"-o \S+", f"-o {object_file}", compile_it)
    if not mutant.unit:
        compile_it = compile_it.replace(f"-c {ROOT / unit}", f"-c {changed}")
    compile_it = re.sub(r"-M[TF] \S+|-MD", "", compile_it)
    mutated_test = overlay / "test"
    # First of all objects, so that its copy of an inline function is the one that is linked.
    link_it = link.replace(f" {original}", "").replace("/c++ ", f"/c++ {object_file} ", 1)
    link_it = link_it.replace(f"-o {test}", f"-o {mutated_test}")
    for command in (compile_it, link_it):
        subprocess.run(command, shell=True, cwd=BUILD, check=True)
    done = subprocess.run([mutated_test, f"-tc={mutant.cases}"], capture_output=True, text=True, timeout=300)
    mutated_test.unlink()
    found = re.search(mutant.found, done.stdout)
    if done.returncode == 0 or not found:
        return "error: not found\n" + done.stdout[-2000:]
    line = done.stdout[done.stdout.rfind("\n", 0, found.start()) + 1:]
    return line.splitlines()[0].strip()


def main():
    names = [name for name in MUTANTS if not sys.argv[1:] or any(part in name for part in sys.argv[1:])]
    if not names:
        sys.exit(f"error: no fault is named {' or '.join(sys.argv[1:])}")
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, said in zip(names, pool.map(run, names)):
            failed += said.startswith("error")
            print(f"{name}: {said}", flush=True)
    print(f"{failed} of {len(names)} faults were not found" if failed else f"all {len(names)} faults were found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

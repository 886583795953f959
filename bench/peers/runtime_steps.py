"""Times the frozen forward pass in inference runtimes: batch 32, 128x128, float32.

usage: runtime_steps.py {onnxruntime|openvino} [--threads N] [--seconds S]

The model is that of torch_steps.py, written as ONNX beforehand. Prints one JSON object: the median in milliseconds.
"""

import argparse
import json
import pathlib
import tempfile

import numpy
import torch

from timing import BATCH, SIDE, median_ms
from torch_steps import Transfer


def export(path: pathlib.Path) -> None:
    torch.manual_seed(1)
    model = Transfer(frozen=True).eval()
    # The older exporter: the newer one needs one more package.
    torch.onnx.export(model, (torch.rand(BATCH, 3, SIDE, SIDE),), path, dynamo=False, opset_version=17,
                      input_names=["images"], output_names=["logits"])


def onnxruntime_step(model: pathlib.Path, images: numpy.ndarray, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"images": images})


def openvino_step(model: pathlib.Path, images: numpy.ndarray, threads: int):
    import openvino

    # Without the hint it would compute in bfloat16 where the processor has that.
    compiled = openvino.Core().compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return lambda: request.infer([images], share_inputs=True)


STEPS = {"onnxruntime": onnxruntime_step, "openvino": openvino_step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    images = numpy.random.default_rng(1).random((BATCH, 3, SIDE, SIDE), dtype=numpy.float32)
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "model.onnx"
        export(model)
        step = STEPS[options.runtime](model, images, options.threads)
        print(json.dumps({"frozen_forward": median_ms(step, options.seconds)}))


if __name__ == "__main__":
    main()

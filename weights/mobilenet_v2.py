"""The headless MobileNetV2: its tensors' names and shapes, and the metadata of its weights file."""

import argparse
import os
import re

import numpy as np

from command_line import Failure
from ember_weights import FORMAT, Tensors

# Sandler et al. 2018, table 2: expansion, channels and number of the inverted residual blocks.
BLOCKS = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))

LARGEST_IMAGE = 8192  # side in pixels that nn/model_file.cpp reads

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")  # in Keras's order

# Several widths can round to the same channels; the ones people train come first.
WIDTHS = (1.0, 0.35, 0.5, 0.75, 1.3, 1.4,
          *(n / 10 for n in range(1, 31)), *(n / 100 for n in range(5, 300)))


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8, never below 90 % of it."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


def shapes(width: float) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by name, in forward order."""
    result: dict[str, tuple[int, ...]] = {}

    def convolution(layer: str, batch_norm: str, kernel: tuple[int, ...], channels: int) -> int:
        result[f"{layer}/kernel"] = kernel
        result.update({f"{batch_norm}/{variable}": (channels,) for variable in BATCH_NORM})
        return channels

    c = scaled(32, width)
    convolution("Conv1", "bn_Conv1", (c, 3, 3, 3), c)
    block = 0
    for expansion, channels, repeats in BLOCKS:
        for _ in range(repeats):
            name = f"block_{block}" if block else "expanded_conv"
            expanded = c * expansion
            if expansion > 1:
                convolution(f"{name}_expand", f"{name}_expand_BN", (expanded, 1, 1, c), expanded)
            convolution(f"{name}_depthwise", f"{name}_depthwise_BN", (3, 3, expanded), expanded)
            c_out = scaled(channels, width)
            c = convolution(f"{name}_project", f"{name}_project_BN", (c_out, 1, 1, expanded), c_out)
            block += 1
    features = scaled(1280, max(1.0, width))
    convolution("Conv_1", "Conv_1_bn", (features, 1, 1, c), features)
    return result


NAMES = tuple(shapes(1.0))
LAYERS = tuple(dict.fromkeys(name.split("/")[0] for name in NAMES))  # in forward order


def variables(layer: str) -> tuple[str, ...]:
    """Variables of one of `LAYERS`, in the order in which Keras stores them."""
    return ("kernel",) if f"{layer}/kernel" in NAMES else BATCH_NORM


def is_depthwise(name: str) -> bool:
    return name.endswith("_depthwise/kernel")


def belongs_to_base(name: str) -> bool:
    """Whether a tensor is of the base, or of one with more blocks, and not of a head."""
    layer = name.split("/")[0]
    return layer in LAYERS or re.match(r"block_\d+_", layer) is not None


def width_multiplier(tensors: Tensors) -> float | None:
    """The width at which a MobileNetV2 has exactly these names and shapes, if there is one."""
    found = {name: tensor.shape for name, tensor in tensors.items()}
    return next((width for width in WIDTHS if found == shapes(width)), None)


def check(tensors: Tensors, source: object) -> None:
    """Fails unless `tensors` are one whole base of finite values; lists what is wrong with them."""
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if not found.keys() & set(NAMES):
        raise Failure(os.EX_DATAERR, f"{source} holds no MobileNetV2: it has none of its layers")
    if width_multiplier(tensors) is None:
        nearest = max(WIDTHS, key=lambda width: len(found.items() & shapes(width).items()))
        complaints = [f"missing {name}" for name in NAMES if name not in found]
        complaints += [f"unexpected {name}" for name in sorted(found.keys() - set(NAMES))]
        complaints += [f"{name} has shape {found[name]}, not {shape}"
                       for name, shape in shapes(nearest).items()
                       if name in found and found[name] != shape]
        raise Failure(os.EX_DATAERR, f"{source} is no MobileNetV2 of a known width (the nearest is "
                                     f"{nearest}): {', '.join(complaints)}")
    wrong = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if wrong:
        raise Failure(os.EX_DATAERR, f"{source} holds NaN or infinity in {', '.join(wrong)}")


def add_options(parser: argparse.ArgumentParser, scale: str) -> None:
    """Options for what a file of somebody's own weights cannot tell by itself."""
    parser.add_argument("--image-size", type=int, default=224, metavar="N",
                        help="side in pixels of the images it was trained on (default: 224)")
    parser.add_argument("--scale", choices=("unit", "symmetric", "imagenet"), default=scale,
                        help="how pixels were scaled: x/255, x/127.5-1, or x/255 normalised with "
                             "ImageNet's mean and deviation (default: %(default)s)")


def metadata(base: Tensors, image_size: int, scale: str, padding: str,
             epsilon: str) -> dict[str, str]:
    """The metadata of the weights file of a checked base."""
    if not 32 <= image_size <= LARGEST_IMAGE:
        raise Failure(os.EX_USAGE, f"--image-size {image_size}: from 32 to {LARGEST_IMAGE} pixels")
    return {
        "format": FORMAT,
        "architecture": "mobilenet_v2",
        "width_multiplier": str(width_multiplier(base)),
        "classes": "[]",
        "image_size": str(image_size),
        "scale": scale,
        "padding": padding,
        "batch_norm_epsilon": epsilon,
    }

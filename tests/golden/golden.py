"""What the golden scripts share: the writer of their outputs, and values made by a formula.

The formulas use 32-bit integers and single IEEE operations only, so that a C++ test evaluates
them to the same bits and nothing large is committed.
"""

import json
import struct
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
TYPES = {"float32": "F32", "float64": "F64", "int64": "I64", "uint8": "U8"}


def save(name, tensors, tolerances=None):
    """Writes tests/golden/NAME.safetensors; tolerances maps a tensor's name to its tolerance.

    The widest elements come first, so that every tensor is aligned to its element size.
    """
    order = sorted(tensors, key=lambda key: (-tensors[key].dtype.itemsize, key))
    header = {}
    if tolerances:
        unknown = set(tolerances) - set(tensors)
        assert not unknown, f"tolerance of no tensor: {unknown}"
        header["__metadata__"] = {f"tolerance:{key}": tolerances[key] for key in sorted(tolerances)}
    offset = 0
    for key in order:
        tensor = tensors[key]
        header[key] = {
            "dtype": TYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = FOLDER / f"{name}.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for key in order:
            file.write(np.ascontiguousarray(tensors[key]).tobytes())
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def hash32(x):
    """Mixes the bits of 32-bit integers; wider values are taken modulo 2^32."""
    x = np.asarray(x, np.uint64) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def hash_sequence(seed, count):
    """hash32(hash32(seed) + i) for i = 0 .. count - 1."""
    return hash32(np.arange(count, dtype=np.uint64) + hash32(seed))


def unit(seed, shape):
    """Float64 in [0,1): element i (row-major) is (hash_sequence(seed)[i] >> 8) / 2^24."""
    count = int(np.prod(shape))
    return (hash_sequence(seed, count) >> 8).astype(np.float64).reshape(shape) / 2**24


def symmetric(seed, shape, limit=1.0):
    """Float32 in [-limit, limit): (2 u - 1) limit in float64, u = unit(seed), then rounded."""
    return ((2.0 * unit(seed, shape) - 1.0) * limit).astype(np.float32)


def picture(seed, height, width, cell=16):
    """A smooth uint8 picture (height, width, 3): random values on a grid, bilinear between.

    Grid value at (row, column, channel) of the (height // cell + 2, width // cell + 2, 3) grid g:
    hash_sequence(seed)[row-major index] >> 24. With y = r cell + v, x = c cell + u:
    pixel = (sum of the four corners' g times their integer weights) // cell^2.
    """
    grid_shape = (height // cell + 2, width // cell + 2, 3)
    grid = (hash_sequence(seed, np.prod(grid_shape)) >> 24).astype(np.int64).reshape(grid_shape)
    r, v = np.divmod(np.arange(height), cell)
    c, u = np.divmod(np.arange(width), cell)
    v, u = v[:, None, None], u[None, :, None]
    top = grid[r][:, c] * (cell - u) + grid[r][:, c + 1] * u
    bottom = grid[r + 1][:, c] * (cell - u) + grid[r + 1][:, c + 1] * u
    return ((top * (cell - v) + bottom * v) // cell**2).astype(np.uint8)


def training_sample(n, side=128):
    """Sample n of the training checks: (uint8 picture (side, side, 3), label in 0..2).

    label = hash32(n) % 3; the picture is (7 picture(1000 + n) + 255 [channel == label]) // 8, with
    cells of max(8, side // 8) pixels: a faint tint, from which a model can learn the label, but
    not within a few steps.
    """
    label = int(hash32(n)) % 3
    drawn = picture(1000 + n, side, side, cell=max(8, side // 8)).astype(np.int64)
    return ((7 * drawn + 255 * (np.arange(3) == label)) // 8).astype(np.uint8), label


def parameter(name, shape):
    """Initial float32 values of a parameter by name and shape, in Ember's layout.

    s = symmetric(32-bit FNV-1a hash of the name). Kernels: s sqrt(6 / (kh kw in)) for
    convolutions wider than 1x1 (9 for depthwise ones), s sqrt(6 / (in + out)) for 1x1 and dense
    ones. gamma = 1 + s / 4, beta = moving_mean = s / 4, moving_variance = 1 + s / 2, bias = 0.
    """
    seed = 2166136261
    for byte in name.encode():
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    variable = name.split("/")[1]
    if variable == "bias":
        return np.zeros(shape, np.float32)
    if variable == "kernel":
        wide = len(shape) == 4 and shape[1] * shape[2] > 1
        fan = 9 if len(shape) == 3 else np.prod(shape[1:]) if wide else shape[0] + shape[-1]
        return symmetric(seed, shape, np.sqrt(6.0 / fan))
    s = symmetric(seed, shape)
    return {
        "gamma": 1 + s / 4,
        "beta": s / 4,
        "moving_mean": s / 4,
        "moving_variance": 1 + s / 2,
    }[variable]

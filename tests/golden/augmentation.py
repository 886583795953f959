"""Keras's ImageDataGenerator.apply_transform with given parameters (order 1, fill "nearest").

Keras builds M = R T S Z of the parameters that differ from their neutral value, in "x, y":
    R = [cos t, -sin t, 0; sin t, cos t, 0; 0, 0, 1]    t = theta in radians
    T = [1, 0, tx; 0, 1, ty; 0, 0, 1]
    S = [1, -sin s, 0; 0, cos s, 0; 0, 0, 1]            s = shear in radians
    Z = [zx, 0, 0; 0, zy, 0; 0, 0, 1]
centres it, C M C^-1 with C a shift by (height / 2 - 0.5, width / 2 - 0.5), then exchanges the two
axes (rows and columns of the matrix). So tx and zx act on columns although Keras draws tx from
the height, and an image that is not square turns about a point that is not its centre. Output
pixel (row, column) is the input at that matrix times (row, column, 1): bilinear, coordinates
outside clamped to the edge. The horizontal flip comes last.
"""

import argparse

import numpy as np
from golden import picture, save, unit
from keras.src.legacy.preprocessing.image import ImageDataGenerator

NEUTRAL = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": 0}

CASES = {
    "identity": {},
    "rotation": {"theta": 17.5},
    "rotation_negative": {"theta": -25},
    "shift_x": {"tx": 2.75},
    "shift_y": {"ty": -3.4},
    "shift_whole_pixels": {"tx": 3, "ty": -2},
    "shear": {"shear": 0.15},
    "shear_strong": {"shear": 30},
    "zoom_x": {"zx": 0.7},
    "zoom_y": {"zy": 1.3},
    "zoom_in": {"zx": 0.75, "zy": 0.75},
    "flip": {"flip_horizontal": 1},
    "shift_and_flip": {"tx": 2.75, "ty": 1.5, "flip_horizontal": 1},
    "all": {
        "theta": 12.3, "tx": -3.1, "ty": 2.2, "shear": -0.11, "zx": 0.83, "zy": 1.21,
        "flip_horizontal": 1,
    },
    "all_strong": {
        "theta": -25, "tx": 25.6, "ty": -25.6, "shear": 0.15, "zx": 1.3, "zy": 0.7,
        "flip_horizontal": 0,
    },
}  # fmt: skip


def matrix(theta, tx, ty, shear, zx, zy, height, width):
    """The formula above: (2, 3), from output (row, column, 1) to input (row, column)."""
    t, s = np.deg2rad(theta), np.deg2rad(shear)
    rotation = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    sheared = np.array([[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]])
    zoom = np.diag([zx, zy, 1])
    centre = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
    whole = centre @ rotation @ shift @ sheared @ zoom @ np.linalg.inv(centre)
    return whole[[1, 0]][:, [1, 0, 2]]


def sample(image, affine):
    """Bilinear sampling in float64, coordinates clamped to the image."""
    height, width, _ = image.shape
    rows, columns = np.mgrid[:height, :width]
    y, x = np.tensordot(affine, np.stack([rows, columns, np.ones_like(rows)]), 1)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    r = np.minimum(y.astype(int), height - 2)
    c = np.minimum(x.astype(int), width - 2)
    v, u = (y - r)[..., None], (x - c)[..., None]
    top = image[r, c] * (1 - u) + image[r, c + 1] * u
    bottom = image[r + 1, c] * (1 - u) + image[r + 1, c + 1] * u
    return top * (1 - v) + bottom * v


def transform(generator, image, parameters):
    output = generator.apply_transform(image, parameters)
    affine = {key: value for key, value in parameters.items() if key != "flip_horizontal"}
    to_input = matrix(**affine, height=image.shape[0], width=image.shape[1])
    formula = sample(image.astype(np.float64), to_input)
    if parameters["flip_horizontal"]:
        formula = formula[:, ::-1]
    assert np.abs(output - formula).max() < 1e-6
    return np.ascontiguousarray(output)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    keras_generator = ImageDataGenerator(fill_mode="nearest")
    small = unit(1, (24, 20, 3)).astype(np.float32)
    square = unit(2, (16, 16, 3)).astype(np.float32)
    large = picture(3, 128, 128)
    values = {"small/image": small, "square/image": square, "large/image": large}
    inputs = {"small": small, "square": square, "large": (large / 255.0).astype(np.float32)}
    for size, image in inputs.items():
        for case, given in CASES.items():
            if size == "large" and case not in ("all", "all_strong"):
                continue
            parameters = {**NEUTRAL, **given}
            values[f"{size}/{case}/parameters"] = np.array(list(parameters.values()), np.float64)
            values[f"{size}/{case}/output"] = transform(keras_generator, image, parameters)
    outputs = [name for name in values if name.endswith("/output")]
    save("augmentation", values, {name: "max_abs 1e-5" for name in outputs})

"""cv2.resize (bilinear, uint8) of photos to 128x128 and of small pictures between odd sizes."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from golden import hash_sequence, save

# One of each kind among the PNG photos: portrait, landscape, square; RGB, RGBA, 16-bit RGBA.
PHOTOS = (117, 142, 386, 446, 5, 525, 659, 702)

# ((height, width) of the input, (height, width) of the output)
SIZES = (
    ((16, 16), (8, 8)),  # exactly by two
    ((16, 24), (8, 12)),
    ((12, 10), (6, 20)),
    ((24, 24), (8, 8)),  # exactly by three
    ((32, 32), (8, 8)),  # exactly by four
    ((8, 8), (16, 16)),
    ((5, 7), (13, 11)),
    ((13, 11), (5, 7)),
    ((17, 31), (16, 30)),
    ((1, 9), (1, 4)),
    ((1, 9), (3, 20)),
    ((9, 1), (4, 1)),
    ((9, 1), (16, 5)),
    ((1, 1), (7, 5)),
    ((7, 5), (1, 1)),
    ((2, 2), (128, 3)),
    ((37, 41), (32, 32)),
    ((100, 3), (32, 32)),
)


def noise(seed, height, width):
    values = hash_sequence(seed, height * width * 3) >> 24
    return values.astype(np.uint8).reshape(height, width, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--png-dir", type=Path, required=True, help="folder of the PNG photos")
    args = parser.parse_args()
    values = {}
    for number in PHOTOS:
        name = f"maksssksksss{number}.png"
        image = cv2.cvtColor(cv2.imread(str(args.png_dir / name)), cv2.COLOR_BGR2RGB)
        values[f"photo/{name}/128"] = cv2.resize(image, (128, 128))
    for seed, ((height, width), (new_height, new_width)) in enumerate(SIZES):
        image = noise(seed, height, width)
        name = f"noise/{height}x{width}_to_{new_height}x{new_width}"
        values[f"{name}/input"] = image
        values[f"{name}/output"] = cv2.resize(image, (new_width, new_height))
    compared = [name for name in values if not name.endswith("/input")]
    save("resize", values, {name: "equal" for name in compared})

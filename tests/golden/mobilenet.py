"""MobileNetV2's last feature map of PNG photos in Keras, at 128 and 224.

Computed in float64 and stored rounded. Float32 arithmetic alone is 3e-6 to 5e-6 away from it on
most photos and 9e-6 on maksssksksss142.png, which would leave a tolerance of 1e-5 no room.
"""

import argparse
from pathlib import Path

import cv2
import keras
import keras_layout
import numpy as np
from golden import save

PHOTOS = (117, 355, 386, 446, 5, 525, 659, 702, 717, 87)
WHOLE_AT_224 = (446,)
BOUND = 1e-5


def read_photo(path, side):
    """RGB, bilinear uint8 resize, then [-1, 1]: what the weights were trained on."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return (cv2.resize(image, (side, side)) / 127.5 - 1).astype(np.float32)


def feature_maps(weights, images, dtype):
    keras_layout.use(dtype)
    model = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=images.shape[1:]
    )
    model.load_weights(weights)
    return model(images, training=False).numpy()


def distance(exact, rounded):
    return np.linalg.norm(exact - rounded) / np.linalg.norm(exact)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--png-dir", type=Path, required=True, help="folder of the PNG photos")
    parser.add_argument("--weights", required=True, help="MobileNetV2 without top, Keras HDF5")
    args = parser.parse_args()
    values = {}
    for side in (128, 224):
        names = [f"maksssksksss{number}.png" for number in PHOTOS]
        images = np.stack([read_photo(args.png_dir / name, side) for name in names])
        exact, rounded = (feature_maps(args.weights, images, t) for t in ("float64", "float32"))
        distances = [distance(*pair) for pair in zip(exact, rounded)]
        assert max(distances) < 0.6 * BOUND
        print(f"{side}: float32 is up to {max(distances):.1e} away from float64")
        for number, name, feature_map in zip(PHOTOS, names, exact):
            if side == 128 or number in WHOLE_AT_224:
                values[f"{side}/{name}/feature_map"] = feature_map.astype(np.float32)
            values[f"{side}/{name}/pooled"] = feature_map.mean(axis=(0, 1)).astype(np.float32)
    save("mobilenet", values, {name: f"rel_l2 {BOUND:.0e}" for name in values})

"""Times the steps of bench/bench_steps.cpp in Keras on TensorFlow: batch 32, 128x128, float32; and its augmentation.

usage: keras_steps.py [--threads N] [--seconds S] STEP...

`augmentation` draws and applies the study's random transforms of a batch. XLA is left out: on a CPU it takes these
steps ten times as long. Prints one JSON object: the median of each
step in milliseconds.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy
import tensorflow
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from timing import BATCH, CLASSES, SIDE, median_ms


def head() -> list[keras.Layer]:
    return [layers.Dense(128, activation="relu"), layers.Dropout(0.5), layers.Dense(CLASSES, activation="softmax")]


def transfer(frozen: bool) -> keras.Model:
    """The study's transfer model; with `frozen` Keras keeps the base in inference mode."""
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    base.trainable = not frozen
    return keras.Sequential([base, layers.GlobalAveragePooling2D(), *head()])


def baseline() -> keras.Model:
    return keras.Sequential([
        keras.Input((SIDE, SIDE, 3)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), *head()])


def augmentation_step(images: numpy.ndarray):
    generator = ImageDataGenerator(rotation_range=25, width_shift_range=0.2, height_shift_range=0.2, zoom_range=0.3,
                                   shear_range=0.15, horizontal_flip=True, fill_mode="nearest")
    return lambda: numpy.stack([generator.random_transform(image) for image in images])


def make_step(name: str):
    keras.utils.set_random_seed(1)
    images = numpy.random.default_rng(1).random((BATCH, SIDE, SIDE, 3), dtype=numpy.float32)
    if name == "augmentation":
        return augmentation_step(images)
    tensor = tensorflow.constant(images)
    if name == "frozen_forward":
        model = transfer(frozen=True)
        forward = tensorflow.function(lambda: model(tensor, training=False))
        return lambda: forward().numpy()
    labels = tensorflow.constant(numpy.eye(CLASSES, dtype=numpy.float32)[numpy.arange(BATCH) % CLASSES])
    model = baseline() if name == "baseline_step" else transfer(frozen=name == "frozen_step")
    model.compile(optimizer=keras.optimizers.Adam(1e-4 if name == "finetune_step" else 1e-3),
                  loss="categorical_crossentropy", jit_compile=False)
    return lambda: model.train_on_batch(tensor, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", choices=["frozen_forward", "frozen_step", "finetune_step",
                                                     "baseline_step", "augmentation"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5, help="how long each step is timed")
    options = parser.parse_args()
    tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    print(json.dumps({name: median_ms(make_step(name), options.seconds) for name in options.steps}))


if __name__ == "__main__":
    main()

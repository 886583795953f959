"""Whole models in Keras: gradients, and the losses of 20 Adam steps, without dropout.

Samples and initial parameters come from the formulas in golden.py, so that a test makes the same
ones; the prefix `pretrained` means the base's ImageNet weights instead, under the same head.
Everything is computed in float64, and in float32 for the distance that rounding alone causes.
"""

import argparse

import keras
import keras_layout
import numpy as np
import tensorflow as tf
from golden import parameter, save, training_sample
from keras import layers

CLASSES, STEPS = 3, 20
WHOLE_GRADIENTS = (
    "Conv1/kernel",
    "bn_Conv1/gamma",
    "expanded_conv_depthwise/kernel",
    "block_1_expand/kernel",
    "block_3_depthwise/kernel",
    "block_6_project/kernel",
    "block_13_depthwise_BN/beta",
    "Conv_1_bn/gamma",
    "dense/bias",
    "dense_1/kernel",
)


def batch(step, size, side=128):
    """Samples step * size and following: float32 images in [0,1], one-hot labels."""
    images, labels = zip(*(training_sample(step * size + i, side) for i in range(size)))
    return (np.stack(images) / 255.0).astype(np.float32), np.eye(CLASSES)[list(labels)]


def baseline_cnn():
    return keras.Sequential(
        [
            keras.Input((128, 128, 3)),
            layers.Conv2D(32, 3, activation="relu", name="conv2d"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", name="conv2d_1"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu", name="dense"),
            layers.Dense(CLASSES, name="dense_1"),
        ]
    )


def transfer_model(weights, trainable, side=128):
    """MobileNetV2 and the study's head; base weights from a Keras HDF5 file, if given."""
    base = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(side, side, 3)
    )
    base.trainable = trainable
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dense(128, activation="relu", name="dense")(x)
    model = keras.Model(base.input, layers.Dense(CLASSES, name="dense_1")(x))
    initialize(model)
    if weights:
        base.load_weights(weights)
    return model


def initialize(model):
    shapes = keras_layout.shapes(model).items()
    keras_layout.assign(model, {name: parameter(name, shape) for name, shape in shapes})
    return model


def cross_entropy():
    return keras.losses.CategoricalCrossentropy(from_logits=True)


def steps(model, learning_rate, size, after_first=None):
    """The losses of STEPS updates, each before its update."""
    model.compile(keras.optimizers.Adam(learning_rate), cross_entropy(), jit_compile=False)
    losses = []
    for step in range(STEPS):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(*batch(step, size))))
        if step == 0 and after_first is not None:
            after_first.update(keras_layout.parameters_of(model))
    return np.array(losses)


def in_both_types(compute):
    """compute() in float64 and in float32."""
    for dtype in ("float64", "float32"):
        keras.backend.clear_session()
        keras_layout.use(dtype)
        yield compute()


class Golden:
    def __init__(self):
        self.tensors = {}
        self.tolerances = {}

    def expect(self, name, value, tolerance, dtype=np.float64):
        self.tensors[name] = np.asarray(value, dtype)
        self.tolerances[name] = tolerance

    def losses(self, name, exact, rounded, bound):
        """Losses that float32 follows: each step's relative distance is within half the bound."""
        distance = np.abs(rounded / exact - 1)
        print(f"{name}: loss {exact[0]:.4f} to {exact[-1]:.4f}, float32 {distance.max():.1e} away")
        assert distance.max() < bound / 2
        self.expect(f"{name}/losses", exact, f"max_rel {bound:.0e}")


def formula(golden):
    image, label = training_sample(7)
    golden.expect("formula/sample_7/image", image, "equal", np.uint8)
    golden.expect("formula/sample_7/label", label, "equal", np.int64)
    for name, shape in (
        ("block_1_expand/kernel", (96, 1, 1, 16)),
        ("block_3_depthwise/kernel", (3, 3, 144)),
        ("Conv1/kernel", (32, 3, 3, 3)),
        ("bn_Conv1/gamma", (32,)),
        ("bn_Conv1/moving_variance", (32,)),
        ("dense_1/kernel", (3, 128)),
    ):
        golden.expect(f"formula/parameter/{name}", parameter(name, shape), "equal", np.float32)


def gradients(golden, prefix, weights, side, bound):
    """Of the mean loss of samples 0 and 1, BatchNorm in inference mode, everything trainable."""
    images, labels = batch(0, 2, side)

    def compute():
        model = transfer_model(weights, True, side)
        named = keras_layout.variables(model, trainable_only=True)
        with tf.GradientTape() as tape:
            logits = model(images, training=False)
            loss = cross_entropy()(labels, logits)
        all_gradients = tape.gradient(loss, [v.value for _, v in named.values()])
        by_name = {
            name: keras_layout.to_ember(layer, gradient.numpy())
            for (name, (layer, _)), gradient in zip(named.items(), all_gradients)
        }
        return loss.numpy(), logits.numpy(), by_name

    (loss, logits, exact), (_, _, rounded) = in_both_types(compute)
    golden.expect(f"{prefix}/loss", loss, "rel_l2 1e-5")
    golden.expect(f"{prefix}/logits", logits, "rel_l2 1e-4")
    distances = []
    for name, gradient in exact.items():
        norm = np.linalg.norm(gradient)
        distances.append(np.linalg.norm(rounded[name] - gradient) / norm)
        dot = np.sin(np.arange(gradient.size)) @ gradient.ravel()
        golden.expect(f"{prefix}/summary/{name}", [norm, dot], f"norm {bound:.0e}")
        if name in WHOLE_GRADIENTS:
            golden.expect(f"{prefix}/gradient/{name}", gradient, f"rel_l2 {bound:.0e}", np.float32)
    print(f"{prefix}: loss {loss:.6f}, float32 gradients up to {max(distances):.1e} away")
    assert max(distances) < bound / 3


def frozen(golden, prefix, weights):
    exact, rounded = in_both_types(lambda: steps(transfer_model(weights, False), 1e-3, 32))
    golden.losses(prefix, exact, rounded, 1e-4)


def baseline(golden):
    exact, rounded = in_both_types(lambda: steps(initialize(baseline_cnn()), 1e-3, 32))
    golden.losses("baseline", exact, rounded, 2e-4)


def finetune(golden, prefix, weights):
    """Batch statistics: chaotic, so that float32 is kept too, as a measure of distance."""

    def compute():
        after = {}
        return steps(transfer_model(weights, True), 1e-4, 16, after), after

    (exact, after), (rounded, rounded_after) = in_both_types(compute)
    golden.expect(f"{prefix}/losses", exact, "twice losses_float32")
    golden.tensors[f"{prefix}/losses_float32"] = rounded
    print(prefix, "losses", exact, "float32 away", np.abs(rounded / exact - 1))
    distance = 0
    for name, value in after.items():
        if "moving" in name:
            golden.expect(f"{prefix}/after/{name}", value, "rel_l2 1e-4", np.float32)
            difference = np.linalg.norm(rounded_after[name] - value)
            distance = max(distance, difference / np.linalg.norm(value))
    print(f"{prefix}: moving averages in float32 are {distance:.1e} away")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", required=True, help="MobileNetV2 without top, Keras HDF5")
    args = parser.parse_args()
    golden = Golden()
    formula(golden)
    baseline(golden)
    gradients(golden, "gradients/formula", None, 32, 1e-4)
    gradients(golden, "gradients/pretrained", args.weights, 32, 1e-4)
    for start, weights in (("formula", None), ("pretrained", args.weights)):
        frozen(golden, f"frozen/{start}", weights)
        finetune(golden, f"finetune/{start}", weights)
    save("training", golden.tensors, golden.tolerances)

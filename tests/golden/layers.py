"""Layers and inverted residual blocks in Keras: outputs and gradients, in float64.

Inputs and parameters are float32 values. Each case is computed in float64, which is stored, and
in float32, which must lie within a third of the tolerance: so the tolerance is a fair one.
"""

import argparse
import zlib

import keras
import keras_layout
import numpy as np
import tensorflow as tf
from golden import save, symmetric
from keras import layers

BATCH_NORM = {"momentum": 0.999, "epsilon": 1e-3}
TIGHT, BLOCK = "rel_l2 1e-5", "rel_l2 1e-4"


def random(name, shape, limit=1.0):
    """Values that depend on the name alone, so that a new case leaves the others as they are."""
    return symmetric(zlib.crc32(name.encode()), shape, limit)


def away_from(kinks, x, gap=0.05):
    """Moves values near a kink off it, so that rounding cannot carry them over."""
    for kink in kinks:
        x = np.where(np.abs(x - kink) < gap, x + np.float32(2 * gap), x)
    return x.astype(np.float32)


def same_padding(size, kernel, stride):
    """TensorFlow's "same": (before, after)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class Golden:
    def __init__(self):
        self.tensors = {}
        self.tolerances = {}

    def input(self, name, array):
        self.tensors[name] = array

    def expect(self, name, exact, rounded, tolerance):
        """exact: float64, stored; rounded: the same from float32."""
        kind, bound = tolerance.split()
        distance = np.abs(exact - rounded).max()
        if kind == "rel_l2":
            distance = np.linalg.norm(exact - rounded) / np.linalg.norm(exact)
        assert distance < float(bound) / 3, f"{name}: float32 is {distance} away"
        self.tensors[name] = np.asarray(exact, np.float64)
        self.tolerances[name] = tolerance

    def model(self, case, build, x, parameters=None, training=False, tolerance=TIGHT):
        """build() makes the Keras model; parameters by name, Glorot-like random where not given.

        In a model of one layer with parameters, that layer is called "layer" and the names in
        the file are those of its variables alone.
        """
        results = []
        for dtype in ("float64", "float32"):
            keras_layout.use(dtype)
            model = build()
            start = {}
            for name, shape in keras_layout.shapes(model).items():
                limit = np.sqrt(3 / max(1, np.prod(shape[1:])))
                start[name] = (parameters or {}).get(name)
                if start[name] is None:
                    start[name] = random(f"{case}/{name}", shape, limit)
            keras_layout.assign(model, start)
            dy = lambda shape: random(f"{case}/dy", shape)
            y, dx, gradients = keras_layout.backward(model, x, dy, training)
            after = keras_layout.parameters_of(model)
            moved = {name: after[name] for name in after if training and "moving" in name}
            results.append((y, dx, gradients, moved))
        short = lambda name: name.removeprefix("layer/")
        exact, rounded = results
        self.input(f"{case}/x", x)
        self.input(f"{case}/dy", random(f"{case}/dy", exact[0].shape))
        self.expect(f"{case}/y", exact[0], rounded[0], tolerance)
        self.expect(f"{case}/dx", exact[1], rounded[1], tolerance)
        for name, value in start.items():
            self.input(f"{case}/{short(name)}", value)
        for kind, index in (("gradient", 2), ("after", 3)):
            for name, value in exact[index].items():
                self.expect(f"{case}/{kind}/{short(name)}", value, rounded[index][name], tolerance)

    def convolution(self, case, make, x_shape, kernel, stride, padding):
        """make(layer name, kernel size, strides) without padding of its own."""
        padding = np.array(padding, np.int64)
        top, bottom, left, right = map(int, padding)

        def build():
            pad = layers.ZeroPadding2D(((top, bottom), (left, right)))
            return keras.Sequential([keras.Input(x_shape[1:]), pad, make(kernel, stride)])

        self.input(f"{case}/stride", np.array(stride, np.int64))
        self.input(f"{case}/padding", padding)
        self.model(case, build, random(f"{case}/x", x_shape))


def same(x_shape, kernel, stride):
    rows = same_padding(x_shape[1], kernel[0], stride[0])
    return rows + same_padding(x_shape[2], kernel[1], stride[1])


def conv2d(golden):
    def with_bias(filters):
        return lambda kernel, stride: layers.Conv2D(filters, kernel, stride, name="layer")

    def without_bias(filters):
        return lambda kernel, stride: layers.Conv2D(
            filters, kernel, stride, use_bias=False, name="layer"
        )

    none = (0, 0, 0, 0)
    k3, k1, s1, s2 = (3, 3), (1, 1), (1, 1), (2, 2)
    even, odd = (2, 8, 6, 3), (2, 7, 9, 3)
    for case, make, shape, kernel, stride, padding in (
        ("conv2d_valid", with_bias(5), (2, 9, 7, 3), k3, s1, none),
        ("conv2d_same", without_bias(6), odd, k3, s1, same(odd, k3, s1)),
        ("conv2d_stride2_even", without_bias(5), even, k3, s2, same(even, k3, s2)),
        ("conv2d_stride2_odd", without_bias(5), odd, k3, s2, same(odd, k3, s2)),
        ("conv2d_stride2_pytorch", without_bias(5), even, k3, s2, (1, 1, 1, 1)),
        ("conv2d_1x1", with_bias(13), (3, 5, 7, 11), k1, s1, none),
        ("conv2d_1x1_stride2", without_bias(4), (2, 5, 6, 3), k1, s2, none),
        ("conv2d_5x3_stride2x1", with_bias(4), (2, 11, 8, 5), (5, 3), (2, 1), none),
        ("conv2d_four_sided", with_bias(7), (1, 6, 5, 4), k3, s1, (2, 0, 1, 3)),
        ("conv2d_one_channel", with_bias(1), (1, 3, 3, 1), k3, s1, none),
    ):
        golden.convolution(case, make, shape, kernel, stride, padding)


def depthwise_conv2d(golden):
    def make(kernel, stride):
        return layers.DepthwiseConv2D(kernel, stride, use_bias=False, name="layer")

    even, odd, k3 = (2, 8, 6, 5), (2, 7, 9, 19), (3, 3)
    for case, shape, stride, padding in (
        ("depthwise", odd, (1, 1), (1, 1, 1, 1)),
        ("depthwise_stride2_even", even, (2, 2), same(even, k3, (2, 2))),
        ("depthwise_stride2_odd", odd, (2, 2), same(odd, k3, (2, 2))),
        ("depthwise_stride2_pytorch", even, (2, 2), (1, 1, 1, 1)),
        ("depthwise_1x1_image", (3, 1, 1, 4), (1, 1), (1, 1, 1, 1)),
        ("depthwise_asymmetric", (1, 5, 6, 3), (1, 1), (0, 2, 1, 0)),
    ):
        golden.convolution(case, make, shape, k3, stride, padding)


def batch_norm(golden):
    channels = 7
    offset = np.array([0, 3, -5, 0.01, 20, 0.5, -0.25], np.float32)
    spread = np.array([1, 0.1, 2, 0.001, 1, 5, 0.5], np.float32)
    x = random("batch_norm/x", (4, 3, 5, channels)) * spread + offset
    parameters = {
        "layer/gamma": 1 + random("batch_norm/gamma", channels, 0.5),
        "layer/beta": random("batch_norm/beta", channels, 0.5),
        "layer/moving_mean": offset + random("batch_norm/moving_mean", channels, 0.25),
        "layer/moving_variance": 0.5 + random("batch_norm/moving_variance", channels, 0.25),
    }

    def build():
        norm = layers.BatchNormalization(**BATCH_NORM, name="layer")
        return keras.Sequential([keras.Input(x.shape[1:]), norm])

    golden.model("batch_norm_training", build, x, parameters, training=True, tolerance=BLOCK)
    golden.model("batch_norm_inference", build, x, parameters, training=False)


def dense(golden):
    for case, shape, units in (("dense", (5, 11), 7), ("dense_one_row", (1, 33), 3)):
        build = lambda: keras.Sequential(
            [keras.Input(shape[1:]), layers.Dense(units, name="layer")]
        )
        golden.model(case, build, random(f"{case}/x", shape))


def without_parameters(golden):
    relu_x = away_from((0,), random("relu/x", (3, 5, 7, 3), 2))
    relu6_x = away_from((0, 6), random("relu6/x", (3, 5, 7, 3), 9))
    for case, layer, x in (
        ("relu", layers.ReLU, relu_x),
        ("relu6", lambda: layers.ReLU(6.0), relu6_x),
        ("max_pool", lambda: layers.MaxPooling2D(2), random("max_pool/x", (2, 7, 9, 5))),
        ("max_pool_even", lambda: layers.MaxPooling2D(2), random("max_pool/e", (2, 6, 4, 3))),
        ("global_average_pool", layers.GlobalAveragePooling2D, random("gap/x", (3, 5, 7, 13))),
    ):
        build = lambda: keras.Sequential([keras.Input(x.shape[1:]), layer()])
        golden.model(case, build, x)


def softmax_cross_entropy(golden):
    """Loss: mean over the rows of -log softmax(logits)[label]."""
    for case, rows, classes, limit in (
        ("softmax_cross_entropy", 5, 3, 4),
        ("softmax_cross_entropy_six", 7, 6, 1),
        ("softmax_cross_entropy_large", 4, 3, 90),
    ):
        logits = random(f"{case}/logits", (rows, classes), limit)
        labels = np.arange(rows, dtype=np.int64) % classes
        results = []
        for dtype in ("float64", "float32"):
            x = tf.constant(logits, dtype)
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_mean(
                    keras.ops.sparse_categorical_crossentropy(labels, x, from_logits=True)
                )
            gradient = tape.gradient(loss, x)
            results.append([v.numpy() for v in (loss, keras.ops.softmax(x), gradient)])
        golden.input(f"{case}/logits", logits)
        golden.input(f"{case}/labels", labels)
        tolerances = {"loss": TIGHT, "probabilities": "max_abs 1e-5", "gradient": "max_abs 1e-5"}
        for (name, tolerance), exact, rounded in zip(tolerances.items(), *results):
            golden.expect(f"{case}/{name}", exact, rounded, tolerance)


def adam(golden):
    """20 updates of a vector with given gradients; the value after each update.

    keras:   w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), eps 1e-7
    pytorch: w -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps), eps 1e-8
    with m += (1 - b1) (g - m), v += (1 - b2) (g^2 - v).
    """
    steps, size, lr, beta1, beta2 = 20, 7, 1e-2, 0.9, 0.999
    start = random("adam/start", size)
    # Gradients from far above epsilon to below it, where the two forms differ.
    scale = np.array([1, 100, 1e-2, 1e-4, 1e-6, 1e-8, 0], np.float32)
    gradients = random("adam/gradients", (steps, size)) * scale

    def by_formula(form, dtype):
        w, m, v = start.astype(dtype), np.zeros(size, dtype), np.zeros(size, dtype)
        path = []
        for t, g in enumerate(gradients.astype(dtype), 1):
            m = m + (g - m) * dtype(1 - beta1)
            v = v + (g * g - v) * dtype(1 - beta2)
            root, correction = np.sqrt(v), np.sqrt(1 - beta2**t)
            if form == "keras":
                w = w - m * dtype(lr * correction / (1 - beta1**t)) / (root + dtype(1e-7))
            else:
                w = w - m * dtype(lr / (1 - beta1**t)) / (root / dtype(correction) + dtype(1e-8))
            path.append(w)
        return np.stack(path)

    keras_layout.use("float64")
    variable = keras.Variable(start.astype(np.float64))
    optimizer = keras.optimizers.Adam(lr, beta1, beta2, epsilon=1e-7)
    path = []
    for g in gradients:
        optimizer.apply([tf.constant(g, "float64")], [variable])
        path.append(variable.numpy())
    # Keras rounds beta1 and beta2 to float32, whatever the type of the variable.
    assert np.abs(path - by_formula("keras", np.float64)).max() < 1e-6

    golden.input("adam/start", start)
    golden.input("adam/gradients", gradients)
    golden.input("adam/learning_rate", np.array([lr]))
    for form in ("keras", "pytorch"):
        values = (by_formula(form, dtype) for dtype in (np.float64, np.float32))
        golden.expect(f"adam/{form}", *values, "max_abs 1e-5")


def inverted_residual(golden):
    """expand 1x1, BN, ReLU6, depthwise 3x3, BN, ReLU6, project 1x1, BN (+ x)."""

    def build(shape, channels, stride, expansion):
        x = y = keras.Input(shape[1:])
        if expansion > 1:
            y = layers.Conv2D(expansion * shape[3], 1, use_bias=False, name="expand")(y)
            y = layers.BatchNormalization(**BATCH_NORM, name="expand_BN")(y)
            y = layers.ReLU(6.0)(y)
        rows, columns = (same_padding(size, 3, stride) for size in shape[1:3])
        y = layers.ZeroPadding2D((rows, columns))(y)
        y = layers.DepthwiseConv2D(3, stride, use_bias=False, name="depthwise")(y)
        y = layers.BatchNormalization(**BATCH_NORM, name="depthwise_BN")(y)
        y = layers.ReLU(6.0)(y)
        y = layers.Conv2D(channels, 1, use_bias=False, name="project")(y)
        y = layers.BatchNormalization(**BATCH_NORM, name="project_BN")(y)
        if stride == 1 and channels == shape[3]:
            y = layers.Add()([x, y])
        return keras.Model(x, y)

    for case, shape, channels, stride, expansion in (
        ("block_residual", (3, 7, 5, 8), 8, 1, 6),
        ("block_stride2_even", (2, 8, 6, 6), 10, 2, 6),
        ("block_stride2_odd", (2, 7, 9, 6), 10, 2, 6),
        ("block_without_expansion", (2, 6, 5, 8), 4, 1, 1),
    ):
        parameters = {}
        for name, size in keras_layout.shapes(build(shape, channels, stride, expansion)).items():
            value = random(f"{case}/{name}", size)
            if "gamma" in name:  # wide enough that both kinks of ReLU6 are used
                parameters[name] = 3 + value
            elif "beta" in name:
                parameters[name] = 2 * value + 1
            elif "moving_variance" in name:
                parameters[name] = 1 + value / 2
            elif "moving_mean" in name:
                parameters[name] = value
        for mode, training in (("training", True), ("inference", False)):
            golden.model(
                f"{case}_{mode}",
                lambda: build(shape, channels, stride, expansion),
                random(f"{case}/x", shape),
                parameters,
                training=training,
                tolerance=BLOCK,
            )


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    golden = Golden()
    for subject in (
        conv2d,
        depthwise_conv2d,
        batch_norm,
        dense,
        without_parameters,
        softmax_cross_entropy,
        adam,
        inverted_residual,
    ):
        subject(golden)
    save("layers", golden.tensors, golden.tolerances)

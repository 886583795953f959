"""weights/convert_torch, held against torchvision's own features."""

import os
import re
from pathlib import Path

import numpy as np

import mobilenet_v2
from common import GOLDEN, ScriptTest
from ember_weights import Tensors, canonical_bytes, read_safetensors

STATE = GOLDEN / "torchvision_state.safetensors"
TIMM_NAMES = Path(__file__).with_name("timm_mobilenetv2_100.txt")  # of timm 1.0.31, in order


def relu6(x: np.ndarray) -> np.ndarray:
    return x.clip(0, 6)


def features(base: Tensors, x: np.ndarray, padding: tuple[int, int], epsilon: float) -> np.ndarray:
    """The last feature map of an NHWC image, in double precision; `padding` is that of stride 2."""

    def batch_norm(name, x):
        gamma, beta, mean, variance = (base[f"{name}/{v}"] for v in mobilenet_v2.BATCH_NORM)
        return (x - mean) / np.sqrt(variance.astype(np.float64) + epsilon) * gamma + beta

    def windows(x, stride):  # (n, h, w, c, 3, 3)
        before, after = padding if stride == 2 else (1, 1)
        x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
        return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::stride, ::stride]

    def pointwise(name, x):
        return x @ base[f"{name}/kernel"][:, 0, 0].T

    x = np.einsum("nhwcij,oijc->nhwo", windows(x.astype(np.float64), 2), base["Conv1/kernel"])
    x = relu6(batch_norm("bn_Conv1", x))
    block = 0
    for i, (expansion, _, repeats) in enumerate(mobilenet_v2.BLOCKS):
        for j in range(repeats):
            stride = 2 if i in (1, 2, 3, 5) and j == 0 else 1
            name = f"block_{block}" if block else "expanded_conv"
            block += 1
            y = x
            if expansion > 1:
                y = relu6(batch_norm(f"{name}_expand_BN", pointwise(f"{name}_expand", y)))
            y = np.einsum("nhwcij,ijc->nhwc", windows(y, stride), base[f"{name}_depthwise/kernel"])
            y = relu6(batch_norm(f"{name}_depthwise_BN", y))
            y = batch_norm(f"{name}_project_BN", pointwise(f"{name}_project", y))
            x = x + y if x.shape == y.shape else y
    return relu6(batch_norm("Conv_1_bn", pointwise("Conv_1", x)))


class Conversion(ScriptTest):
    def convert(self, source) -> tuple[Tensors, dict[str, str]]:
        self.assert_succeeds(self.call("convert_torch", source, self.out))
        return read_safetensors(self.out)

    def test_features_are_those_of_torchvision(self):
        golden, _ = read_safetensors(GOLDEN / "torchvision_features.safetensors")
        base, metadata = self.convert(STATE)
        self.assertEqual(metadata, {
            "format": "ember-1", "architecture": "mobilenet_v2", "width_multiplier": "0.1",
            "classes": "[]", "image_size": "224", "scale": "imagenet", "padding": "pytorch",
            "batch_norm_epsilon": "1e-05"})
        expected = golden["feature_map"]

        def distance(padding, epsilon):
            difference = features(base, golden["input"], padding, epsilon) - expected
            return np.linalg.norm(difference) / np.linalg.norm(expected)

        self.assertLess(distance((1, 1), 1e-5), 1e-6)
        self.assertGreater(distance((0, 1), 1e-5), 1e-2)
        self.assertGreater(distance((1, 1), 1e-3), 1e-3)

    def test_every_tensor_is_mapped_once(self):
        def values(tensors):
            return sorted(np.sort(tensor.ravel()).tobytes() for tensor in tensors)

        state, _ = read_safetensors(STATE)
        base, _ = self.convert(STATE)
        self.assertEqual(values(base.values()),
                         values(t for name, t in state.items() if "classifier" not in name))

    def test_formats_and_libraries_give_the_same_bytes(self):
        """Both libraries list a network's tensors in forward order, so one's state dict is the
        other's under other names."""
        self.convert(STATE)
        expected = self.out.read_bytes()

        state, _ = read_safetensors(STATE)
        npz = self.folder / "state.npz"
        np.savez(npz, **state)
        self.convert(npz)
        self.assertEqual(self.out.read_bytes(), expected)

        timm_names = [line.split()[0] for line in TIMM_NAMES.read_text().splitlines()]
        self.assertEqual(len(timm_names), len(state))
        timm = self.folder / "timm.npz"
        np.savez(timm, **dict(zip(timm_names, in_forward_order(state).values())))
        self.convert(timm)
        self.assertEqual(self.out.read_bytes(), expected)

    def test_prefix_of_data_parallel(self):
        state, _ = read_safetensors(STATE)
        self.convert(STATE)
        expected = self.out.read_bytes()
        source = self.folder / "state.safetensors"
        source.write_bytes(canonical_bytes({f"module.{k}": v for k, v in state.items()}, {}))
        self.convert(source)
        self.assertEqual(self.out.read_bytes(), expected)


def in_forward_order(state: Tensors) -> Tensors:
    """A safetensors file sorts its names; torchvision's state dict runs by module number."""
    variables = ["weight", "bias", "running_mean", "running_var"]

    def key(name: str):
        module, variable = name.rsplit(".", 1)
        numbers = [int(part) for part in module.split(".") if part.isdecimal()]
        return module.startswith("classifier"), numbers, variables.index(variable)

    return {name: state[name] for name in sorted(state, key=key)}


class Refusal(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.state, _ = read_safetensors(STATE)
        self.source = self.folder / "state.npz"

    def assert_refused(self, *words: str) -> None:
        np.savez(self.source, **self.state)
        result = self.call("convert_torch", self.source, self.out)
        self.assert_fails(result, os.EX_DATAERR, str(self.source), *words)

    def test_missing_and_unexpected_tensors_are_listed(self):
        del self.state["features.0.0.weight"]
        self.state["features.19.0.weight"] = np.ones((8, 8, 1, 1), np.float32)
        self.assert_refused("missing Conv1/kernel", "unexpected features.19.0.weight")

    def test_misshaped_tensors_are_listed(self):
        self.state["features.0.1.weight"] = np.ones(9, np.float32)
        self.assert_refused("bn_Conv1/gamma has shape (9,), not (8,)")

    def test_another_architecture(self):
        self.state = {"layer1.0.conv1.weight": np.ones((64, 64, 3, 3), np.float32)}
        self.assert_refused("holds no MobileNetV2")

    def test_another_type(self):
        self.state["features.0.1.bias"] = self.state["features.0.1.bias"].astype(np.float16)
        self.assert_refused("features.0.1.bias is float16")

    def test_pickled_objects(self):
        self.state["features.0.1.bias"] = np.array([{}], object)
        self.assert_refused("no npz file of plain arrays")

    def test_damaged_files(self):
        content = STATE.read_bytes()
        for name, damaged in (("empty", b""), ("truncated", content[:-4]), ("long", content + b"0"),
                              ("header", content[:1000]), ("size", b"\xff" * 8 + content[8:]),
                              ("offsets", re.sub(rb"\[0,", b"[9,", content, count=1)),
                              ("list", b"\2\0\0\0\0\0\0\0[]")):
            with self.subTest(name):
                source = self.folder / name
                source.write_bytes(damaged)
                result = self.call("convert_torch", source, self.out)
                self.assert_fails(result, os.EX_DATAERR, str(source))

    def test_the_source_is_not_overwritten(self):
        self.out = self.folder / "state.safetensors"
        self.out.write_bytes(STATE.read_bytes())
        result = self.call("convert_torch", self.out, self.folder / "out" / ".." / self.out.name)
        self.assertEqual(result.returncode, os.EX_USAGE)
        self.assertEqual(self.out.read_bytes(), STATE.read_bytes())

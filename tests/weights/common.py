"""What the tests of weights/ share: drawn networks in every file format, and running a script."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

import mobilenet_v2
from ember_weights import Tensors

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "weights"
GOLDEN = ROOT / "tests" / "golden"
KERAS_H5 = "keras_mobilenet_v2_1.0_224_no_top.h5"


def asset(name: str) -> Path:
    """A file of EMBER_TEST_ASSETS/weights; without it the test is skipped."""
    folder = os.environ.get("EMBER_TEST_ASSETS")
    if not folder:
        raise unittest.SkipTest("EMBER_TEST_ASSETS is not set")
    return Path(folder) / "weights" / name


def drawn_base(width: float = 0.1, seed: int = 1) -> Tensors:
    """A base in Ember's layout, every value different from (nearly) every other."""
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape, np.float32)
            for name, shape in mobilenet_v2.shapes(width).items()}


def keras_tensor(name: str, tensor: np.ndarray) -> np.ndarray:
    """From Ember's layout to Keras's: what the converter has to undo."""
    if tensor.ndim == 4:
        return np.moveaxis(tensor, 0, -1)
    return tensor[..., np.newaxis] if tensor.ndim == 3 else tensor


def write_keras_2(path: Path, base: Tensors, whole_model: bool = False) -> None:
    """`layer/layer/variable:0`; a whole model has a head and an optimizer beside it."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole_model else file
        for name, tensor in base.items():
            layer, variable = name.split("/")
            if name.endswith("_depthwise/kernel"):
                variable = "depthwise_kernel"
            group[f"{layer}/{layer}/{variable}:0"] = keras_tensor(name, tensor)
        if whole_model:
            group["dense/dense/kernel:0"] = np.ones((1280, 2), np.float32)
            file["optimizer_weights/training/Adam/Conv1/kernel/m:0"] = np.ones(3, np.float32)


def write_keras_3(path: Path, base: Tensors, names_stored: bool = True) -> None:
    """`layers/class_i/vars/j`; later Keras 3 store the layer's name as an attribute of `vars`."""
    layers: dict[str, list[str]] = {}
    for name in base:
        layers.setdefault(name.split("/")[0], []).append(name)
    count = {"conv2d": 0, "depthwise_conv2d": 0, "batch_normalization": 0}
    with h5py.File(path, "w") as file:
        for layer, names in layers.items():
            of_class = ("batch_normalization" if len(names) == 4 else
                        "depthwise_conv2d" if layer.endswith("_depthwise") else "conv2d")
            number = f"_{count[of_class]}" if count[of_class] else ""
            count[of_class] += 1
            group = file.create_group(f"layers/{of_class}{number}/vars")
            if names_stored:
                group.attrs["name"] = layer
            for j, name in enumerate(names):
                group[str(j)] = keras_tensor(name, base[name])
        file["layers/dense/vars/0"] = np.ones((1280, 2), np.float32)
        file["optimizer/vars/0"] = np.ones((), np.int64)


class ScriptTest(unittest.TestCase):
    """Has a temporary folder, in which a failed script must leave nothing."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out" / "weights.safetensors"
        self.out.parent.mkdir()

    def call(self, script: str, *arguments: object, folder: Path = WEIGHTS,
             **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, folder / script, *map(str, arguments)],
                              capture_output=True, text=True, env={**os.environ, **environment})

    def assert_succeeds(self, result: subprocess.CompletedProcess) -> None:
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([path.name for path in self.out.parent.iterdir()], [self.out.name])

    def assert_fails(self, result: subprocess.CompletedProcess, code: int, *words: str) -> None:
        """One line `error: ...` that says all of `words`, and no file."""
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertRegex(result.stderr, r"\Aerror: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(list(self.out.parent.iterdir()), [])

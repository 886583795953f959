"""`export` and weights/convert_onnx: ONNX Runtime sees what `predict` sees, and the way back."""

import json
import os
import struct
import subprocess
import unittest
from pathlib import Path

import numpy as np
import onnx

import mobilenet_v2
from common import ROOT, ScriptTest
from ember_weights import FORMAT, Tensors, canonical_bytes, read_safetensors

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

PROGRAMS = Path(os.environ.get("EMBER_PROGRAM_DIR", ROOT / "build"))
CLASSES = ["with_mask", 'without "mask"', "verrückt"]
TOLERANCE = 1e-5


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = 1) -> Tensors:
    """Random weights of networks that do not magnify rounding (as they would with twice the
    variance), nor lose sight of the photo."""
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in shapes.items():
        variable = name.split("/")[1]
        if variable == "kernel":
            inputs = 9 if mobilenet_v2.is_depthwise(name) else np.prod(shape[1:])
            tensor = generator.normal(0, inputs**-0.5, shape)
        elif variable in ("gamma", "moving_variance"):
            tensor = generator.uniform(0.5, 1.5, shape)
        else:
            tensor = generator.normal(0, 0.3, shape)
        tensors[name] = tensor.astype(np.float32)
    return tensors


def head(inputs: int) -> dict[str, tuple[int, ...]]:
    return {"dense/kernel": (128, inputs), "dense/bias": (128,),
            "dense_1/kernel": (len(CLASSES), 128), "dense_1/bias": (len(CLASSES),)}


def mobilenet(width: float, classes: list[str], size: int, scale: str, padding: str,
              epsilon: str) -> bytes:
    shapes = mobilenet_v2.shapes(width) | (head(1280) if classes else {})
    return canonical_bytes(drawn(shapes), {
        "format": FORMAT, "architecture": "mobilenet_v2", "width_multiplier": str(width),
        "classes": json.dumps(classes, separators=(",", ":"), ensure_ascii=False),
        "image_size": str(size), "scale": scale, "padding": padding,
        "batch_norm_epsilon": epsilon})


def baseline(size: int, scale: str) -> bytes:
    side = ((size - 2) // 2 - 2) // 2
    shapes = {"conv2d/kernel": (32, 3, 3, 3), "conv2d/bias": (32,),
              "conv2d_1/kernel": (64, 3, 3, 32), "conv2d_1/bias": (64,)} | head(side * side * 64)
    return canonical_bytes(drawn(shapes), {
        "format": FORMAT, "architecture": "baseline_cnn", "image_size": str(size), "scale": scale,
        "classes": json.dumps(CLASSES, separators=(",", ":"), ensure_ascii=False)})


NETWORKS = {
    "narrow": mobilenet(0.35, CLASSES, 96, "symmetric", "tensorflow", "0.001"),
    "pytorch": mobilenet(1.0, CLASSES, 64, "imagenet", "pytorch", "1e-05"),
    "base": mobilenet(1.0, [], 64, "symmetric", "tensorflow", "0.001"),
    "pytorch base": mobilenet(0.35, [], 96, "unit", "pytorch", "1e-05"),
    "baseline": baseline(37, "unit"),
}


def write_bmp(path: Path, pixels: np.ndarray) -> None:
    """RGB (height, width, 3) as 24-bit BMP: rows from below, BGR, filled up to 4 bytes."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, (3 * width + 3) // 4 * 4), np.uint8)
    rows[:, : 3 * width] = pixels[::-1, :, ::-1].reshape(height, -1)
    path.write_bytes(struct.pack("<2sI4xI", b"BM", 54 + rows.size, 54)
                     + struct.pack("<IiiHHII16x", 40, width, height, 1, 24, 0, rows.size)
                     + rows.tobytes())


class OnnxTest(ScriptTest):
    """Has weights files, and three photos of just the size that a network takes."""

    def setUp(self) -> None:
        super().setUp()
        if not (PROGRAMS / "export").exists():
            raise unittest.SkipTest(f"{PROGRAMS} holds no `export`: build it first")
        self.weights = self.folder / "weights.safetensors"
        self.exported = self.folder / "exported.onnx"

    def program(self, name: str, *arguments: object) -> str:
        result = subprocess.run([PROGRAMS / name, *map(str, arguments)], capture_output=True,
                                text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def export(self, network: bytes, batch_norm: str) -> onnx.ModelProto:
        self.weights.write_bytes(network)
        self.program("export", "--weights", self.weights, "--batch-norm", batch_norm, self.exported)
        return onnx.load(self.exported)

    def photos(self, weights: Path) -> np.ndarray:
        """(3, size, size, 3), also as photo-<n>.bmp."""
        size = int(read_safetensors(weights)[1]["image_size"])
        photos = np.random.default_rng(2).integers(0, 256, (3, size, size, 3), np.uint8)
        for n, photo in enumerate(photos):
            write_bmp(self.folder / f"photo-{n}.bmp", photo)
        return photos

    def predicted(self, weights: Path) -> tuple[str, np.ndarray]:
        """What `predict` says of the photos: probabilities (3, classes), or feature maps NCHW."""
        photos = sorted(self.folder.glob("photo-*.bmp"))
        if read_safetensors(weights)[1]["classes"] == "[]":
            out = self.folder / "features.safetensors"
            self.program("predict", "--weights", weights, "--feature-map", out, *photos)
            return "features", read_safetensors(out)[0]["feature_map"].transpose(0, 3, 1, 2)
        text = self.program("predict", "--weights", weights, "--json", *photos)
        return "probabilities", np.array([[prediction["probabilities"][name] for name in CLASSES]
                                          for prediction in json.loads(text)])

    def assert_close(self, actual: np.ndarray, expected: np.ndarray) -> None:
        self.assertEqual(actual.shape, expected.shape)
        self.assertGreater(np.std(expected), 0.01)
        largest = max(1, np.abs(expected).max())
        self.assertLess(np.abs(actual - expected).max() / largest, TOLERANCE)


class Export(OnnxTest):
    def test_checker(self):
        for name, network in NETWORKS.items():
            for batch_norm in ("fold", "keep"):
                with self.subTest(name, batch_norm=batch_norm):
                    model = self.export(network, batch_norm)
                    onnx.checker.check_model(model, full_check=True)
                    kinds = {node.op_type for node in model.graph.node}
                    self.assertEqual("BatchNormalization" in kinds,
                                     batch_norm == "keep" and name != "baseline")

    @unittest.skipUnless(onnxruntime, "Python finds no onnxruntime; scripts/test.sh installs it "
                                      "under build/python")
    def test_onnxruntime_sees_what_predict_sees(self):
        for name, network in NETWORKS.items():
            for batch_norm in ("fold", "keep"):
                with self.subTest(name, batch_norm=batch_norm):
                    self.export(network, batch_norm)
                    photos = self.photos(self.weights)
                    output, expected = self.predicted(self.weights)
                    session = onnxruntime.InferenceSession(
                        self.exported, providers=["CPUExecutionProvider"])
                    images = network_input(photos, session.get_modelmeta().custom_metadata_map)
                    for count in (1, 3):
                        (actual,) = session.run([output], {"images": images[:count]})
                        self.assert_close(actual, expected[:count])
                    if output == "probabilities":
                        (logits,) = session.run(["logits"], {"images": images})
                        raised = np.exp(logits.astype(np.float64))
                        self.assert_close(raised / raised.sum(1, keepdims=True), expected)


def network_input(photos: np.ndarray, metadata: dict[str, str]) -> np.ndarray:
    """What the metadata say that becomes of photos."""
    assert (metadata["input.colors"], metadata["input.layout"]) == ("RGB", "NCHW")
    size = (int(metadata["input.height"]), int(metadata["input.width"]))
    assert photos.shape[1:3] == size, "so that nothing is resized"
    mean, std = (np.array(json.loads(metadata[key])) for key in ("input.mean", "input.std"))
    return ((photos - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)


class Return(OnnxTest):
    def convert(self, network: bytes, batch_norm: str) -> None:
        self.export(network, batch_norm)
        self.assert_succeeds(self.call("convert_onnx", self.exported, self.out))

    def test_kept_batch_norm_gives_the_same_bytes(self):
        for name, network in NETWORKS.items():
            with self.subTest(name):
                self.convert(network, "keep")
                self.assertEqual(self.out.read_bytes(), network)

    def test_folded_batch_norm_predicts_the_same(self):
        for name, network in NETWORKS.items():
            with self.subTest(name):
                self.convert(network, "fold")
                self.assertEqual(self.out.read_bytes() == network, name == "baseline")
                self.photos(self.weights)
                self.assert_close(self.predicted(self.out)[1], self.predicted(self.weights)[1])

    def test_a_folded_file_goes_round_again(self):
        """Its BatchNorms are the identity, so nothing is left to change."""
        self.convert(NETWORKS["narrow"], "fold")
        once, _ = read_safetensors(self.out)
        self.convert(self.out.read_bytes(), "fold")
        twice, _ = read_safetensors(self.out)
        self.assertEqual(once.keys(), twice.keys())
        for name, tensor in once.items():
            np.testing.assert_allclose(twice[name], tensor, rtol=1e-6, atol=0, err_msg=name)


class Refusal(OnnxTest):
    def setUp(self) -> None:
        super().setUp()
        self.model = self.export(NETWORKS["narrow"], "fold")

    def assert_refused(self, *words: str) -> None:
        self.exported.write_bytes(self.model.SerializeToString())
        result = self.call("convert_onnx", self.exported, self.out)
        self.assert_fails(result, os.EX_DATAERR, str(self.exported), *words)

    def tensor(self, name: str) -> onnx.TensorProto:
        (tensor,) = (tensor for tensor in self.model.graph.initializer if tensor.name == name)
        return tensor

    def metadata(self, key: str) -> onnx.StringStringEntryProto:
        (entry,) = (entry for entry in self.model.metadata_props if entry.key == key)
        return entry

    def test_models_of_others(self):
        del self.model.metadata_props[:]
        self.assert_refused("was not exported by this version of Ember")

    def test_another_operator_set(self):
        self.model.opset_import[0].version = 18
        self.assert_refused("('', 18)")

    def test_missing_tensors_are_listed(self):
        for name in ("Conv1/kernel", "dense/bias"):
            self.model.graph.initializer.remove(self.tensor(name))
        self.assert_refused("lacks Conv1/kernel, dense/bias")

    def test_tensors_that_hold_something_else(self):
        kernel = self.tensor("Conv1/kernel")
        original = onnx.TensorProto.FromString(kernel.SerializeToString())
        kernel.data_type = onnx.TensorProto.INT32
        self.assert_refused("Conv1/kernel does not hold the float32")
        kernel.CopyFrom(original)
        kernel.dims[0] += 1
        self.assert_refused("Conv1/kernel does not hold the float32", "[17, 3, 3, 3]")
        kernel.CopyFrom(original)
        kernel.ClearField("raw_data")
        kernel.data_location = onnx.TensorProto.EXTERNAL
        self.assert_refused("Conv1/kernel does not hold the float32")
        kernel.CopyFrom(original)
        kernel.raw_data = b"\0\0\xc0\x7f" + original.raw_data[4:]
        self.assert_refused("NaN or infinity in Conv1/kernel")
        kernel.CopyFrom(original)
        del kernel.dims[2:]
        kernel.dims[1] = 27
        self.assert_refused("Conv1/kernel has not four dimensions")

    def test_folds_that_do_not_fit(self):
        folded = self.metadata("ember.folded")
        for text in ("", "[]", "{", '{"bn_Conv1":{}}', '{"bn":{"convolution":"none"}}'):
            with self.subTest(text):
                folded.value = text
                self.assert_refused("ember.folded")

    def test_damaged_files(self):
        content = self.exported.read_bytes()
        for name, damaged in (("empty", b""), ("truncated", content[:-4]), ("text", b"onnx\n" * 99),
                              ("half", content[: len(content) // 2]), ("weights", NETWORKS["base"])):
            with self.subTest(name):
                self.exported.write_bytes(damaged)
                result = self.call("convert_onnx", self.exported, self.out)
                self.assert_fails(result, os.EX_DATAERR, str(self.exported))

    def test_wrong_command_lines(self):
        absent = self.folder / "absent"
        for code, word, *arguments in (
            (os.EX_NOINPUT, "absent", absent, self.out),
            (os.EX_CANTCREAT, "no folder", self.exported, absent / "w.safetensors"),
            (os.EX_USAGE, "safetensors", self.exported, self.out.with_suffix(".onnx")),
            (os.EX_USAGE, "OUT", self.exported),
        ):
            with self.subTest(arguments=arguments):
                self.assert_fails(self.call("convert_onnx", *arguments), code, word)

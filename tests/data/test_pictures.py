import io
import os
import struct
import zipfile
import zlib
from csv import DictReader

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from minigrad.data import DataError, photographs
from minigrad.data.pictures import MOST_PACKED, members
from tests.data.published import real

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 7, 3), np.uint8)


def only(folder, **options):
    """The one picture of a folder, (h, w, 3)."""
    (image,), _, skipped = photographs(folder, **options)
    assert not skipped
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    return image.transpose(1, 2, 0)


def test_the_photographs_are_read_as_they_are_stored():
    folder = real("photos")
    images, names, skipped = photographs(folder)
    assert len(images) == len(names) == 72
    assert not skipped
    assert names == sorted(names)
    with (folder / "index.csv").open() as index:
        sides = {row["file"]: (int(row["height"]), int(row["width"])) for row in DictReader(index)}
    assert {name: image.shape[1:] for name, image in zip(names, images)} == sides
    with Image.open(folder / names[5]) as picture:
        assert_array_equal(images[5].transpose(1, 2, 0), np.asarray(picture))


def test_a_longer_side_is_shrunk_and_a_shorter_left():
    images, names, _ = photographs(real("photos"), longest=100)
    assert {max(image.shape[1:]) for image in images} == {100}
    assert images[names.index("wiki_010.jpg")].shape == (3, 31, 100)  # 512 x 159


def test_a_large_jpeg_is_shrunk_as_if_it_had_been_read_whole(tmp_path):
    with Image.open(real("photos/kodak_05.jpg")) as picture:
        picture.resize((2048, 1364)).save(tmp_path / "large.jpg")
        small = np.asarray(picture.resize((128, 85)), float)
    difference = only(tmp_path, longest=128) - small
    assert abs(difference).mean() < 3


def test_areas_are_drawn_evenly_and_shapes_kept_of_large_and_small_pictures(tmp_path):
    for i in range(20):
        Image.new("RGB", ((300, 200), (30, 20))[i % 2], (10, 20, i)).save(tmp_path / f"{i:02}.png")
    images, again = (
        photographs(tmp_path, area=(5000, 15000), rng=np.random.default_rng(0)).images for _ in "12"
    )
    drawn = np.random.default_rng(0).integers(5000, 15001, 20)
    for i, (image, n) in enumerate(zip(images, drawn)):
        _, h, w = image.shape
        assert h * w == pytest.approx(n, rel=0.02)
        assert w / h == pytest.approx(1.5, rel=0.02)
        assert_array_equal(image[:, 0, 0], [10, 20, i])
        assert_array_equal(image, again[i])


@pytest.mark.parametrize("area", [(0, 5), (9, 8)])
def test_an_area_that_is_none_is_refused(tmp_path, area):
    with pytest.raises(ValueError, match="area is .*, 1 or more pixels, drawn by rng.* got area"):
        photographs(tmp_path, area=area, rng=np.random.default_rng(0))


def test_an_area_takes_a_generator_and_no_longest_side(tmp_path):
    for options in ({}, {"rng": np.random.default_rng(0), "longest": 9}):
        with pytest.raises(ValueError, match="drawn by rng, and without longest"):
            photographs(tmp_path, area=(5, 9), **options)


def test_colours_are_kept_and_no_side_changed_that_is_short(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    assert_array_equal(only(tmp_path, longest=7), COLOURS)


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif", "webp"])
def test_all_kinds_of_files_are_read(tmp_path, ending):
    lossless = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(COLOURS).save(tmp_path / f"a.{ending}", **lossless)
    assert_array_equal(only(tmp_path), COLOURS)


@pytest.mark.parametrize("kind", ["GIF", "MPO"])
def test_of_several_pictures_in_a_file_the_first_is_read(tmp_path, kind):
    first, second = Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8))
    path = tmp_path / ("a.jpg" if kind == "MPO" else "a.gif")
    first.save(path, kind, save_all=True, append_images=[second])
    assert only(tmp_path).min() == 255


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = COLOURS[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert_array_equal(only(tmp_path), np.stack([grey] * 3, 2))


def test_one_bit_becomes_black_and_white(tmp_path):
    bits = COLOURS[..., 0] > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert_array_equal(only(tmp_path)[..., 1], 255 * bits)


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.fromarray(COLOURS).quantize(200)
    picture.save(tmp_path / "a.png")
    assert picture.mode == "P"
    assert_array_equal(only(tmp_path), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_keep_their_upper_half(tmp_path, ending):
    grey = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / f"a.{ending}")
    assert_array_equal(only(tmp_path)[..., 2], grey >> 8)


def test_cmyk_becomes_the_light_that_its_inks_leave(tmp_path):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, 8:, 0] = 255  # cyan swallows red
    inks[8:, :, 3] = 255  # and black everything
    Image.frombytes("CMYK", (16, 16), inks.tobytes()).save(tmp_path / "a.tif")
    found = only(tmp_path)
    assert_array_equal(found[0, 0], [255, 255, 255])
    assert_array_equal(found[0, 15], [0, 255, 255])
    assert_array_equal(found[15, 0], [0, 0, 0])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_laid_on_white(tmp_path, mode):
    picture = Image.new("LA", (2, 1), (100, 255))
    picture.putpixel((1, 0), (100, 0))
    picture.convert(mode).save(tmp_path / "a.png")
    assert_array_equal(only(tmp_path)[0], [[100] * 3, [255] * 3])


def test_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (1, 1), (255, 0, 100, 51)).save(tmp_path / "a.png")
    assert_array_equal(only(tmp_path)[0, 0], [255, 204, 224])


@pytest.mark.parametrize("kind", ["P", "L", "RGB"])
def test_a_colour_that_stands_for_nothing_is_white(tmp_path, kind):
    clear = (10, 10, 10) if kind == "RGB" else 0
    picture = Image.new(kind, (2, 1), clear)
    picture.putpixel((1, 0), (50, 60, 70) if kind == "RGB" else 200)
    if kind == "P":
        picture.putpalette([10] * 600 + [50, 60, 70])
    picture.save(tmp_path / "a.png", transparency=clear)
    assert_array_equal(only(tmp_path)[0, 0], [255] * 3)
    assert only(tmp_path)[0, 1].max() < 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_taken_with_the_camera_turned_is_upright(tmp_path, orientation):
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = 255  # bright above and to the left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    picture = Image.fromarray(np.ascontiguousarray(stored))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    assert_array_equal(only(tmp_path), upright)


def test_16_bits_are_turned_too(tmp_path):
    grey = np.arange(6, dtype=np.uint16).reshape(2, 3) << 8
    picture = Image.fromarray(grey)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    assert_array_equal(only(tmp_path)[..., 0], np.rot90(grey >> 8, -1))


def jpeg():
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


def png(width, height):
    """A PNG whose head promises such sides."""

    def chunk(kind, content):
        length, crc = len(content), zlib.crc32(kind + content)
        return struct.pack(">I", length) + kind + content + struct.pack(">I", crc)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


BROKEN = {
    "cut.jpg": (lambda: jpeg()[:900], "truncated"),
    "head.jpg": (lambda: jpeg()[:20], "truncated|no JPEG"),
    "empty.png": (lambda: b"", "no JPEG, PNG"),
    "text.gif": (lambda: b"no picture", "no JPEG, PNG"),
    "giant.png": (lambda: png(60_000, 60_000), "3600000000 pixels"),
    "large.png": (lambda: png(10_000, 9_000), "10000 x 9000 pixels are more than 89,478,485"),
    "short.png": (lambda: png(1_000, 1_000), "truncated|broken"),
    "phone.heic": (lambda: b"\0\0\0\x18ftypheic" + bytes(12), "no JPEG, PNG"),
    "postscript.jpg": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no JPEG"),
}


def test_broken_pictures_among_good_ones_are_skipped_and_listed(tmp_path):
    for name, (content, _) in BROKEN.items():
        (tmp_path / name).write_bytes(content())
    for name in ("good.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    images, names, skipped = photographs(tmp_path)
    assert len(images) == 2
    assert names == ["a.jpg", "good.jpg"]
    assert [name for name, _ in skipped] == sorted(BROKEN)
    for name, why in skipped:
        assert any(part in why for part in BROKEN[name][1].split("|")), (name, why)


def test_numbers_whose_white_is_not_known_are_skipped(tmp_path):
    (tmp_path / "good.jpg").write_bytes(jpeg())
    Image.fromarray(np.full((2, 2), 1 << 20, np.int32)).save(tmp_path / "long.tif")
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(tmp_path / "float.tif")
    skipped = dict(photographs(tmp_path).skipped)
    assert skipped.keys() == {"long.tif", "float.tif"}
    assert all("white is not known" in why for why in skipped.values())


def test_pictures_in_folders_of_folders_come_by_name_and_the_hidden_stay_so(tmp_path):
    shown = ["b.JPG", "a/z.jpeg", "a/b/c.jpg", "c/a.jpg"]
    for name in [*shown, ".hidden.jpg", ".git/a.jpg", "a/.thumbs/b.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    for name in ("notes.txt", "a/index.csv", "film.mov", "jpg"):
        (tmp_path / name).write_text("no picture")
    assert photographs(tmp_path).names == sorted(shown)
    assert photographs(str(tmp_path)).skipped == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="this system has no symbolic links")
def test_links_in_a_circle_end_and_a_linked_picture_is_read(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a.jpg").write_bytes(jpeg())
    (tmp_path / "below/again").symlink_to(tmp_path)
    (tmp_path / "b.jpg").symlink_to("below/a.jpg")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "nowhere.jpg").symlink_to("nothing.jpg")
    _, names, skipped = photographs(tmp_path)
    assert names == ["b.jpg", "below/a.jpg"]
    assert [name for name, _ in skipped] == ["itself.jpg", "nowhere.jpg"]


def test_a_folder_without_pictures_and_no_folder_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"holds no pictures \(JPEG, PNG"):
        photographs(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=f"{tmp_path} holds no pictures"):
        photographs(tmp_path)
    with pytest.raises(DataError, match="notes.txt is a file: give the folder that it is in"):
        photographs(tmp_path / "notes.txt")
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/elsewhere"):
        photographs(tmp_path / "elsewhere")
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 2 pictures can be read \(a.jpg: no JPEG.*; b.jp"):
        photographs(tmp_path)


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg())

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(PermissionError):
        photographs(tmp_path)


# the members of a zip


@pytest.fixture
def packed(tmp_path):
    def pack(contents, method=zipfile.ZIP_DEFLATED):
        path = tmp_path / "pictures.zip"
        with zipfile.ZipFile(path, "w", method) as file:
            for name, content in contents.items():
                file.writestr(name, content)
        return path

    return pack


def test_a_zip_and_the_folder_it_packs_are_read_alike(packed, tmp_path):
    contents = {name: jpeg() for name in ("b/2.jpg", "a/1.jpg", "a/10.jpg")}
    for name, content in contents.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    pairs = zip(members(packed(contents), 9), members(tmp_path / "folder", 9), strict=True)
    for (name, picture), (same, other) in pairs:
        assert name == same
        assert_array_equal(np.asarray(picture), np.asarray(other))


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        list(members(path, **{"most": 3, **options}))
    return str(caught.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(packed):
    path = packed({"a.png": bytes(MOST_PACKED + 1)})
    assert path.stat().st_size < 2000
    assert "pictures.zip: a.png unpacks to 1,048,577 bytes, more than 1,048,576" in refused(path)


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(packed):
    path = packed({"a.png": bytes(100_000)})
    content = path.read_bytes().replace(struct.pack("<I", 100_000), struct.pack("<I", 50))
    path.write_bytes(content)
    assert "pictures.zip is damaged" in refused(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_zip_that_was_cut_off_is_refused(packed, kept):
    path = packed({"a.jpg": jpeg()})
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "pictures.zip is damaged or cut off" in refused(path)


def test_a_member_with_a_changed_byte_is_refused(packed):
    content = jpeg()
    path = packed({"a.jpg": content}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(content[500:520], bytes(20)))
    assert "pictures.zip is damaged or cut off: Bad CRC-32 for file 'a.jpg'" in refused(path)


def test_more_or_other_pictures_than_there_should_be_are_refused(packed):
    path = packed({f"{i}.jpg": jpeg() for i in range(4)})
    assert "pictures.zip holds more than 3 pictures" in refused(path)
    assert "0.jpg: 64 x 64 pixels, not 32 x 32" in refused(path, most=9, sides=(32, 32))
    assert "a.jpg: no JPEG" in refused(packed({"a.jpg": b"no picture"}))


def test_a_pipe_is_not_waited_for(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert photographs(tmp_path).names == ["a.png"]

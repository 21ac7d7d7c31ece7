import gzip
import lzma
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minigrad.data import DataError
from minigrad.data.formats import labelled, read_idx, read_records, unpacked
from tests.data.published import idx, real

PACKED = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}
IMAGES = idx(3, 2, 2, of=lambda shape: np.arange(12, dtype=np.uint8))


@pytest.fixture
def written(tmp_path):
    def write(content, ending=""):
        path = tmp_path / f"images{ending}"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("ending", PACKED)
def test_a_file_is_read_plain_or_packed(written, ending):
    path = written(PACKED[ending](IMAGES), ending)
    assert unpacked(path, len(IMAGES)) == IMAGES
    assert unpacked(path, 1000, first=5) == IMAGES[:5]
    assert_array_equal(read_idx(path, (2, 2)).ravel(), range(12))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_packed_file_that_was_cut_off_is_refused_by_name(written, ending, kept):
    content = PACKED[ending](np.random.default_rng(0).bytes(5000))
    path = written(content[: int(kept * len(content)) + 2], ending)
    with pytest.raises(DataError, match=rf"images\{ending} is damaged or cut off"):
        unpacked(path, 5000)


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_a_packed_file_with_a_changed_byte_is_refused_by_name(written, ending):
    content = bytearray(PACKED[ending](np.random.default_rng(0).bytes(5000)))
    content[2500] ^= 1
    with pytest.raises(DataError, match="is damaged or cut off"):
        unpacked(written(content, ending), 5000)


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_a_plain_file_with_a_packed_ones_name_is_refused(written, ending):
    with pytest.raises(DataError, match="is damaged or cut off"):
        unpacked(written(IMAGES, ending), 1000)


@pytest.mark.parametrize("ending", PACKED)
def test_a_file_that_unpacks_to_more_than_it_can_hold_is_left_at_once(written, ending):
    path = written(PACKED[ending](bytes(30 << 20)), ending)
    tracemalloc.start()
    with pytest.raises(DataError, match="images.* holds more than 1,000 bytes, the most"):
        unpacked(path, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20  # of which 8 are xz's own


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "images begins with 0x0000, not 0x0803"),
        (IMAGES[:9], "images is cut off: it holds 9 bytes, its head has 16"),
        (IMAGES[:-1], r"its head, which says \[3, 2, 2\], it holds 11 bytes"),
        (IMAGES + b"\0", r"it holds 13 bytes"),
        (idx(12), "begins with 0x0801, not 0x0803: it is of another kind"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "begins with 0x0d03"),
        (idx(3, 2, 4), r"holds images of \[2, 4\] pixels, not \[2, 2\]"),
        (b"\0\0\x08\x03\xff\xff\xff\xff" + IMAGES[8:], r"which says \[4294967295, 2, 2\]"),
    ],
)
def test_an_idx_file_that_is_not_what_its_head_says_is_refused(written, content, sentence):
    with pytest.raises(DataError, match=sentence):
        read_idx(written(content), (2, 2))


def test_faces_in_the_layout_of_mnist_are_read():
    X = read_idx(real("olivetti/faces-images-idx3-ubyte.gz"), (64, 64))
    T = read_idx(real("olivetti/faces-labels-idx1-ubyte.gz"), ())
    assert X.shape == (400, 64, 64)
    assert_array_equal(T, np.arange(400) // 10)


@pytest.mark.parametrize("length", [0, 1, 5, 7, 24])
def test_bytes_that_are_no_whole_records_are_refused(written, length):
    with pytest.raises(DataError, match="images holds .* bytes, "):
        read_records(written(bytes(length)), 6, 3)


def test_records_are_read_all_or_the_first(written):
    path = written(bytes(range(12)))
    assert read_records(path, 4, 3).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert read_records(path, 4, 3, first=2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([1, 2], "labels has 2 labels for 3 images"),
        ([1, 2, 11], "labels has label 11 at 2: labels are 1 to 10"),
        ([1, 0, 2], "labels has label 0 at 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_place(tmp_path, labels, sentence):
    with pytest.raises(DataError, match=sentence):
        labelled(np.zeros((3, 4)), np.array(labels, np.uint8), tmp_path / "labels", lowest=1)


def test_labels_count_from_0():
    _, T = labelled(np.zeros((3, 4)), np.array([1, 10, 2], np.uint8), None, lowest=1)
    assert T.tolist() == [0, 9, 1]
    assert T.dtype == np.int64

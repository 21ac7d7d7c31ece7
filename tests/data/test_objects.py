import numpy as np
import pytest

from minigrad.data import cluttered, planted
from minigrad.data.objects import TEXTURES


def made(n=24, seed=0, **options):
    return planted(n, np.random.default_rng(seed), **({"side": 48, "size": 24} | options))


def cut(made, i):
    top, left, h, w = made.boxes[i]
    return made.images[i, :, top : top + h, left : left + w].astype(float)


def alike(A, B):
    return np.corrcoef(A.ravel(), B.ravel())[0, 1]


def test_equal_generators_make_equal_collections_and_others_other_ones():
    a, b, c = made(), made(), made(seed=1)
    assert all((x == y).all() for x, y in zip(a, b))
    assert (a.images != c.images).any()


def test_each_kind_is_planted_equally_often_inside_its_image():
    m = made(25, kinds=3, share=0.6)
    assert m.images.shape == (25, 3, 48, 48)
    assert np.bincount(m.kinds + 1).tolist() == [10, 5, 5, 5]
    there = m.kinds >= 0
    assert not m.boxes[~there].any()
    top, left, h, w = m.boxes[there].T
    assert (h == 24).all()
    assert (w == 24).all()
    assert min(top.min(), left.min()) >= 0
    assert max(top.max(), left.max()) <= 24
    assert len({tuple(box) for box in m.boxes[there]}) > 10  # anywhere
    assert (made(share=0).kinds == -1).all()
    assert (made(share=1).kinds >= 0).all()


def test_objects_of_a_kind_look_alike_where_they_are_said_to_be_and_others_do_not():
    m = made(24, kinds=2, share=1)
    within, between = [], []
    for i in range(24):
        for j in range(i):
            (within if m.kinds[i] == m.kinds[j] else between).append(alike(cut(m, i), cut(m, j)))
    assert np.mean(within) > 0.7
    assert min(within) > max(between)
    assert max(within) < 0.99  # no copies


def test_the_four_quadrants_of_an_object_differ():
    m = made(6, kinds=6, share=1)
    for i in range(6):
        A = cut(m, i)
        parts = [A[:, y : y + 12, x : x + 12] for y in (0, 12) for x in (0, 12)]
        assert all(abs(parts[a] - parts[b]).mean() > 20 for a in range(4) for b in range(a))


def test_textures_are_the_same_everywhere():
    m = made(120, share=0)
    assert set(m.textures) == set(range(len(TEXTURES)))
    for kind in range(len(TEXTURES)):
        X = m.images[m.textures == kind].astype(float)
        deviation = X.std((0, 2, 3)).max() / np.sqrt(len(X))  # of a pixel's mean, if none differs
        M = X.mean(0) - X.mean((0, 2, 3))[:, None, None]
        quadrants = M.reshape(3, 2, 24, 2, 24).mean((2, 4))
        assert abs(quadrants).max() < deviation
        assert abs(M).max() < 6 * deviation


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 49}, "8 to the image's 48, not 49"),
        ({"size": 7}, "8 to the image's 48, not 7"),
        ({"share": 1.1}, "share is 0 to 1"),
        ({"kinds": 0}, "kinds are 1 or more"),
        ({"n": 0}, "n and kinds are 1 or more"),
    ],
)
def test_what_cannot_be_made_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        made(**options)


def filled(n=12, seed=0, **options):
    return cluttered(n, np.random.default_rng(seed), **({"side": 64, "size": 16} | options))


def square(image, box):
    top, left, h, w = box
    rows, columns = (np.arange(16) * s // 16 for s in (h, w))
    return image[:, top : top + h, left : left + w][:, rows][:, :, columns].astype(float)


def test_of_equal_generators_clutter_is_equal_too():
    a, b, c = filled(4), filled(4), filled(4, seed=1)
    assert all((x == y).all() for x, y in zip(a, b))
    assert (a.images != c.images).any()


def test_each_image_has_one_object_that_recurs_and_nothing_overlaps():
    m = filled(13, kinds=3, clutter=2)
    assert m.images.shape == (13, 3, 64, 64)
    assert sorted(np.bincount(m.kinds)) == [4, 4, 5]
    assert m.clutter.shape == (13, 2, 4)
    for box, others in zip(m.boxes, m.clutter):
        covered = np.zeros((64, 64), int)
        for top, left, h, w in (box, *others):
            assert h == w
            assert 14 <= h <= 18
            covered[top : top + h, left : left + w] += 1
            assert covered[top : top + h, left : left + w].shape == (h, w)
        assert covered.max() == 1
    assert filled(2, clutter=0).clutter.shape == (2, 0, 4)


def test_what_recurs_is_alike_and_clutter_is_not():
    m = filled(10, kinds=2)
    own = [square(x, box) for x, box in zip(m.images, m.boxes)]
    other = [square(x, box) for x, boxes in zip(m.images, m.clutter) for box in boxes]
    pairs = [(i, j) for i in range(10) for j in range(i)]
    within = np.mean([alike(own[i], own[j]) for i, j in pairs if m.kinds[i] == m.kinds[j]])
    between = np.mean([alike(own[i], own[j]) for i, j in pairs if m.kinds[i] != m.kinds[j]])
    once = [alike(a, b) for i, a in enumerate(other) for b in [*other[:i], *own]]
    assert within > 0.5
    assert max(between, np.mean(once)) < 0.2
    assert np.mean([x.std() for x in own]) == pytest.approx(np.mean([x.std() for x in other]), 0.1)


def test_grounds_are_parts_of_photographs():
    photo = np.zeros((3, 64, 70), np.uint8)
    photo[0] = 200
    m = filled(2, grounds=[photo])
    for image, box, others in zip(*m[:1], m.boxes, m.clutter):
        beside = np.ones((64, 64), bool)
        for top, left, h, w in (box, *others):
            beside[top : top + h, left : left + w] = False
        np.testing.assert_allclose(image[:, beside].mean(1), [200, 3, 3], atol=2)
    assert (filled(2, grounds=photo[None]).images == m.images).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 20}, "fit into a row, not 3 of 23 into 64"),
        ({"size": 7}, "size is 8 or more"),
        ({"clutter": -1}, "clutter 0 or more"),
        ({"kinds": 0}, "n and kinds are 1 or more, not 12 and 0"),
        ({"grounds": [np.zeros((3, 64, 63), np.uint8)]}, r"0 is \(3, 64, 63\), uint8"),
        ({"grounds": [np.zeros((3, 64, 64))]}, "float64"),
    ],
)
def test_clutter_that_cannot_be_made_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        filled(**options)

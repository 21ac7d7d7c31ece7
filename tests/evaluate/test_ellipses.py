import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.evaluate import (
    Ellipses,
    circles,
    distinct,
    homography,
    intersection_over_union,
    moved,
    mser,
    projected,
)
from tests.regions import angles, ellipse, photograph, some

NEAR = 3e-5  # what the docstring promises
CORNERS = 400
seeds = st.integers(0, 999)


def polygon(E):
    """The corners (400, 2) of a polygon of the ellipse's area."""
    t = 2 * np.pi * np.arange(CORNERS) / CORNERS
    radius = np.sqrt(2 * np.pi / CORNERS / np.sin(2 * np.pi / CORNERS))
    L = np.linalg.cholesky(4 * E.covariance[0])
    return E.centre[0] + radius * np.stack([np.cos(t), np.sin(t)], 1) @ L.T


def area(P):
    (y, x), (v, u) = P.T, np.roll(P, -1, 0).T
    return abs((y * u - x * v).sum()) / 2


def clipped(P, edge):
    """A convex polygon P without what lies on the right of an edge: Sutherland and Hodgman."""
    a, b = edge
    side = (b[0] - a[0]) * (P[:, 1] - a[1]) - (b[1] - a[1]) * (P[:, 0] - a[0])
    after, other = np.roll(P, -1, 0), np.roll(side, -1)
    cut = (side >= 0) != (other >= 0)
    share = side / np.where(cut, side - other, 1)
    between = P + share[:, None] * (after - P)
    both = np.stack([P, between], 1).reshape(-1, 2)
    return both[np.stack([side >= 0, cut], 1).ravel()]


def by_polygons(A, B):
    P, Q = polygon(A), polygon(B)
    whole = area(P) + area(Q)
    for edge in zip(Q, np.roll(Q, -1, 0)):
        P = clipped(P, edge)
        if len(P) < 3:
            return 0.0
    shared = area(P)
    return shared / (whole - shared)


# overlap


@pytest.mark.parametrize("seed", range(8))
def test_the_overlap_is_that_of_polygons_cut_by_each_other(seed):
    A, B = some(1, seed, spread=0.7), some(1, seed + 100, spread=0.7)
    assert_allclose(intersection_over_union(A, B), by_polygons(A, B), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("longest", [1.0001, 5, 30])
def test_the_error_of_the_overlap_is_below_what_is_promised(longest, monkeypatch):
    A, B = some(60, 1, 0.8, longest), some(60, 2, 0.8, longest)
    found = intersection_over_union(A, B)
    monkeypatch.setattr("minigrad.evaluate.ellipses.NODES", 4096)
    monkeypatch.setattr("minigrad.evaluate.ellipses.AT_ONCE", 64)
    assert_allclose(found, intersection_over_union(A, B), atol=NEAR)
    assert ((found > 0) & (found < 1)).mean() > 0.1


def test_the_overlap_is_that_of_a_raster():
    A, B = ellipse((0, 0), (3, 1.5), 0.4), ellipse((0.5, 1), (1, 2.5), 1.2)
    points = np.stack(np.meshgrid(*[np.linspace(-4, 4, 401)] * 2), -1).reshape(-1, 2)
    inside = [
        np.einsum("pi,ij,pj->p", x, np.linalg.inv(4 * E.covariance[0]), x) <= 1
        for E in (A, B)
        for x in [points - E.centre[0]]
    ]
    expected = (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum()
    assert 0.2 < expected < 0.5
    assert_allclose(intersection_over_union(A, B), expected, atol=4e-3)


@given(ratio=st.floats(0.01, 1), angle=angles, long=st.floats(1, 50))
def test_concentric_ellipses_of_one_shape_overlap_by_the_square_of_their_ratio(ratio, angle, long):
    A = ellipse((5, -7), (2, 2 * long), angle)
    B = Ellipses(A.centre, A.covariance * ratio**2)
    assert_allclose(intersection_over_union(A, B), ratio**2, rtol=1e-9)
    assert_allclose(intersection_over_union(B, A), ratio**2, rtol=1e-9)


def test_equal_circles_overlap_by_half_at_the_distance_of_the_oracle():
    pair = circles([[0, 0], [0, 7 * 0.529864]], [7, 7])
    assert_allclose(intersection_over_union(pair, pair), [[1, 0.5], [0.5, 1]], atol=NEAR)


@given(seed=seeds)
def test_the_overlap_is_symmetric_in_0_to_1_and_1_with_itself(seed):
    A, B = some(6, seed, 1.0), some(5, seed + 1, 1.0)
    found = intersection_over_union(A, B)
    assert found.shape == (6, 5)
    assert 0 <= found.min() <= found.max() <= 1
    assert_allclose(found, intersection_over_union(B, A).T, atol=2 * NEAR)
    assert_allclose(np.diagonal(intersection_over_union(A, A)), 1, rtol=1e-9)


@given(seed=seeds, angle=angles, stretch=st.floats(0.2, 5))
def test_an_affine_map_of_both_changes_no_overlap(seed, angle, stretch):
    A, B = some(4, seed, 1.0), some(4, seed + 1, 1.0)
    c, s = np.cos(angle), np.sin(angle)
    J = np.array([[c, -s], [stretch * s, stretch * c]])
    after = [moved(E, np.tile(J, (4, 1, 1)), E.centre @ J.T + [3, -8]) for E in (A, B)]
    assert_allclose(intersection_over_union(*after), intersection_over_union(A, B), atol=2 * NEAR)


def test_far_apart_and_touching_ellipses_do_not_overlap():
    E = circles([[0, 0], [0, 4], [100, 100]], [2, 2, 3])
    assert_array_equal(intersection_over_union(E, E), np.eye(3).round())


def test_what_has_no_area_overlaps_nothing():
    thin = Ellipses(
        np.zeros((4, 2)),
        np.array([np.zeros((2, 2)), np.diag([0, 4.0]), -np.eye(2), np.diag([1e-20, 1])]),
    )
    E = circles([[0, 0]], [3])
    assert_array_equal(intersection_over_union(thin, E), np.zeros((4, 1)))
    assert_array_equal(intersection_over_union(E, thin), np.zeros((1, 4)))
    none = Ellipses(np.zeros((0, 2)), np.zeros((0, 2, 2)))
    assert intersection_over_union(E, none).shape == (1, 0)


def test_ellipses_that_are_none_are_refused():
    E = circles([[0, 0], [1, 1]], [1, 1])
    with pytest.raises(ValueError, match="ellipses: 1 of 2 holds a value that is not finite"):
        intersection_over_union(E, Ellipses(np.array([[0, 0], [0, np.nan]]), E.covariance))
    with pytest.raises(ValueError, match=r"ellipses: centres are .* not \(1, 2\) and \(2, 2, 2\)"):
        intersection_over_union(Ellipses(E.centre[:1], E.covariance), E)


# by a map


@given(seed=seeds, slant=st.floats(-1e-3, 1e-3))
def test_the_derivative_by_differences_is_that_of_the_homography(seed, slant):
    H = np.array([[1.1, 0.2, 4], [-0.3, 0.9, 7], [slant, -slant / 2, 1]])
    E = some(3, seed, 40.0)
    J = []
    for y, x in E.centre:
        u, v, w = H @ [x, y, 1]
        d = (H[:2, :2] * w - np.outer([u, v], H[2, :2])) / w**2  # d(x', y') / d(x, y)
        J.append(d[::-1, ::-1])
    found, expected = projected(E, homography(H)), moved(E, np.array(J), homography(H)(E.centre))
    assert_allclose(found.centre, expected.centre)
    assert_allclose(found.covariance, expected.covariance, rtol=1e-4, atol=1e-6)


def test_a_homography_is_given_in_x_and_y_and_maps_y_and_x():
    seen = []
    projected(circles([[4, 6]], 1), lambda p: seen.append(p - [4, 6]) or p)
    assert sorted(map(tuple, seen[0])) == [(-0.5, 0), (0, -0.5), (0, 0), (0, 0.5), (0.5, 0)]
    shear = homography([[1, 2, 0], [0, 1, 0], [0, 0, 1]])  # x' = x + 2 y
    assert_allclose(shear(np.array([[1.0, 10.0]])), [[1, 12]])
    assert_allclose(projected(circles([[0, 0]], [2]), shear).covariance, [[[1, 2], [2, 5]]])
    with pytest.raises(ValueError, match=r"homography: H is \(3, 3\) and finite, not \(2, 2\)"):
        homography(np.eye(2))


def test_where_the_map_has_no_value_an_ellipse_is_a_point_that_overlaps_nothing():
    E = circles([[5, 5], [50, 50], [80, 3]], [2, 2, 2])
    gone = lambda p: np.where(p[:, :1] > 40, [np.nan, np.inf], p)
    P = projected(E, gone)
    assert_array_equal(P.centre, [[5, 5], [0, 0], [0, 0]])
    assert_allclose(intersection_over_union(P, E), np.diag([1, 0, 0]), atol=1e-9)
    beyond = projected(E, lambda p: p + [0, 2e6])
    assert not (beyond.centre.any() or beyond.covariance.any())
    horizon = homography([[1, 0, 0], [0, 1, 0], [-1 / 50, 0, 1]])
    assert np.isfinite(projected(E, horizon).covariance).all()
    with pytest.raises(ValueError, match=r"projected: the map makes \(15, 2\) points \(3, 2\)"):
        projected(E, lambda p: p[:3])


# found in images


def drawn(*shapes, side=(120, 160)):
    """Ellipses of a grey level drawn on grey: bytes (h, w)."""
    image = np.full(side, 128, np.uint8)
    points = np.stack(np.indices(side), -1)
    for E, level in shapes:
        x = points - E.centre[0]
        square = np.einsum("hwi,ij,hwj->hw", x, np.linalg.inv(4 * E.covariance[0]), x)
        image[square <= 1] = level
    return image


def test_a_drawn_ellipse_is_found_dark_or_bright_with_its_moments():
    pytest.importorskip("cv2")
    dark, bright = ellipse((40, 50), (16, 32), 0.5), ellipse((90, 110), (20, 10))
    found = mser(drawn((dark, 20), (bright, 230)))
    for E, truth in zip(zip(*found), (dark, bright), strict=True):
        assert_allclose(E[0], truth.centre[0], atol=0.1)
        assert_allclose(E[1], truth.covariance[0], rtol=0.03, atol=0.6)


def test_a_turned_photograph_has_the_turned_regions():
    pytest.importorskip("cv2")
    X = photograph()[:, :100, :120]
    E, R = mser(X), mser(np.rot90(X, axes=(1, 2)))
    J = np.array([[0.0, 1], [-1, 0]])  # rot90 puts (y, x) at (w - 1 - x, y)
    back = moved(R, J[None], R.centre @ J.T + [0, X.shape[2] - 1])
    both = intersection_over_union(E, back)
    assert len(E.centre) > 10
    assert (both.max(1) > 0.99).mean() > 0.9


def test_the_luminance_is_taken_of_bytes_and_of_numbers_up_to_1():
    pytest.importorskip("cv2")
    X = photograph()[:, :100, :120]
    numbers = mser(X / np.float32(255))
    assert_array_equal(mser(X).centre, numbers.centre)
    grey = np.rint(np.tensordot([0.299, 0.587, 0.114], X, 1)).astype(np.uint8)
    for one in (grey, grey[None]):
        assert_array_equal(mser(one).covariance, numbers.covariance)


def test_no_two_regions_are_alike_and_large_ones_come_first():
    pytest.importorskip("cv2")
    X = photograph()[:, :100, :120]
    E = mser(X, alike=0.7)
    both = intersection_over_union(E, E)
    assert both[~np.eye(len(both), dtype=bool)].max() < 0.7
    assert (np.diff(np.linalg.det(E.covariance)) <= 1e-9).all()
    assert len(mser(X, alike=1.1).centre) > len(both)


def test_of_a_chain_of_alike_ellipses_what_stays_is_told_by_those_that_stay():
    chain = circles([[0, 0]] * 4, [10, 9.3, 8.6, 7.9])  # neighbours overlap by .86, others less
    left = distinct(chain, 0.8).covariance[:, 0, 0]
    assert_allclose(np.sqrt(4 * left), [10, 8.6])


def test_equally_large_ones_come_from_above_and_from_the_left():
    centres = np.array([[50.0, 9], [9, 80], [9, 20], [30, 30]])
    assert_array_equal(distinct(circles(centres, [4] * 4)).centre, centres[[2, 1, 3, 0]])


def test_an_image_without_regions_has_none():
    pytest.importorskip("cv2")
    for image in (np.zeros((30, 40), np.uint8), np.full((3, 50, 50), 0.5), np.ones((1, 1, 1))):
        E = mser(image)
        assert E.centre.shape == (0, 2)
        assert E.covariance.shape == (0, 2, 2)


def test_a_line_of_one_pixel_is_no_region():
    pytest.importorskip("cv2")
    image = np.full((130, 130), 200, np.uint8)
    image[20, 5:85] = image[40, 5:45] = image[41, 44:85] = 0  # the second has a step
    assert len(mser(image).centre) == 0
    image[21, 5:85] = 0
    assert len(mser(image).centre) == 1


def test_what_is_no_image_is_refused():
    pytest.importorskip("cv2")
    with pytest.raises(ValueError, match=r"mser: an image is .* not \(2, 9, 9\)"):
        mser(np.zeros((2, 9, 9)))
    with pytest.raises(ValueError, match="mser: images of floats lie in .* reach from nan"):
        mser(np.full((9, 9), np.nan))
    for name, value in {"delta": 0, "smallest": 1e5, "variation": np.nan, "alike": np.nan}.items():
        with pytest.raises(ValueError, match=f"mser: delta is 1 or more.* not .*{value}"):
            mser(np.zeros((9, 9)), **{name: value})


def test_without_opencv_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r'mser needs OpenCV: pip install ".*\[matching\]"'):
        mser(np.zeros((9, 9)))

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import scene_views
from minigrad.data.known_maps import Projective
from minigrad.data.scenes import POINTS, _points, _scale, homography


def photographs(n=3, sides=(70, 90)):
    """Smooth pictures: red is how far down, green how far to the right."""
    h, w = sides
    y, x = np.mgrid[:h, :w]
    return [np.stack([y / (h - 1), x / (w - 1), np.full((h, w), (i + 1) / n)]) for i in range(n)]


def made(views=4, seed=0, n=3, **options):
    return scene_views(photographs(n), views, np.random.default_rng(seed), **options)


def test_equal_generators_make_equal_views_and_others_other_ones():
    a, b, c = made(side=12), made(side=12), made(side=12, seed=1)
    assert all((x == y).all() for x, y in zip(a, b))
    assert (a.images != c.images).any()
    assert_array_equal(a.scenes, np.repeat([0, 1, 2], 4))


def test_a_homography_takes_its_points_where_they_belong():
    A = np.array([[0, 0], [0, 4], [4, 5], [5, 0.5]])
    B = np.array([[1, 2], [0, 7], [6, 6], [7, 1]])
    M = homography(A, B)
    assert_allclose(Projective(M)(A), B)
    assert_allclose(Projective(M).inverse(B), A, atol=1e-12)


def test_pixels_show_what_the_map_says(monkeypatch):
    for name in ("POWER", "GAIN", "TINT", "NOISE"):
        monkeypatch.setattr(f"minigrad.data.scenes.{name}", 0.0)
    m = made(side=16, hidden=0)
    pixels = np.stack(np.mgrid[:16, :16], -1)
    for image, M in zip(m.images, m.maps):
        where = Projective(M)(pixels.astype(float)) / (69, 89)
        assert_allclose(image[:2] / 255, where.transpose(2, 0, 1), atol=0.011)


def test_windows_lie_in_the_photograph_even_the_largest():
    m = made(30, side=8, window=(1, 1))
    corners = np.array([[-0.5, -0.5], [-0.5, 7.5], [7.5, 7.5], [7.5, -0.5]])
    for M in m.maps:
        down, right = Projective(M)(corners).T
        assert min(down.min(), right.min()) >= -1e-9
        assert down.max() <= 69 + 1e-9
        assert right.max() <= 89 + 1e-9


def test_seen_points_are_those_that_fall_into_the_view():
    m = made(side=10, hidden=0)
    points = _points((70, 90))
    assert len(points) == POINTS**2
    for M, seen in zip(m.maps, m.seen):
        q = Projective(M).inverse(points)
        assert_array_equal(seen, ((q > -0.5) & (q < 9.5)).all(1))


def test_what_is_hidden_is_not_seen():
    a, b = made(hidden=0, side=20), made(hidden=1, side=20)
    assert_array_equal(a.maps[0], b.maps[0])
    assert (b.seen[0] <= a.seen[0]).all()
    assert 0 < (a.seen[0] & ~b.seen[0]).sum() < a.seen[0].sum()


def test_what_hides_is_another_photograph_where_points_are_not_seen(monkeypatch):
    for name in ("POWER", "GAIN", "TINT", "NOISE"):
        monkeypatch.setattr(f"minigrad.data.scenes.{name}", 0.0)
    m = made(8, n=2, hidden=1, side=20)  # blue is 0.5 in one and 1 in the other
    for image, M, seen, scene in zip(m.images, m.maps, m.seen, m.scenes):
        other = (image[2] > 191) == (scene == 0)
        assert 0.05 < other.mean() < 0.4
        q = Projective(M).inverse(_points((70, 90)))
        inside = ((q >= -0.5) & (q <= 19.5)).all(1)
        y, x = np.rint(q[inside]).astype(int).clip(0, 19).T
        assert_array_equal(other[y, x], ~seen[inside])


def test_windows_are_as_large_as_asked_for():
    m = made(20, side=8, n=1, hidden=0, window=(0.3, 0.5))
    sizes = m.scales * 8 / 70
    assert 0.25 < sizes.min() < 0.35
    assert 0.42 < sizes.max() < 0.58


def test_a_scale_is_the_root_of_the_area_of_the_jacobian():
    M, point, h = (
        np.array([[2, 0.3, 5], [-0.4, 1.5, 7], [0.02, 0.03, 1]]),
        np.array([4.0, 6.0]),
        1e-6,
    )
    J = [(Projective(M)(point + d) - Projective(M)(point - d)) / (2 * h) for d in h * np.eye(2)]
    assert_allclose(_scale(M, point), np.sqrt(abs(np.linalg.det(J))), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("POWER", 0.25 ** (np.exp(0.4) - 1), 0.25 ** (np.exp(-0.4) - 1)),
        ("GAIN", np.exp(-0.3), np.exp(0.3)),
        ("TINT", np.exp(-0.1), np.exp(0.1)),
    ],
)
def test_light_varies_as_far_as_it_is_said_to(name, low, high, monkeypatch):
    for other in {"POWER", "GAIN", "TINT", "NOISE"} - {name}:
        monkeypatch.setattr(f"minigrad.data.scenes.{other}", 0.0)
    grey = [np.full((3, 4, 4), 0.25)]
    X = scene_views(grey, 60, np.random.default_rng(0), 2, hidden=0).images[:, :, 0, 0]
    share = X / 255 / 0.25
    assert (share.min(), share.max()) == pytest.approx((low, high), rel=0.04)
    assert (X[:, 0] == X[:, 1]).all() == (name != "TINT")


def test_scales_are_areas_of_the_window():
    m = made(20, side=8, n=1, hidden=0)
    corners = np.array([[-0.5, -0.5], [-0.5, 7.5], [7.5, 7.5], [7.5, -0.5]])
    for M, scale, centre in zip(m.maps, m.scales, m.centres):
        y, x = Projective(M)(corners).T
        area = abs(y @ np.roll(x, 1) - x @ np.roll(y, 1)) / 2
        assert_allclose(scale, np.sqrt(area) / 8, rtol=0.15)  # perspective: not the same everywhere
        assert_allclose(centre, (y.mean(), x.mean()), atol=6)
    assert_allclose(
        m.zooms(), np.maximum(m.scales[:, None] / m.scales, m.scales / m.scales[:, None])
    )


def test_shared_points_are_counted_within_a_scene():
    m = made()
    S, O = m.shared(), m.overlap()
    for i, j in ((0, 1), (2, 3), (1, 0), (0, 4)):
        common = (m.seen[i] & m.seen[j]).sum() * (m.scenes[i] == m.scenes[j])
        assert_allclose(S[i, j], common / m.seen[i].sum())
        assert_allclose(O[i, j], common / min(m.seen[i].sum(), m.seen[j].sum()))
    assert_allclose(np.diag(S), 1)
    assert_array_equal(O, O.T)
    part = m.take(m.scenes == 1)
    assert_array_equal(part.shared(), S[4:8, 4:8])
    m.seen[0] = False
    assert not m.shared()[0].any()


def test_bytes_and_floats_are_the_same_photographs():
    X = [np.rint(255 * x).astype(np.uint8) for x in photographs()]
    a, b = (scene_views(x, 2, np.random.default_rng(0), 8) for x in (X, [x / 255 for x in X]))
    assert_array_equal(a.images, b.images)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"views": 0}, "not 0, 48"),
        ({"side": 1}, "side 2 or more"),
        ({"window": (0.8, 0.3)}, "0 < low <= high <= 1"),
        ({"window": (0.5, 1.5)}, "0 < low <= high <= 1"),
        ({"hidden": 1.5}, r"hidden in \[0, 1\]"),
        ({"n": 0, "hidden": 0}, "not 0"),
        ({"n": 1}, "two where views are partly hidden, not 1"),
    ],
)
def test_what_cannot_be_made_is_said(options, said):
    with pytest.raises(ValueError, match=said):
        made(**options)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.full((3, 9, 9), np.nan), "floats lie in .* nan"),
        (np.full((3, 9, 9), 255.0), "floats lie in .* 255"),
        (np.zeros((3, 9, 9), int), "floats or bytes"),
    ],
)
def test_other_values_are_said(X, said):
    with pytest.raises(ValueError, match=f"scene_views: photograph 1: images .*{said}"):
        scene_views([np.zeros((3, 9, 9)), X], 1, np.random.default_rng(0))


def test_what_are_no_photographs_is_said():
    X = [np.zeros((3, 9, 9)), np.zeros((9, 9))]
    with pytest.raises(ValueError, match=r"photographs are \(3, h, w\), number 1 is \(9, 9\)"):
        scene_views(X, 1, np.random.default_rng(0))

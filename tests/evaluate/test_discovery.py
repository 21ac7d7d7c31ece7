import numpy as np
import pytest

from minigrad.evaluate import (
    Regions,
    crow_weights,
    feature_saliency,
    mac,
    object_saliency,
    pca_whitening,
    pooled,
    region_centrality,
    region_features,
    rmac,
    saliency_precision,
    salient_regions,
)
from minigrad.evaluate.descriptors import region_grid

MAPS = 8


def collection(n=8, seed=0):
    """Maps of n images: at the left what all share, at the right what each has alone.

    Both are 3 x 3 places with three maps each at the same heights: nothing in one image tells them
    apart.
    """
    rng = np.random.default_rng(seed)
    X = np.zeros((n, MAPS + 3 * n, 7, 16))
    here, there = np.zeros((2, n, 7, 16), bool)
    for i in range(n):
        top = rng.integers(0, 5)
        X[i, :3, top : top + 3, 2:5] = rng.uniform(0.9, 1.1, (3, 3, 3))
        own = slice(MAPS + 3 * i, MAPS + 3 * i + 3)
        X[i, own, 4 - top : 7 - top, 10:13] = rng.uniform(0.9, 1.1, (3, 3, 3))
        here[i, top : top + 3, 2:5] = True
        there[i, 4 - top : 7 - top, 10:13] = True
    return X, here, there


def test_feature_saliency_is_the_sum_of_maps_by_their_rarity():
    X = np.maximum(np.random.default_rng(0).normal(size=(3, 4, 5, 6)), 0)
    X[1] = 0
    F, (_, b) = feature_saliency(X), crow_weights(X)
    for i in range(3):
        expected = sum(b[i, k] * X[i, k] for k in range(4))
        np.testing.assert_allclose(F[i], expected)
    assert not F[1].any()


def test_what_is_shared_and_what_is_not_stand_out_alike_but_only_the_first_is_an_object():
    X, here, there = collection()
    F = feature_saliency(X)
    assert abs(saliency_precision(F, here).mean() - saliency_precision(F, there).mean()) < 0.05
    found = salient_regions(F)
    V = region_features(X, found)
    g = region_centrality(V, found.image, k=7)
    left = found.boxes[:, 1] < 8
    assert g[left].min() > 10 * g[~left].max()
    O = object_saliency(X, F, V, found.image, g, window=3, k=7)
    assert saliency_precision(O, here).min() > 0.99
    again = salient_regions(O)
    assert set(again.image) == set(range(8))
    assert (again.boxes[:, 1] + again.boxes[:, 3] < 10).all()
    first, second = pooled(X, found), pooled(X, again)
    assert (second @ second.T).min() > 0.95 > (first @ first.T).min()


def test_regions_of_an_image_stand_together_and_a_map_of_zeros_has_none():
    S = np.zeros((3, 6, 9))
    S[0, 1:3, 1:3] = S[0, 3:6, 6:9] = S[2, 2, 2] = 1
    found = salient_regions(S, expansion=0)
    assert found.image.tolist() == [0, 0, 2]
    assert found.boxes[0].tolist() == [3, 6, 3, 3]  # the heavier one
    none = salient_regions(np.zeros((2, 3, 3)))
    assert (len(none.image), none.boxes.shape) == (0, (0, 4))


def test_a_power_keeps_a_weak_ground_from_being_a_region():
    S = np.full((1, 12, 12), 0.1)
    S[0, 2:5, 2:5] = 1
    plain, sharp = salient_regions(S), salient_regions(S, power=4)
    assert len(plain.image) > 1 or plain.boxes[0, 2:].max() > 4
    assert sharp.boxes.tolist() == [[2, 2, 3, 3]]


def test_features_of_regions_are_unit_maxima():
    X = np.random.default_rng(0).random((2, 3, 5, 6))
    found = Regions(np.array([0, 1]), np.array([[1, 2, 3, 2], [0, 0, 5, 6]]))
    V = region_features(X, found)
    for v, part in zip(V, (X[0, :, 1:4, 2:4], X[1])):
        m = part.max((1, 2))
        np.testing.assert_allclose(v, m / np.linalg.norm(m))
    assert region_features(X, Regions(np.array([], int), np.empty((0, 4), int))).shape == (0, 3)


def test_centrality_is_that_of_the_equation_without_edges_inside_an_image():
    V = np.array([[1, 0], [0.9, 0.1], [0.8, 0.4], [-1, 0.1]])
    image, alpha = np.array([0, 0, 1, 2]), 0.9
    s = np.maximum(V @ V.T / np.outer(*[np.linalg.norm(V, axis=1)] * 2), 0) ** 3
    A = np.where(image[:, None] == image, 0, s)
    D = A.sum(1)
    D[D == 0] = np.inf
    L = (np.eye(4) - alpha * A / np.sqrt(np.outer(D, D))) / (1 - alpha)
    g = region_centrality(V, image, k=9, alpha=alpha)
    np.testing.assert_allclose(g, np.linalg.solve(L, np.ones(4)), rtol=1e-5)
    assert g[3] == pytest.approx(1 - alpha)  # nothing is like it


def test_a_graph_in_pieces_has_a_centrality_for_each():
    V = np.repeat(np.eye(3), 2, 0)
    g = region_centrality(V, np.arange(6), k=5)
    np.testing.assert_allclose(g, 1, rtol=1e-5)
    np.testing.assert_allclose(region_centrality(np.eye(3), np.arange(3)), 0.01, rtol=1e-5)


def test_object_saliency_is_the_sum_of_its_formula():
    rng = np.random.default_rng(0)
    X, F, g = rng.random((3, 4, 5, 6)), rng.random((3, 5, 6)), rng.random(7)
    V, image = rng.normal(size=(7, 4)), np.array([0, 0, 1, 1, 1, 2, 2])
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    O = object_saliency(X, F, V, image, g, window=3, k=2, gamma=2)
    for i, y, x in [(0, 0, 0), (1, 2, 3), (2, 4, 5)]:
        u = X[i, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max((1, 2))
        s = np.maximum(V @ u / np.linalg.norm(u), 0)
        best = sorted(np.flatnonzero(image != i), key=lambda r: -s[r])[:2]
        assert O[i, y, x] == pytest.approx(F[i, y, x] * sum(g[r] * s[r] ** 2 for r in best))
    seen = []
    turned = lambda U: seen.append(U) or U[:, ::-1]
    again = object_saliency(X, F, V[:, ::-1], image, g, 3, 2, 2, described=turned)
    np.testing.assert_allclose(again, O)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(seen), axis=1), 1)
    every = object_saliency(X, F, V, image, g, k=100)
    assert (every == object_saliency(X, F, V, image, g, k=7)).all()
    assert not object_saliency(X[:1], F[:1], V[:2], image[:2], g[:2]).any()  # none elsewhere


def test_a_collection_of_one_region_or_none_has_values():
    assert region_centrality(np.ones((1, 3)), [0], alpha=0.9) == pytest.approx(0.1)
    X = np.zeros((2, 3, 5, 5))
    F = feature_saliency(X)
    found = salient_regions(F)
    V = region_features(X, found)
    g = region_centrality(V, found.image)
    assert g.shape == (0,)
    assert not object_saliency(X, F, V, found.image, g).any()


def test_precision_is_a_share():
    S = np.array([[[1.0, 3.0], [0.0, 4.0]]])
    assert saliency_precision(S, np.array([[[1, 0], [0, 0.5]]])).tolist() == [3 / 8]
    assert saliency_precision(0 * S, np.ones_like(S)).tolist() == [0]


def test_pooling_the_squares_of_rmac_and_the_whole_is_rmac():
    X = np.random.default_rng(0).random((2, 3, 7, 7))
    top, left, side = np.vstack([region_grid(7, 7), [0, 0, 7]]).T
    boxes = np.stack([top, left, side, side], 1)
    found = Regions(np.repeat([0, 1], len(boxes)), np.tile(boxes, (2, 1)))
    np.testing.assert_allclose(pooled(X, found), rmac(X))


def test_an_image_without_a_region_is_described_as_a_whole():
    X = np.random.default_rng(0).random((2, 3, 4, 4))
    X[1] = 0
    found = Regions(np.array([], int), np.empty((0, 4), int))
    np.testing.assert_allclose(pooled(X, found), mac(X))
    assert np.isfinite(pooled(X, salient_regions(feature_saliency(X)))).all()
    whiten = pca_whitening(np.random.default_rng(1).random((9, 3)), 2)
    assert pooled(X, Regions(np.array([1]), np.array([[0, 0, 2, 2]])), whiten).shape == (2, 2)


X = np.ones((2, 3, 4, 4))
V, IMAGE, G = np.eye(3), np.array([0, 0, 1]), np.ones(3)
BROKEN = np.where(np.arange(96).reshape(2, 3, 4, 4) == 50, np.nan, 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: feature_saliency(X[0]), r"maps are \(n, k, h, w\), not \(3, 4, 4\)"),
        (lambda: feature_saliency(BROKEN), "image 1 of 2 holds a value that is not finite"),
        (lambda: feature_saliency(-X), "maps are not negative"),
        (lambda: salient_regions(X[0, 0]), r"saliency is \(n, h, w\)"),
        (lambda: salient_regions(BROKEN[:, 0] * np.nan), "finite and not negative"),
        (lambda: salient_regions(-X[0]), "finite and not negative"),
        (lambda: salient_regions(X[0], power=0), "power is above 0"),
        (
            lambda: region_features(X, Regions(np.array([0, 2]), np.array([[0, 0, 1, 1]] * 2))),
            "region 1, image 2",
        ),
        (
            lambda: region_features(X, Regions(np.array([0]), np.array([[2, 0, 3, 1]]))),
            r"box \[2 0 3 1\], does not lie in maps",
        ),
        (lambda: region_centrality(V, IMAGE[:2]), r"images \(r,\), not \(3, 3\) and \(2,\)"),
        (lambda: region_centrality(V, IMAGE, alpha=1), "alpha is in"),
        (lambda: region_centrality(V[:1], IMAGE[:1], alpha=1), "alpha is in"),
        (lambda: region_centrality(V, IMAGE, k=2.5), "region_centrality: k is a whole number"),
        (lambda: region_centrality(V[:1] * np.nan, [0]), "region_centrality: descriptor 0 of 1"),
        (lambda: region_centrality(V[:1], [0], k=0), "k is 1 or more and gamma 0 or more, not 0"),
        (lambda: region_centrality(V[:0], [], gamma=-1), "gamma 0 or more, not 50, -1"),
        (
            lambda: object_saliency(X, X[:, 0], V[:, :2], IMAGE, G),
            r"maps \(2, 3, 4, 4\) are described by 3 values, regions \(3, 2\) by 2",
        ),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G, k=1.5), "k is a whole number, not 1.5"),
        (lambda: object_saliency(X, X[0], V, IMAGE, G), r"saliency is \(2, 4, 4\)"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G[:2]), r"centrality \(3,\)"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G, window=4), "window is odd"),
        (lambda: object_saliency(X, X[:, 0], V * np.nan, IMAGE, G), "region 0 of 3"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G, window=2.5), "window is odd"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G, gamma=-1), "gamma 0 or more, not 5, 50"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G, gamma=np.nan), "gamma 0 or more"),
        (lambda: object_saliency(X, X[:, 0], V, IMAGE, G * np.nan), "centrality 0 of 3"),
        (lambda: object_saliency(X, BROKEN[:, 0] * np.nan, V, IMAGE, G), "saliency 0 of 2"),
        (
            lambda: region_features(X, Regions(np.array([0]), np.array([[0, 0, 1, 1]] * 2))),
            r"images \(r,\) and boxes \(r, 4\), not \(1,\) and \(2, 4\)",
        ),
        (
            lambda: pooled(BROKEN, Regions(np.array([], int), np.empty((0, 4), int))),
            "image 1 of 2 holds a value that is not finite",
        ),
        (lambda: saliency_precision(X[0], X[0] * np.nan), "truth of a place is 0 to 1"),
        (lambda: saliency_precision(X[0], X[0] * 255), "truth of a place is 0 to 1"),
        (lambda: saliency_precision(X[0], X[0, 0]), "saliency and truth"),
        (lambda: saliency_precision(-X[0], X[0]), "finite and not negative"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from minigrad.data import planted
from minigrad.evaluate import (
    Grid,
    Mined,
    centred,
    constellations,
    cut_patches,
    mine,
    mining,
    patch_features,
    patch_grid,
    patch_neighbours,
    pixels,
    square_fit,
    verified,
)

SQUARE = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])
SHAPES = st.lists(st.tuples(st.integers(4, 13), st.integers(4, 13)), min_size=1, max_size=4)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def images(shapes, seed=0):
    return [normal(2, *shape, seed=seed + i) for i, shape in enumerate(shapes)]


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def matches(F, grid, query, image):
    """The best match of a patch in an image, one by one: patch, correlation."""
    inside = np.flatnonzero(grid.image == image)
    C = [round(correlation(F[query], F[j]), 12) for j in inside]
    return inside[np.argmax(C)], np.max(C)


# patches


@given(shapes=SHAPES, side_step=st.sampled_from([(4, 4), (4, 2), (4, 1), (3, 3), (2, 1)]))
def test_patches_lie_on_a_grid_row_by_row_in_image_after_image(shapes, side_step):
    side, step = side_step
    X = images(shapes)
    grid = patch_grid(X, side, step)
    expected = [
        (i, top, left)
        for i, (h, w) in enumerate(shapes)
        for top in range(0, h - side + 1, step)
        for left in range(0, w - side + 1, step)
    ]
    found = np.column_stack([grid.image, grid.corner])
    assert found.tolist() == [list(e) for e in expected]
    assert_array_equal(grid.centre, grid.corner + (side - 1) / 2)
    assert grid.starts[-1] == len(expected)
    cut = cut_patches(X, grid, np.arange(len(expected)))
    for P, (i, top, left) in zip(cut, expected):
        assert_array_equal(P, X[i][:, top : top + side, left : left + side])


@given(shapes=SHAPES, side_step=st.sampled_from([(4, 4), (4, 2), (2, 1), (1, 1)]))
def test_constellations_are_all_2_x_2_patches_that_touch(shapes, side_step):
    side, step = side_step
    grid = patch_grid(images(shapes), side, step)
    number = {(i, *c): n for n, (i, c) in enumerate(zip(grid.image, map(tuple, grid.corner)))}
    expected = [
        [n, *(number[i, y + v, x + u] for v, u in ((0, side), (side, 0), (side, side)))]
        for (i, y, x), n in number.items()
        if (i, y + side, x + side) in number
    ]
    if expected:
        assert constellations(grid).tolist() == expected
    else:
        with pytest.raises(ValueError, match=f"none of {len(shapes)} images holds 2 x 2 patches"):
            constellations(grid)


def test_constellations_are_drawn_without_repetition_alike_and_by_the_generator_alone():
    grid = patch_grid(images([(12, 12), (8, 20)]), 4)
    everything = constellations(grid).tolist()
    assert constellations(grid, 10**6).tolist() == everything
    counts = dict.fromkeys(map(tuple, everything), 0)
    rng = np.random.default_rng(0)
    for _ in range(400):
        drawn = constellations(grid, 3, rng).tolist()
        assert len(set(map(tuple, drawn))) == 3
        for c in drawn:
            counts[tuple(c)] += 1
    expected = 1200 / len(everything)
    assert all(abs(c - expected) < 5 * np.sqrt(expected) for c in counts.values())
    draws = [constellations(grid, 5, np.random.default_rng(s)).tolist() for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_features_of_patches_do_not_depend_on_how_many_are_computed_at_a_time():
    X = images([(9, 11), (8, 8)])
    grid = patch_grid(X, 4)
    sizes = []

    def features(P):
        sizes.append(len(P))
        return P.reshape(len(P), -1)

    F = patch_features(X, grid, features)
    assert_array_equal(patch_features(X, grid, features, batch=5), F)
    assert max(sizes[1:]) == 5
    assert_array_equal(F, cut_patches(X, grid, np.arange(len(F))).reshape(len(F), -1))


# normalised correlation


@given(
    seed=st.integers(0, 99),
    d=st.integers(2, 40),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
    level=st.sampled_from([0.0, 1.0, -100.0]),
)
def test_products_of_centred_rows_are_correlation_coefficients(seed, d, scale, level):
    F = scale * (normal(6, d, seed=seed) + level)
    C = centred(F)
    assert_allclose(C @ C.T, np.corrcoef(F), atol=1e-9)
    assert_allclose(centred(F.astype(np.float32)), C, atol=1e-3)
    assert centred(F.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0, 0.1, 1 / 3, -7.7, 1e30, 1e-300])
def test_a_constant_row_correlates_with_nothing_however_its_mean_is_rounded(dtype, value):
    F = np.array([np.full(768, value), np.arange(768)], dtype)
    C = centred(F)
    assert not C[0].any()
    assert_allclose((C[1] ** 2).sum(), 1, rtol=1e-5)


def test_bytes_are_features_too():
    F = np.random.default_rng(0).integers(0, 256, (4, 12), np.uint8)
    assert_allclose(centred(F), centred(F.astype(np.float32)))


@given(seed=st.integers(0, 99))
def test_neighbours_are_the_best_patches_of_the_best_other_images(seed):
    X = images([(8, 8), (6, 10), (8, 6), (4, 4)], seed)
    grid = patch_grid(X, 4)
    F = patch_features(X, grid, pixels).astype(float)
    queries = np.array([0, 5, len(F) - 1])
    index, C = patch_neighbours(F, grid, queries, 3)
    for q, row, values in zip(queries, index, C):
        found = [matches(F, grid, q, i) for i in range(4) if i != grid.image[q]]
        found.sort(key=lambda pair: -pair[1])
        assert row.tolist() == [j for j, _ in found]
        assert_allclose(values, [c for _, c in found], atol=1e-11)


def test_equal_patches_are_ties_and_the_first_of_them_is_taken():
    F = np.tile(normal(1, 50).astype(np.float32), (12, 1))
    grid = Grid(2, 2, np.array([2, 2, 2]), np.array([2, 2, 2]))
    index, C = patch_neighbours(F, grid, np.array([5]), 2)
    assert index.tolist() == [[0, 8]]
    assert_allclose(C, 1, rtol=1e-6)


# the square


def test_the_square_is_that_of_the_golden_values(golden):
    entry = golden("square_fit")
    P, side = entry.inputs["centres"], entry.options["patch_side"]
    s, error = square_fit(P, side)
    assert_allclose(s, entry.outputs["side"], rtol=1e-9)
    assert_allclose(error, entry.outputs["err"], rtol=1e-9, atol=1e-12)
    assert_array_equal(verified(P, side), entry.outputs["verified"])


@given(
    k=st.integers(0, 3),
    v=st.floats(-0.6, 0.6),
    u=st.floats(-0.6, 0.6),
    side=st.sampled_from([1.0, 16.0, 96.0]),
    place=st.floats(-1e3, 1e3),
)
def test_one_centre_moved_gives_what_follows_by_hand(k, v, u, side, place):
    delta = np.array([v, u])
    P = SQUARE.copy()
    P[k] += delta
    s, error = square_fit(side * P + place, side)
    along = delta @ SQUARE[k]
    expected = 1 + along / 2  # within the bounds: |along| is 0.6 at most
    assert_allclose(s / side, expected, rtol=1e-9)
    assert_allclose(error, (0.75 * delta @ delta - along**2 / 2) / expected**2, atol=1e-8)


@given(seed=st.integers(0, 999), spread=st.sampled_from([0.1, 0.5, 2.0]))
def test_no_other_side_within_the_bounds_has_smaller_squares(seed, spread):
    P = SQUARE + spread * normal(4, 2, seed=seed)

    def squares(s):
        return sum((p - P.mean(0) - s * c) @ (p - P.mean(0) - s * c) for p, c in zip(P, SQUARE))

    s, error = square_fit(P, 1)
    best = minimize_scalar(squares, bounds=(2 / 3, 4 / 3), method="bounded")
    assert 2 / 3 <= s <= 4 / 3
    assert squares(s) <= best.fun + 1e-9
    assert_allclose(error, squares(s) / s**2)
    assert verified(P, 1) == (squares(s) < s**2)


def test_what_is_no_upright_square_of_about_the_side_is_not_verified():
    shapes = {
        "one place": 0 * SQUARE,
        "turned by 180 degrees": -SQUARE,
        "left and right exchanged": SQUARE * [1, -1],
        "upper and lower exchanged": SQUARE * [-1, 1],
        "turned by 90 degrees": SQUARE @ [[0, 1], [-1, 0]],
        "a row": SQUARE * [0, 1],
        "far too large": 3 * SQUARE,
    }
    s, error = square_fit(np.stack(list(shapes.values())), 1)
    assert (error >= 1).all()
    assert s.tolist() == [2 / 3] * 5 + [pytest.approx(2 / 3), 4 / 3]
    assert error[0] == pytest.approx(2)
    assert error[1] == pytest.approx(2 * (5 / 3) ** 2 / (2 / 3) ** 2)
    assert verified(SQUARE @ [[0.9, 0.4], [-0.4, 0.9]], 1)  # turned by 24 degrees
    assert verified(2 / 3 * SQUARE, 1)
    assert verified(2 * SQUARE, 1)  # fitted by a side of 4/3: an error of 1/2


def test_many_at_once_each_by_the_side_of_its_patches():
    P, side = 30 * normal(5, 3, 4, 2), np.random.default_rng(1).uniform(10, 40, (5, 3))
    s, error = square_fit(P, side)
    for i in np.ndindex(5, 3):
        assert_allclose((s[i], error[i]), square_fit(P[i], side[i]))
    assert square_fit(np.empty((0, 4, 2)), 1)[0].shape == (0,)


@pytest.mark.parametrize(
    ("P", "side", "words"),
    [
        (np.zeros((4, 3)), 1, r"\(\.\.\., 4, 2\), not \(4, 3\)"),
        (np.full((4, 2), np.nan), 1, "points are finite"),
        (SQUARE, 0, "sides finite and above 0"),
        (SQUARE, np.inf, "sides finite and above 0"),
    ],
)
def test_what_can_have_no_square_is_refused(P, side, words):
    with pytest.raises(ValueError, match=words):
        square_fit(P, side)


# mining


def plainly_mined(F, grid, constellation, top):
    """(image, patches, mean correlation, verified) of the best images, patch by patch."""
    found = []
    for i in range(len(grid.rows)):
        if i != grid.image[constellation[0]]:
            pairs = [matches(F, grid, p, i) for p in constellation]
            P = np.array([grid.centre[j] for j, _ in pairs])
            Q = P - P.mean(0)
            s = np.clip((Q * SQUARE).sum() / 2, 2 / 3 * grid.side, 4 / 3 * grid.side)
            good = ((Q - s * SQUARE) ** 2).sum() / s**2 < 1
            found.append((i, [j for j, _ in pairs], np.mean([c for _, c in pairs]), good))
    return sorted(found, key=lambda match: -match[2])[:top]


@settings(max_examples=6)
@given(seed=st.integers(0, 99), top=st.integers(1, 6))
def test_mining_is_what_loops_over_constellations_images_and_patches_find(seed, top):
    X = images([(8, 8), (8, 12), (10, 8), (4, 6), (6, 8)], seed)
    X[1][:, :, 3:11] = X[0] + 0.1 * X[1][:, :, 3:11]
    grid = patch_grid(X, 4)
    F = patch_features(X, grid, pixels).astype(float)
    chosen = constellations(grid)
    mined = mine(F, grid, chosen, top)
    assert mined.images.shape == (len(chosen), min(top, 4))  # all others are 4
    for c, row in enumerate(chosen):
        expected = plainly_mined(F, grid, row, top)
        assert mined.images[c].tolist() == [e[0] for e in expected]
        assert mined.patches[c].tolist() == [e[1] for e in expected]
        assert_allclose(mined.correlation[c], [e[2] for e in expected], atol=1e-11)
        assert mined.verified[c].tolist() == [e[3] for e in expected]
        assert mined.share[c] == pytest.approx(np.mean([e[3] for e in expected]))


def test_how_constellations_are_divided_changes_nothing(monkeypatch):
    X = normal(6, 3, 20, 20).astype(np.float32)
    grid = patch_grid(X, 4)
    F = patch_features(X, grid, pixels)
    whole = mine(F, grid, constellations(grid), 3)
    near = patch_neighbours(F, grid, np.arange(40), 3)
    monkeypatch.setattr(mining, "ENTRIES", 2000)
    for a, b in zip(whole, mine(F, grid, constellations(grid), 3)):
        assert_allclose(a, b, atol=2e-6)  # products of other sizes are rounded otherwise
    assert_array_equal(near[0], patch_neighbours(F, grid, np.arange(40), 3)[0])


@given(
    k=st.integers(0, 5000),
    d=st.integers(1, 10**6),
    sides=st.lists(st.integers(1, 2000), min_size=1, max_size=50),
    each=st.sampled_from([1, 4]),
)
def test_memory_is_bounded_and_every_query_has_its_turn(k, d, sides, each):
    grid = Grid(1, 1, np.array(sides), np.ones(len(sides), int))
    turns = mining._turns(k, np.broadcast_to(0.0, (sum(sides), d)), grid, each)
    assert [i for t in turns for i in range(t.start, t.stop)] == list(range(k))
    for t in turns:
        numbers = each * (t.stop - t.start) * (d + 2 * len(sides) + max(sides))
        assert t.stop - t.start == 1 or numbers <= mining.ENTRIES


def test_constellations_rank_by_verified_share_then_by_correlation_then_as_they_come():
    verified = np.array([[0, 1], [1, 1], [1, 0], [0, 1], [1, 1], [0, 1]], bool)
    strength = np.array([[0.5, 0.3], [0.1, 0.1], [0.9, 0.1], [0.5, 0.3], [0.3, 0], [0.9, 0.9]])
    mined = Mined(np.zeros((6, 4)), np.zeros((6, 2)), np.zeros((6, 2, 4)), strength, verified)
    assert mined.ranking().tolist() == [4, 1, 5, 2, 0, 3]


GRID = Grid(2, 2, np.array([2, 2, 1]), np.array([2, 2, 3]))  # patches 0-3, 4-7, 8-10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: patch_grid(np.zeros((2, 3, 8, 5)), 6), "image 0 of 2 is 8 x 5, smaller than a"),
        (lambda: patch_grid(np.zeros((2, 3, 8, 8)), 6, 4), "step divides the side of a patch, 6"),
        (lambda: patch_grid(np.zeros((2, 3, 8, 8)), 5), "step divides the side of a patch, 5"),
        (lambda: constellations(GRID, 1), "n is 1 or more, drawn by rng"),
        (lambda: constellations(GRID, 0, np.random.default_rng(0)), "n is 1 or more"),
        (lambda: mine(normal(11, 5), GRID, constellations(GRID), 0), "top is 1 or more"),
        (lambda: mine(normal(9, 5), GRID, constellations(GRID)), r"of 11 patches are \(11, d\)"),
        (lambda: mine(normal(11, 5), GRID, np.array([[0, 1, 2]])), r"are \(k, 4\) numbers"),
        (lambda: mine(normal(11, 5), GRID, np.array([[0, 1, 2, 11]])), "0 to 10, not 0 to 11"),
        (lambda: mine(normal(11, 5), GRID, np.array([[-1, 1, 2, 3]])), "0 to 10, not -1 to 3"),
        (lambda: mine(normal(11, 5), GRID, np.array([[2, 3, 4, 5]])), "patches of several images"),
        (lambda: patch_neighbours(normal(11, 5), GRID, [0], 3), "k is 1 to 2 for 3 images, not 3"),
        (lambda: patch_neighbours(normal(11, 5), GRID, [-1], 1), "0 to 10, not -1 to -1"),
        (lambda: patch_neighbours(normal(11, 5), GRID, [0], 0), "k is 1 to 2 for 3 images, not 0"),
        (
            lambda: patch_features(
                np.zeros((2, 1, 4, 4)), patch_grid(np.zeros((2, 1, 4, 4)), 2), sum
            ),
            r"features of 18 patches are \(18, d\), not \(1, 2, 2\)",
        ),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_one_image_alone_and_features_that_are_not_finite_are_refused():
    alone = Grid(2, 2, np.array([2]), np.array([2]))
    with pytest.raises(ValueError, match="of 1 image there is no other one to be matched with"):
        mine(normal(4, 5), alone, constellations(alone))
    F = normal(11, 5)
    F[6, 2] = np.nan
    with pytest.raises(ValueError, match="mine: patch 6 of 11 holds a value that is not finite"):
        mine(F, GRID, constellations(GRID))


# what verification is worth


def placed(made, grid, chosen):
    """Which constellations lie in an object, and which beside all objects."""
    top, left = grid.corner[chosen[:, 0]].T
    y, x, h, w = made.boxes[grid.image[chosen[:, 0]]].T
    reach = 2 * grid.side
    within = (top >= y) & (left >= x) & (top + reach <= y + h) & (left + reach <= x + w)
    beside = (top >= y + h) | (left >= x + w) | (top + reach <= y) | (left + reach <= x)
    return within & (h > 0), beside | (h == 0)


def above(order, first, second):
    """The share of pairs in which the one of the first set ranks above that of the second."""
    rank = np.argsort(order)
    return (rank[first][:, None] < rank[second]).mean()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 5))]
)
def test_planted_objects_rank_above_textures_and_without_verification_below(seed):
    made = planted(48, np.random.default_rng(seed), side=64, size=28, kinds=3)
    grid = patch_grid(made.images, 8)
    F = patch_features(made.images, grid, pixels)
    chosen = constellations(grid, 300, np.random.default_rng(seed))
    mined = mine(F, grid, chosen, top=12)
    objects, textures = placed(made, grid, chosen)
    assert objects.sum() >= 5
    assert above(mined.ranking(), objects, textures) > 0.98
    strongest = np.argsort(-mined.correlation.mean(1), kind="stable")
    assert above(strongest, objects, textures) < 0.2  # textures match best
    again = mine(F, grid, chosen, top=12)
    assert all((a == b).all() for a, b in zip(mined, again))

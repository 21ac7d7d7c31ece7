import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import block_diag, csr_array
from scipy.sparse.linalg import cg, spsolve

from minigrad import normalize
from minigrad.evaluate import (
    Spectrum,
    conjugate_gradient,
    diffuse,
    expanded,
    image_scores,
    katz,
    laplacian,
    low_pass,
    mean_average_precision,
    most_similar,
    observed,
    ranked_precision,
    ranked_recall,
    reciprocal_graph,
    region_weights,
    spectrum,
    symmetric_normalized,
    truncated,
)

PATH = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)  # 0 - 1 - 2 - 3
FIRST = np.eye(4)[0]
seeds = st.integers(0, 999)


def graph(seed, n=30, k=5, d=3):
    return symmetric_normalized(reciprocal_graph(np.abs(normal(n, d, seed=seed)), k))


# the graph


def brute_force(V, k, gamma):
    """Mutual neighbours one by one."""
    S = normalize(V) @ normalize(V).T
    n = len(V)
    near = [
        sorted((j for j in range(n) if j != i), key=lambda j: (-round(S[i, j], 12), j))[:k]
        for i in range(n)
    ]
    A = np.zeros((n, n))
    for i in range(n):
        for j in near[i]:
            if i in near[j] and S[i, j] > 1e-12:
                A[i, j] = S[i, j] ** gamma
    return A


@given(
    seed=seeds, n=st.integers(2, 25), k=st.integers(1, 30), gamma=st.sampled_from([0, 1, 3, 2.5])
)
def test_edges_are_between_those_that_are_among_each_others_nearest(seed, n, k, gamma):
    V = normal(n, 3, seed=seed)
    A = reciprocal_graph(V, k, gamma).toarray()
    assert_allclose(A, brute_force(V, k, gamma), rtol=1e-9, atol=1e-12)
    assert_array_equal(A, A.T)
    assert (A.diagonal() == 0).all()
    assert (np.count_nonzero(A, 1) <= k).all()


def test_all_have_the_golden_values(golden):
    entry = golden("graph_diffusion")
    alpha, query = entry.options["alpha"], entry.options["query"]
    A = reciprocal_graph(entry.inputs["V"], entry.options["k"], entry.options["gamma"])
    assert_allclose(A.toarray(), entry.outputs["A"], **GOLDEN)
    W = symmetric_normalized(A)
    assert_allclose(W.toarray(), entry.outputs["W"], **GOLDEN)
    n = len(entry.inputs["V"])
    y = np.eye(n)[query]
    exact = {"tolerance": 1e-14, "steps": 5 * n}
    assert_allclose(diffuse(W, y, alpha, **exact), entry.outputs["x"], **GOLDEN)
    assert_allclose(katz(W, alpha, **exact), entry.outputs["katz"], **GOLDEN)
    five = conjugate_gradient(laplacian(W, alpha), y, tolerance=0, steps=5)
    assert_allclose(five.x, entry.outputs["cg5"], **GOLDEN)
    assert_allclose(five.residuals, entry.outputs["cg_residual"], **GOLDEN)
    whole, three = spectrum(W, n), spectrum(W, 3)
    assert_allclose(whole.w[::-1], entry.outputs["eigenvalues"], **GOLDEN)
    assert_allclose(three.filtered(low_pass(alpha), y), entry.outputs["x_rank3"], **GOLDEN)


def test_whoever_is_like_itself_alone_is_isolated():
    V = np.array([[1.0, 0], [0, 1], [0, 0], [-1, 0], [1, 1e-9]])
    A = reciprocal_graph(V, k=4, gamma=1).toarray()
    assert_array_equal(
        A.nonzero(), [[0, 1, 4, 4], [4, 4, 0, 1]]
    )  # zero, and what is opposite: none


def test_k_does_not_count_oneself_even_among_copies():
    A = reciprocal_graph(np.ones((4, 2)), k=3).toarray()
    assert_allclose(A, 1 - np.eye(4))


def test_a_k_beyond_the_others_is_all_others():
    V = np.abs(normal(6, 3))
    assert_array_equal(reciprocal_graph(V, 99).toarray(), reciprocal_graph(V, 5).toarray())
    assert reciprocal_graph(V, 99).nnz == 30


def test_descriptors_may_be_bytes_or_lie_in_a_file(tmp_path):
    V = np.random.default_rng(0).integers(0, 256, (40, 5), np.uint8)
    np.save(tmp_path / "V.npy", V)
    file = np.load(tmp_path / "V.npy", mmap_mode="r")
    A = reciprocal_graph(V, 7)
    assert_array_equal(A.toarray(), reciprocal_graph(file, 7).toarray())
    assert_allclose(A.toarray(), reciprocal_graph(V.astype(float), 7).toarray(), rtol=1e-5)
    assert_allclose(expanded(V[:3], V, 4), expanded(V[:3].astype(float), V, 4), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 7, 20, 49, 50])
def test_blocks_and_turns_do_not_change_a_bit(block, dtype, monkeypatch):
    V = np.round(normal(50, 2), 1).astype(dtype)  # with ties
    V = V[np.argsort(np.arctan2(*V.T))]  # some blocks hold all neighbours of a query
    whole = reciprocal_graph(V, 9), observed(V, V, 9), expanded(V, V, 9)
    monkeypatch.setattr("minigrad.evaluate.neighbours.BLOCK", block)
    monkeypatch.setattr("minigrad.evaluate.neighbours.ENTRIES", 130)
    parts = reciprocal_graph(V, 9), observed(V, V, 9), expanded(V, V, 9)
    assert_array_equal(whole[0].toarray(), parts[0].toarray())
    assert_array_equal(whole[1], parts[1])
    assert_array_equal(whole[2], parts[2])


@pytest.mark.parametrize(
    ("V", "options", "sentence"),
    [
        (np.ones((1, 3)), {}, r"descriptors are \(n, d\), n at least 2, not \(1, 3\)"),
        (np.ones(3), {}, r"descriptors are \(n, d\), n at least 2, not \(3,\)"),
        (np.ones((3, 3)), {"k": 0}, "k is 1 or more and gamma 0 or more, not 0, 3"),
        (np.ones((3, 3)), {"k": 2.5}, "k is a whole number, not 2.5"),
        (np.ones((3, 3)), {"k": np.nan}, "k is a whole number, not nan"),
        (np.ones((3, 3)), {"gamma": -1}, "k is 1 or more and gamma 0 or more, not 50, -1"),
        (np.ones((3, 3)), {"gamma": np.nan}, "k is 1 or more and gamma 0 or more, not 50, nan"),
        (
            np.array([[1.0, 1], [1, np.nan]]),
            {},
            "descriptor 1 of 2 holds a value that is not finite",
        ),
    ],
)
def test_what_makes_no_graph_is_named(V, options, sentence):
    with pytest.raises(ValueError, match=f"reciprocal_graph: {sentence}"):
        reciprocal_graph(V, **options)


# its normalisation


@given(seed=seeds, n=st.integers(2, 25), k=st.integers(1, 9))
def test_normalised_it_is_symmetric_with_eigenvalues_from_minus_1_to_1(seed, n, k):
    A = reciprocal_graph(normal(n, 3, seed=seed), k)
    W = symmetric_normalized(A).toarray()
    assert_array_equal(W, W.T)
    w, _ = np.linalg.eigh(W)
    assert -1 - 1e-12 < w.min() <= w.max() < 1 + 1e-12
    degree = A.sum(1)
    assert_allclose(W @ np.sqrt(degree), np.sqrt(degree), atol=1e-12)  # an eigenvector of 1
    assert_array_equal(W[degree == 0], 0)


def test_the_affinities_are_not_changed_even_if_W_is():
    A = csr_array((np.ones(2), [1, 0], [0, 1, 2]), (2, 2))
    W = symmetric_normalized(A)
    W.indices[:], W.data[:] = 0, 7
    assert_array_equal(A.toarray(), [[0, 1], [1, 0]])


def test_what_is_no_affinity_is_named():
    for A, sentence in (
        (np.ones((2, 3)), r"\(n, n\), not \(2, 3\)"),
        (-PATH, "finite and not negative; they go from -1.0 to -1.0"),
        (np.where(PATH, np.inf, 0), "finite and not negative"),
        (np.full((2, 2), np.nan), "finite and not negative; they go from nan"),
        (np.triu(PATH), "symmetric, A_ij = A_ji; these differ by up to 1"),
    ):
        with pytest.raises(ValueError, match=f"symmetric_normalized: affinities are {sentence}"):
            symmetric_normalized(A)


# diffusion


def test_a_path_is_solved_as_by_hand():
    W = symmetric_normalized(PATH)
    assert_allclose(W.toarray()[[0, 1], [1, 2]], [0.5**0.5, 0.5])
    exact = {"tolerance": 1e-12, "steps": 50}
    known = {0.5: (0.577778, 0.219989, 0.062854, 0.022222)}
    known[0.99] = (0.176335, 0.237609, 0.230643, 0.161458)
    for alpha, x in known.items():
        assert_allclose(diffuse(W, FIRST, alpha, **exact), x, atol=5e-7)
    assert_allclose(katz(W, 0.5, **exact), (0.882843, 1.082843, 1.082843, 0.882843), atol=5e-7)
    ranks = {1: (0.166667, 0.235702, 0.235702, 0.166667)}
    ranks |= {2: (0.388889, 0.392837, 0.078567, -0.055556), 4: known[0.5]}
    for rank, x in ranks.items():
        assert_allclose(spectrum(W, rank).filtered(low_pass(0.5), FIRST), x, atol=5e-7)
    assert_allclose(spectrum(W, 4).w, (1, 0.5, -0.5, -1), atol=1e-12)


@given(seed=seeds, alpha=st.sampled_from([0.0, 0.5, 0.9, 0.99]))
def test_it_solves_what_scipy_solves(seed, alpha):
    W = graph(seed)
    L, y = laplacian(W, alpha), normal(30, seed=seed)
    assert_allclose(diffuse(W, y, alpha, 1e-12, 99), spsolve(L.tocsc(), y), atol=1e-9)
    for steps in (1, 4, 20):
        theirs, _ = cg(L, y, rtol=1e-6, maxiter=steps)
        assert_allclose(diffuse(W, y, alpha, steps=steps), theirs, atol=1e-9)


def test_residuals_are_those_of_the_steps():
    L, y = laplacian(graph(1), 0.9), normal(30)
    found = conjugate_gradient(L, y, steps=7)
    for steps in range(1, 8):
        x = conjugate_gradient(L, y, steps=steps).x
        share = np.linalg.norm(y - L @ x) / np.linalg.norm(y)
        assert_allclose(found.residuals[steps - 1], share, rtol=1e-9)


def test_steps_end_where_the_residual_is_small_and_sooner_for_a_small_alpha():
    W, y = graph(2), normal(30)
    few, many = (conjugate_gradient(laplacian(W, a), y, steps=99).residuals for a in (0.5, 0.99))
    assert few[-1] <= 1e-6 < few[-2]
    assert len(few) < len(many)


@given(seed=seeds, q=st.integers(1, 6))
def test_columns_are_solved_as_if_alone_to_the_bit(seed, q):
    L, Y = laplacian(graph(seed), 0.99), normal(30, q, seed=seed)
    Y[:, 0] *= 1e-3
    together = conjugate_gradient(L, Y)
    for j in range(q):
        alone = conjugate_gradient(L, Y[:, j])
        assert_array_equal(together.x[:, j], alone.x)
        assert_array_equal(
            [r[j] for r in together.residuals][: len(alone.residuals)], alone.residuals
        )


def test_nothing_asked_for_is_0_and_any_small_tolerance_ends():
    L = laplacian(graph(0), 0.9)
    assert_array_equal(conjugate_gradient(L, np.zeros(30)).x, np.zeros(30))
    assert conjugate_gradient(L, np.zeros(30)).residuals == []
    exact = conjugate_gradient(L, FIRST.repeat(8)[:30], tolerance=0, steps=999)
    assert len(exact.residuals) < 999
    assert_allclose(L @ exact.x, FIRST.repeat(8)[:30], atol=1e-12)


def test_what_has_no_solution_is_named():
    with pytest.raises(ValueError, match=r"conjugate_gradient: A is not positive definite"):
        conjugate_gradient(-np.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="row 1 of 2 holds a value that is not finite"):
        conjugate_gradient(np.eye(2), np.array([1, np.nan]))
    W = symmetric_normalized(PATH)
    for y in (np.ones(3), np.ones((4, 1, 1)), np.float64(1)):
        with pytest.raises(ValueError, match="diffuse: y has a row for each of 4 nodes, not"):
            diffuse(W, y)
    with pytest.raises(ValueError, match="diffuse: row 2 of 4 holds a value that is not finite"):
        diffuse(W, np.array([1, 0, np.inf, 0]))


@pytest.mark.parametrize("alpha", [1, 1.5, -0.1, np.nan])
def test_an_alpha_of_1_is_refused_as_there_is_no_inverse(alpha):
    for f in (lambda: diffuse(csr_array(PATH), FIRST, alpha), lambda: low_pass(alpha)):
        with pytest.raises(ValueError, match=r"alpha is in \[0, 1\), as I - W has no inverse; got"):
            f()


@given(seed=seeds)
def test_what_no_path_leads_to_is_exactly_0_and_who_is_isolated_keeps_its_own(seed):
    A = block_diag([reciprocal_graph(np.abs(normal(n, 3, seed=seed + n)), n) for n in (9, 7)])
    W = symmetric_normalized(block_diag([A, np.zeros((2, 2))]))
    X = diffuse(W, np.eye(18), alpha=0.9)
    assert (X[:9, :9] > 0).all()
    assert (X[9:, :9] == 0).all()
    assert (X[:9, 9:] == 0).all()
    assert_allclose(X[16:], 0.1 * np.eye(18)[16:])
    assert_allclose(katz(W, 0.9)[16:], 0.1, rtol=1e-6)


def test_two_arcs_side_by_side_are_told_apart_by_paths_and_not_by_cosines():
    angle = np.linspace(0, 2.5, 40)
    arcs = [np.column_stack([np.cos(angle), np.sin(angle), np.full(40, h)]) for h in (0, 0.4)]
    V, same = normalize(np.concatenate(arcs)), np.arange(80) < 40
    x = diffuse(symmetric_normalized(reciprocal_graph(V, 3)), np.eye(80)[0], steps=200)
    assert x[same].min() > x[~same].max()
    assert (V @ V[0])[same].min() < 0 < 0.9 < (V @ V[0])[~same].max()


@pytest.mark.parametrize("power", [-600, 600])
def test_how_large_a_query_is_does_not_matter(power):
    W = symmetric_normalized(PATH)
    size = 2.0**power
    assert_array_equal(diffuse(W, size * FIRST), size * diffuse(W, FIRST))


def test_affinities_near_0_do_not_become_infinite():
    A = block_diag([PATH, np.full((2, 2), 1e-320)])
    W = symmetric_normalized(A).toarray()
    assert_array_equal(W[:4, :4], symmetric_normalized(PATH).toarray())
    assert not W[4:].any()


def test_graphs_of_nothing_have_results_of_nothing():
    assert katz(np.zeros((0, 0))).shape == (0,)
    assert truncated(PATH, np.zeros((1, 0), int), FIRST[:, None]).shape == (1, 0)


def test_what_is_no_graph_is_named():
    square = {
        "laplacian": laplacian,
        "spectrum": lambda W: spectrum(W, 1),
        "truncated": lambda A: truncated(A, np.array([[0]]), FIRST[: len(A), None]),
    }
    for name, f in square.items():
        with pytest.raises(ValueError, match=rf"{name}: a graph is \(n, n\), not \(4, 3\)"):
            f(PATH[:, :3])
        with pytest.raises(ValueError, match=f"{name}: the graph holds a value that is not finite"):
            f(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="spectrum: W is symmetric, .* differ by up to 1"):
        spectrum(np.triu(PATH), 1)


@pytest.mark.parametrize("options", [{"steps": 0}, {"tolerance": -1}, {"tolerance": np.nan}])
def test_a_solver_that_would_do_nothing_is_refused(options):
    with pytest.raises(ValueError, match="steps are 1 or more, tolerance 0 or more, not"):
        diffuse(symmetric_normalized(PATH), FIRST, **options)


def test_what_is_counted_is_whole():
    W = symmetric_normalized(PATH)
    for n in (2.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"conjugate_gradient: steps is a .* number, not {n}"):
            katz(W, steps=n)
        with pytest.raises(ValueError, match=f"spectrum: rank is a whole number, not {n}"):
            spectrum(W, n)
        for f in (observed, expanded):
            with pytest.raises(ValueError, match=f"{f.__name__}: k is a whole number, not {n}"):
                f(np.eye(2), np.eye(2), n)
    assert_array_equal(katz(W, steps=np.int64(2)), katz(W, steps=2))


@pytest.mark.filterwarnings("ignore:overflow")
def test_float32_of_which_squares_overflow_is_isolated():
    V = np.ones((3, 2), np.float32)
    V[2] = 1e25
    assert_array_equal(reciprocal_graph(V, 1).toarray().round(5), [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def test_options_are_the_sources_unless_given_and_reach_the_solver():
    W, y = graph(3), normal(30)
    assert_array_equal(diffuse(W, y), diffuse(W, y, 0.99, 1e-6, 20))
    L = laplacian(W, 0.9)
    for options in ({"steps": 2}, {"tolerance": 0.5}):
        few = conjugate_gradient(L, np.ones(30), **options).x
        assert_array_equal(katz(W, 0.9, **options), few)
        assert (few != katz(W, 0.9)).any()
    every, Y = np.arange(4)[None], FIRST[:, None]
    for options in ({"steps": 2}, {"tolerance": 0.5}):
        few = truncated(PATH, every, Y, 0.9, **options)[0]
        assert_array_equal(few, diffuse(symmetric_normalized(PATH), FIRST, 0.9, **options))
        assert (few != truncated(PATH, every, Y, 0.9)[0]).any()


# queries from outside


def test_a_copy_of_a_node_ranks_as_the_node():
    V = np.abs(normal(40, 3))
    W = symmetric_normalized(reciprocal_graph(V, 8))
    y = observed(2 * V[[7, 3]], V, k=1)
    assert_allclose(y, np.eye(40)[:, [7, 3]], rtol=1e-12)
    assert_allclose(diffuse(W, y), diffuse(W, np.eye(40)[:, [7, 3]]), rtol=1e-9)


@given(seed=seeds, k=st.integers(1, 40), gamma=st.sampled_from([0, 1, 3]))
def test_a_query_touches_its_nearest_by_a_power_of_the_cosine(seed, k, gamma):
    Q, V = normal(4, 3, seed=seed), normal(20, 3, seed=seed + 1)
    y = observed(Q, V, k, gamma)
    S = normalize(Q) @ normalize(V).T
    for column, s in zip(y.T, S):
        near = np.argsort(-s)[:k]
        near = near[s[near] > 0]
        assert_allclose(column[near], s[near] ** gamma)
        assert np.count_nonzero(column) == len(near)


def test_unless_said_otherwise_the_ten_nearest_are_touched_by_the_third_power():
    Q, V = np.abs(normal(4, 3)), np.abs(normal(20, 3, seed=1))
    assert_array_equal(observed(Q, V), observed(Q, V, k=10, gamma=3))
    assert_array_equal(np.count_nonzero(observed(Q, V), 0), [10] * 4)


def test_a_query_that_touches_nothing_ranks_nothing():
    V = np.abs(normal(9, 3))
    y = observed(-V[:1], V)
    assert_array_equal(diffuse(symmetric_normalized(reciprocal_graph(V)), y), np.zeros((9, 1)))
    assert_array_equal(observed(np.zeros((1, 3)), V), np.zeros((9, 1)))


def test_expansion_by_definition():
    Q, V = normal(5, 4, seed=1), normal(30, 4, seed=2)
    index, s = most_similar(Q, V, 6)
    for power in (0, 1, 3):
        for q, near, cosines, z in zip(Q, index, s, expanded(Q, V, 6, power)):
            S = q / np.linalg.norm(q)
            for i, c in zip(near, cosines):
                if c > 0:
                    S = S + c**power * V[i] / np.linalg.norm(V[i])
            assert_allclose(z, S / np.linalg.norm(S))


def test_a_query_that_finds_nothing_stays_and_one_of_zeros_stays_0():
    assert_allclose(expanded(np.array([[-2.0, 0], [0, 0]]), np.eye(2), 9), [[-1, 0], [0, 0]])


def test_queries_that_cannot_be_are_named():
    V = np.eye(3)
    for f in (observed, expanded):
        name = f.__name__
        with pytest.raises(ValueError, match=rf"{name}: queries are .* not \(2, 2\) and \(3, 3\)"):
            f(np.eye(2), V)
        with pytest.raises(ValueError, match=f"{name}: query 1 of 3 holds a value that is not"):
            f(np.diag([1, np.nan, 1]), V)
        with pytest.raises(ValueError, match=f"{name}: node 2 of 3 holds a value that is not"):
            f(V, np.diag([1, 1, np.inf]))
        with pytest.raises(ValueError, match="k is 1 to 3 for 3 samples, not 0"):
            f(V, V, k=0)
    for power in (-1, np.nan):
        with pytest.raises(ValueError, match="expanded: power is 0 or more, not"):
            expanded(V, V, power=power)


@pytest.mark.parametrize("power", [-1, np.nan, np.inf])
def test_powers_that_cannot_be_are_named(power):
    with pytest.raises(ValueError, match="observed: gamma is 0 or more, not"):
        observed(np.eye(2), np.eye(2), gamma=power)
    with pytest.raises(ValueError, match="expanded: power is 0 or more, not"):
        expanded(np.eye(2), np.eye(2), power=power)


def test_a_graph_of_no_nodes_is_named():
    for f in (observed, expanded):
        with pytest.raises(ValueError, match=rf"{f.__name__}: .* not \(2, 3\) and \(0, 3\)"):
            f(np.ones((2, 3)), np.ones((0, 3)))


# truncation


@given(seed=seeds, m=st.integers(1, 30))
def test_truncated_it_is_diffusion_on_each_querys_part_of_the_graph(seed, m):
    V, Q = np.abs(normal(30, 3, seed=seed)), np.abs(normal(3, 3, seed=seed + 1))
    A = reciprocal_graph(V, 6)
    candidates, y = most_similar(Q, V, m)[0], observed(Q, V, 4)
    found = truncated(A, candidates, y, 0.9)
    assert found.shape == (3, m)
    for some, column, x in zip(candidates, y.T, found):
        part = A.toarray()[np.ix_(some, some)]
        degree = part.sum(1)
        scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0)
        L = (np.eye(m) - 0.9 * scale[:, None] * part * scale) / 0.1
        assert_allclose(x, np.linalg.solve(L, column[some]), atol=1e-5)


def test_with_all_as_candidates_nothing_is_truncated():
    V = np.abs(normal(20, 3))
    A, y = reciprocal_graph(V, 5), observed(V[:4] + 0.1, V, 3)
    every = np.tile(np.arange(20), (4, 1))
    assert_array_equal(truncated(A, every, y).T, diffuse(symmetric_normalized(A), y))


def test_candidates_that_are_not_there_are_named():
    with pytest.raises(ValueError, match=r"and y \(4, q\), not \(2, 3\) and \(4,\)"):
        truncated(PATH, np.zeros((2, 3), int), FIRST)
    with pytest.raises(ValueError, match="truncated: candidates are 0 to 3, not 0 to 4"):
        truncated(PATH, np.array([[0, 4]]), FIRST[:, None])
    for some, kind in (([[0.0, 1.0]], "float64"), ([[True, False]], "bool")):
        with pytest.raises(ValueError, match=f"candidates are whole numbers, not {kind}"):
            truncated(PATH, np.array(some), FIRST[:, None])
    assert truncated(PATH, np.empty((1, 0)), FIRST[:, None]).shape == (1, 0)


# regions


def test_copies_of_a_region_share_its_weight():
    V = normalize(np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]))
    image = np.array([4, 1, 4, 4, 1, 0])
    assert_allclose(region_weights(V, image), [1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 2, 1 / 2])


@given(seed=seeds)
def test_weights_make_all_regions_alike_to_what_they_sum_to(seed):
    V, image = normal(12, 20, seed=seed), np.random.default_rng(seed).integers(0, 3, 12)
    w = region_weights(V, image)
    for i in set(image):
        some = image == i
        assert_allclose(V[some] @ (w[some] @ V[some]) + w[some], np.ones(some.sum()))


def test_scores_of_images_are_sums_over_their_regions():
    x, image, w = normal(9, 2), np.arange(9) % 3 + 1, normal(9, seed=1)
    expected = np.zeros((5, 2))
    np.add.at(expected, image, w[:, None] * x)
    assert_allclose(image_scores(x, image, 5, w), expected)
    assert_allclose(image_scores(x[:, 0], image, 5, w), expected[:, 0])
    assert_allclose(image_scores(x, image, 5), image_scores(x, image, 5, np.ones(9)))


def test_one_region_of_an_image_leads_to_another_image_by_a_third_one():
    part, link, thing = np.eye(4)[:3]
    V = np.array([part, part + link, link + thing, thing, np.eye(4)[3]])
    image = np.array([0, 1, 1, 2, 3])
    W = symmetric_normalized(reciprocal_graph(V, 2))
    s = image_scores(diffuse(W, observed(part[None], V, 1)), image, 4, region_weights(V, image))
    assert s[1] > s[2] > s[3] == 0  # of image 2 no region is like the query


def test_regions_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"region_weights: .* not \(2, 2\) and \(3,\)"):
        region_weights(np.eye(2), np.zeros(3, int))
    with pytest.raises(ValueError, match="region_weights: descriptor 0 of 1 holds a value"):
        region_weights(np.array([[np.nan]]), np.zeros(1, int))
    with pytest.raises(ValueError, match=r"image_scores: .* not \(2,\), \(3,\) and \(2,\)"):
        image_scores(np.ones(2), np.zeros(3, int), 1)
    with pytest.raises(ValueError, match="image_scores: images are 0 to 1, not 0 to 2"):
        image_scores(np.ones(2), np.array([0, 2]), 2)


@pytest.mark.parametrize(
    ("x", "image", "weights", "said"),
    [
        ([1, np.nan], [0, 0], [1, 1], "row 1 of 2 holds a value that is not finite"),
        ([1, 2], [0, 0], [np.inf, 1], "weight 0 of 2 holds a value that is not finite"),
        ([1, 2], [0, 0.5], [1, 1], "images are whole numbers, not float64"),
        ([1, 2], [[0], [0]], [1, 1], r"not \(2,\), \(2, 1\) and \(2,\)"),
        ([1, 2], [0, 0], [[1], [1]], r"not \(2,\), \(2,\) and \(2, 1\)"),
    ],
)
def test_scores_that_cannot_be_summed_are_named(x, image, weights, said):
    with pytest.raises(ValueError, match=f"image_scores: .*{said}"):
        image_scores(np.array(x), np.array(image), 1, np.array(weights))


# the spectrum


@given(seed=seeds, rank=st.integers(1, 30), alpha=st.sampled_from([0.5, 0.99]))
def test_all_eigenvalues_filter_exactly_and_fewer_are_those_of_the_whole(seed, rank, alpha):
    W = graph(seed)
    found, w = spectrum(W, rank), np.linalg.eigvalsh(W.toarray())
    assert_allclose(found.w, w[::-1][:rank], atol=1e-12)
    assert_allclose(found.U.T @ found.U, np.eye(rank), atol=1e-12)
    assert_allclose(W @ found.U, found.U * found.w, atol=1e-12)
    h, y = low_pass(alpha), normal(30, 2, seed=seed)
    whole = spectrum(W, 30).filtered(h, y)
    assert_allclose(whole, diffuse(W, y, alpha, 1e-13, 99), atol=1e-9)
    assert_allclose(spectrum(W, 30).filtered(h, y[:, 0]), whole[:, 0])
    E = found.embedded(h)
    assert_allclose(E @ (E.T @ y), found.filtered(h, y), atol=1e-12)


def test_each_of_many_components_has_its_eigenvalue_1():
    """Of the ten largest, all 1, ARPACK on the whole found seven."""
    blocks = [reciprocal_graph(np.abs(normal(12, 3, seed=i)), 5) for i in range(60)]
    W = symmetric_normalized(block_diag([*blocks, np.zeros((3, 3))]))
    expected = np.linalg.eigvalsh(W.toarray())[::-1]
    for rank in (1, 10, 60, 100, W.shape[0]):
        found = spectrum(W, rank)
        assert_allclose(found.w, expected[:rank], atol=1e-12)
        assert_allclose(found.U.T @ found.U, np.eye(rank), atol=1e-12)


def test_an_iteration_finds_what_the_whole_decomposition_does(monkeypatch):
    W = graph(0, 200, 10)
    whole = spectrum(W, 9)
    monkeypatch.setattr("minigrad.evaluate.graphs.SMALL", 0)
    by_steps = spectrum(W, 9)
    assert_allclose(by_steps.w, whole.w, atol=1e-12)
    assert_allclose(np.abs((by_steps.U * whole.U).sum(0)), 1, atol=1e-9)
    assert_array_equal(spectrum(W, 9).U, by_steps.U)


def test_an_iteration_finds_the_largest_by_sign(monkeypatch):
    monkeypatch.setattr("minigrad.evaluate.graphs.SMALL", 0)
    path = np.diag(np.ones(39), 1)  # its eigenvalues are symmetric around 0
    found = spectrum(symmetric_normalized(path + path.T), 3).w
    assert_allclose(np.sort(found)[::-1], np.cos(np.arange(3) * np.pi / 39), atol=1e-9)


def test_nodes_alone_have_the_eigenvalue_of_their_loop():
    assert_array_equal(spectrum(np.diag([0.2, 0, 0.5]), 3).w, [0.5, 0.2, 0])


def test_a_filter_is_1_at_1_and_falls():
    w = np.linspace(-1, 1, 21)
    for alpha in (0.3, 0.9, 0.99):
        h = low_pass(alpha)(w)
        assert h[-1] == 1
        assert (np.diff(h) > 0).all()
        assert_allclose(h[0], (1 - alpha) / (1 + alpha))
    assert_array_equal(low_pass(0)(w), 1)


def test_ranks_and_filters_that_cannot_be_are_named():
    for rank in (0, 5):
        with pytest.raises(ValueError, match=f"spectrum: rank is 1 to 4 for 4 nodes, not {rank}"):
            spectrum(symmetric_normalized(PATH), rank)
    some = Spectrum(np.array([1.0, -0.5]), np.eye(2))
    for h in (lambda w: w, lambda w: np.full(2, np.nan)):
        with pytest.raises(ValueError, match="a filter with products is not negative, not"):
            some.embedded(h)


# what it is good for


@pytest.mark.slow
def test_digits_are_ranked_better_and_their_first_neighbour_a_little_worse():
    from sklearn.datasets import load_digits

    V, T = load_digits(return_X_y=True)
    own, same = np.eye(len(V), dtype=bool), T[:, None] == T
    judge = lambda S: (
        ranked_precision(S, same, own).mean,
        ranked_recall(S, same, own, 1).mean[0],
    )
    unit = normalize(V)
    assert_allclose(judge(unit @ unit.T), (0.659, 0.989), atol=5e-4)
    assert_allclose(mean_average_precision(V, T, measure="cosine").mean, 0.659, atol=5e-4)
    figures = {(10, 0.99): (0.836, 0.973), (50, 0.9): (0.855, 0.978), (50, 0.99): (0.840, 0.978)}
    for (k, alpha), expected in figures.items():
        W = symmetric_normalized(reciprocal_graph(V, k))
        assert k > 10 or (W.sum(1) == 0).sum() == 47
        exact = np.linalg.inv(laplacian(W, alpha).toarray())
        assert_allclose(judge(exact), expected, atol=5e-4)
        assert_allclose(judge(diffuse(W, np.eye(len(V)), alpha).T), expected, atol=5e-3)

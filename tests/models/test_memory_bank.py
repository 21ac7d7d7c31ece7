import re

import numpy as np
import pytest
import strict
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import memory_bank, memory_nce, memory_softmax, nce, remember
from minigrad.models.memory_bank import normaliser
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal

import minigrad as mg
from minigrad import affine, detach, entropy, normalize, value_and_grad
from minigrad.learn import Interrupted, train

rng = lambda seed=0: np.random.default_rng(seed)


def bank(n=9, d=3):
    return {"memory": normalize(normal(n, d))}


def test_a_new_bank_is_uniform_and_of_length_1_on_average():
    V = memory_bank.initial(rng(), 3000, 12)["memory"]
    assert (V.shape, V.dtype) == ((3000, 12), np.float32)
    assert np.abs(V).max() <= np.sqrt(3 / 12)
    assert_allclose((V**2).sum(1).mean(), 1, atol=0.02)  # deviation 0.005


def test_the_non_parametric_softmax_and_the_update_have_the_golden_values(golden):
    entry = golden("npid_softmax")
    X, y, V = (entry.inputs[k] for k in ("X", "y", "memory"))
    state, T = {"memory": V}, entry.options["T"]
    L, dX = value_and_grad(lambda X: memory_softmax(X, y, state=state, temperature=T))(X)
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    assert_allclose(dX, entry.grads["X"], **GOLDEN)
    remember(state, X, y, entry.options["momentum"])
    assert_allclose(state["memory"], entry.outputs["new_memory"], **GOLDEN)


@pytest.mark.parametrize("name", ["npid_nce", "npid_nce_noeps"])
def test_nce_has_the_golden_values(golden, name):
    entry = golden(name)
    X, V, index = (entry.inputs[k] for k in ("X", "memory", "idx"))
    T = entry.options["T"]
    ln_Z = normaliser({"memory": V}, X, index, T)
    assert_allclose(np.exp(ln_Z), entry.outputs["Z"], **GOLDEN)
    L, dX = value_and_grad(lambda X: nce(X, V, index, ln_Z, T, entry.options["eps"]))(X)
    assert_allclose(L, entry.outputs["L"], **GOLDEN)
    assert_allclose(dX, entry.grads["X"], **GOLDEN)


def test_a_bank_is_a_constant_and_the_loss_is_the_entropy_against_its_rows():
    X, y, state = normal(4, 3), np.array([0, 8, 3, 3]), bank()
    L, dX = value_and_grad(lambda X: memory_softmax(X, y, state=state, temperature=0.1))(X)
    W = state["memory"].T / 0.1
    expected, step = value_and_grad(lambda X: entropy(X @ W, y))(X)
    assert_allclose(L, expected)
    assert_allclose(dX, step)


@given(y=st.lists(st.integers(0, 8), min_size=6, max_size=6), momentum=st.sampled_from([0.0, 0.5]))
def test_the_last_of_images_that_are_twice_in_a_batch_is_remembered(y, momentum):
    X, state = normal(6, 3, seed=1), bank()
    expected = state["memory"].copy()
    for x, i in zip(X, y):
        row = momentum * state["memory"][i] + (1 - momentum) * x
        expected[i] = row / np.linalg.norm(row)
    remember(state, X, np.array(y), momentum)
    assert_allclose(state["memory"], expected)


def test_the_update_leaves_the_rows_alone_that_the_loss_of_this_step_still_needs():
    X, y, state = mg.var(normal(2, 3)), np.array([0, 1]), bank()
    before = state["memory"]
    L = memory_softmax(X, y, state=state)
    remember(state, detach(X), y)
    L.backward()
    _, dX = value_and_grad(lambda X: memory_softmax(X, y, state={"memory": before}))(X.value)
    assert_array_equal(X.grad, dX)
    assert (state["memory"] != before).any()


def test_a_row_that_becomes_zero_stays_zero():
    state = {"memory": np.zeros((2, 3))}
    remember(state, np.zeros((1, 3)), np.array([1]))
    assert_array_equal(state["memory"], np.zeros((2, 3)))


def moving(Z, momentum=0.9):
    """Z after each of three batches of another size of products."""
    state, found = bank(), []
    for scale in (1.0, 2.0, 3.0):
        X = np.full((2, 3), scale)
        memory_nce(X, np.array([0, 1]), state=state, rng=rng(), noise=4, Z=Z, momentum=momentum)
        found.append(np.exp(state["ln_Z"]) if "ln_Z" in state else None)
    return found


def test_z_is_that_of_the_first_batch_for_good_or_moves_or_is_given():
    first = moving("first")
    assert first[0] == first[1] == first[2]
    own = moving("moving", momentum=0.0)
    mixed = moving("moving", momentum=0.75)
    assert_allclose(mixed[0], first[0])
    assert_allclose(mixed[1], 0.75 * own[0] + 0.25 * own[1])
    assert_allclose(mixed[2], 0.75 * mixed[1] + 0.25 * own[2])
    assert moving(5.0) == [None] * 3


def test_a_given_z_is_that_of_the_formula():
    X, V, index = normal(2, 3), bank()["memory"], np.array([[0, 4], [1, 1]])
    P = np.exp((X[:, None] * V[index]).sum(2)) / 5.0
    h = P / (P + 1 / 9)
    expected = -(np.log(h[:, 0]) + np.log(1 - h[:, 1])).mean()
    assert_allclose(nce(X, V, index, np.log(5.0), 1.0), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_nce_stays_finite_where_its_probabilities_round_to_0_and_1(scale, dtype):
    X, index = (scale * normal(4, 3)).astype(dtype), rng().integers(0, 9, (4, 6))
    V = bank()["memory"].astype(dtype)
    ln_Z = normaliser({"memory": V}, X, index, 0.01)
    L, dX = value_and_grad(lambda X: nce(X, V, index, ln_Z, 0.01))(X)
    assert L.dtype == dX.dtype == dtype
    assert np.isfinite(L)
    assert np.isfinite(dX).all()


def test_noise_is_drawn_uniformly_and_the_image_s_own_row_may_be_among_it(monkeypatch):
    seen = []
    monkeypatch.setattr(memory_bank, "nce", lambda X, V, index, *rest: seen.append(index) or X)
    y = np.tile(np.arange(9), 100)
    memory_nce(normal(900, 3), y, state=bank(), rng=rng(), noise=9)
    (index,) = seen
    assert_array_equal(index[:, 0], y)
    assert_allclose(np.bincount(index[:, 1:].ravel()) / 8100, 1 / 9, atol=0.015)  # deviation .0035
    assert (index[:, 1:] == y[:, None]).any()


def test_a_bank_and_its_z_are_trained_on_the_device(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)

    def run(move):
        state = move(memory_bank.initial(rng(), 9, 3))
        X, y = move((normal(4, 3).astype(np.float32), np.array([0, 3, 3, 8])))
        found = []
        for Z in ("first", "moving"):
            f = lambda X: memory_nce(X, y, state=state, rng=rng(1), noise=5, Z=Z)  # noqa: B023
            found += value_and_grad(f)(X)
            remember(state, X, y)
        return [*found, memory_softmax(X, y, state=state), *state.values()]

    for here, there in zip(run(lambda a: a), run(mg.to_gpu), strict=True):
        assert type(there) is strict.ndarray
        assert there.dtype == np.float32
        assert_allclose(here, there.get(), rtol=1e-5, atol=1e-6)


def objective(loss, state):
    def f(U, X, y, rng):
        F = normalize(affine(X, U))
        L = loss(F, y, state, rng)
        remember(state, detach(F), y)
        return L

    return f


LOSSES = {
    "softmax": lambda F, y, state, rng: memory_softmax(F, y, state=state),
    "nce": lambda F, y, state, rng: memory_nce(F, y, state=state, rng=rng, noise=8, Z="moving"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_an_interrupted_run_goes_on_with_its_bank_to_the_same_bytes(name, tmp_path):
    import signal

    X, y = normal(40, 5), np.arange(40)

    def run(folder, stop_at=None, resume=False):
        state, U, steps = memory_bank.initial(rng(), 40, 4), (normal(5, 4), np.zeros(4)), []
        plain = objective(LOSSES[name], state)

        def f(*args, **options):
            steps.append(0)
            if len(steps) == stop_at:
                signal.raise_signal(signal.SIGINT)
            return plain(*args, **options)

        train(
            f,
            U,
            (X, y),
            rng=rng(1),
            epochs=3,
            batch=10,
            state=state,
            folder=tmp_path / folder,
            resume=resume,
            progress=False,
        )
        return U, state

    U, state = run("whole")
    with pytest.raises(Interrupted):
        run("parts", stop_at=6)
    V, other = run("parts", resume=True)
    assert other.keys() == state.keys()
    for a, b in zip([*U, *state.values()], [*V, *other.values()]):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        ((2, 3), [0, 9], "y holds 9, and there are rows 0 to 8"),
        ((2, 3), [0], "y is (2,), whole numbers, not (1,) of int64"),
        ((2, 4), [0, 1], "X is (m, d) and W (n, d), not (2, 4) and (9, 3)"),
    ],
)
def test_what_does_not_fit_the_bank_is_refused(X, y, sentence):
    for name, f in [
        ("exemplar_softmax", lambda X, y: memory_softmax(X, y, state=bank())),
        ("memory_nce", lambda X, y: memory_nce(X, y, state=bank(), rng=rng(), noise=4)),
        ("remember", lambda X, y: remember(bank(), X, y)),
    ]:
        with pytest.raises(ValueError, match=re.escape(f"{name}: {sentence}")):
            f(np.ones(X), np.array(y))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise": 10}, "memory_nce: noise is 1 to 9 for a bank of 9 rows, not 10: `memory_soft"),
        ({"noise": 0}, "memory_nce: noise is 1 to 9 for a bank of 9 rows, not 0"),
        ({"Z": "last"}, "memory_nce: Z is first or moving, not 'last'"),
        ({"Z": 0.0}, "memory_nce: Z is above 0, not 0.0"),
        ({"momentum": 1.0}, "memory_nce: momentum, the share of the old, is 0 to below 1, not 1.0"),
        ({"temperature": 0.0}, "memory_nce: temperature is above 0, not 0.0"),
    ],
)
def test_noise_beyond_the_bank_and_other_options_are_refused(options, sentence):
    options = {"noise": 4, **options}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        memory_nce(np.ones((2, 3)), np.array([0, 1]), state=bank(), rng=rng(), **options)


@pytest.mark.parametrize(("n", "d"), [(3, 0), (0, 3), (3, -1)])
def test_a_bank_without_rows_or_columns_is_refused(n, d):
    sentence = f"memory_bank.initial: n and d are 1 or more, not {n} and {d}"
    with pytest.raises(ValueError, match=sentence):
        memory_bank.initial(rng(), n, d)


@pytest.mark.parametrize(
    ("index", "ln_Z", "sentence"),
    [
        (np.zeros((2, 1), int), 3.0, "index is (2, 1 + K), K 1 or more, not (2, 1)"),
        (np.zeros(2, int), 3.0, "index is (2, 1 + K), K 1 or more, not (2,)"),
        (np.zeros((3, 4), int), 3.0, "index is (2, 1 + K), K 1 or more, not (3, 4)"),
        (np.full((2, 4), 9), 3.0, "index holds 9, and there are rows 0 to 8"),
        (np.zeros((2, 4)), 3.0, "index is (8,), whole numbers, not (8,) of float64"),
        (np.zeros((2, 4), int), np.nan, "ln_Z is a finite number, not nan"),
        (np.zeros((2, 4), int), np.array(np.inf), "ln_Z is a finite number, not inf"),
    ],
)
def test_an_index_or_a_sum_that_nce_cannot_use_is_refused_by_name(index, ln_Z, sentence):
    with pytest.raises(ValueError, match=re.escape(f"nce: {sentence}")):
        nce(np.ones((2, 3)), bank()["memory"], index, ln_Z)


def test_features_that_are_not_finite_never_reach_the_bank():
    state = bank()
    with pytest.raises(ValueError, match=re.escape("remember: row 1 of X (2, 3) is not finite")):
        remember(state, np.array([[1.0, 0, 0], [np.nan, 0, 0]]), np.array([0, 1]))
    assert np.isfinite(state["memory"]).all()

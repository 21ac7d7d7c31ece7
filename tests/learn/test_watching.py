"""watch: networks made to fail in one way each and what is said of them; healthy ones."""

import gc
import itertools
import re
import sys
import weakref
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minigrad as mg
from minigrad import affine, block, entropy, node, relu, var, watch
from minigrad.data import digits
from minigrad.learn import Adam, Momentum, glorot, he, train
from minigrad.tree import leaves, map_leaves

N, D, K = 32, 20, 10
WIDE = (D, *(30,) * 8, K)  # eight hidden layers


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, D)), rng.integers(K, size=N)


@block
def model(X, U, function=relu):
    *hidden, last = U
    for u in hidden:
        X = function(affine(X, u))
    return affine(X, last)


@block
def loss(U, X, T, function=relu):
    return entropy(model(X, U, function=function), T)


def network(rng, sizes=(D, 100, K), weights=he):
    return [
        (weights(size, rng, dtype=float), np.zeros(size[1])) for size in itertools.pairwise(sizes)
    ]


def descent(U, rate=0.1):
    """The update of gradient descent, for an objective's parameters."""

    def update(dU):
        for w, dw in zip(leaves(U), leaves(dU)):
            w -= rate * dw

    return update


def only(report, kind):
    """The sentence of the one finding there is, which is of this kind."""
    assert [finding.kind for finding in report.findings] == [kind], str(report)
    assert not report
    return report.findings[0].sentence


# networks that fail


def test_dead_relus_are_counted_and_placed_with_their_inputs(rng, data):
    U = network(rng)
    U[0][1][:73] = -50
    sentence = only(watch(loss, U, *data, update=descent(U)), "dead relu")
    assert sentence.startswith(
        "loss > model > relu (32, 100): 73 of 100 units are 0 for every sample of the batch"
    )
    assert re.search(r"input: A \(32, 100\) in \[-5\d\.\d, [3-9]\.\d+\]", sentence)


def test_dead_maps_of_a_convolution_are_counted_per_channel(rng):
    @block
    def layer(X, U):
        return relu(mg.conv(X, U, padding=1))

    @block
    def loss(U, X, T):
        return entropy(affine(mg.flatten(layer(X, U[0])), U[1]), T)

    X, T = rng.standard_normal((N, 1, 4, 4)), rng.integers(K, size=N)
    b = np.where(np.arange(8) < 5, -50.0, 0.0)
    last = he((8 * 16, K), rng, gain=1.0, dtype=float), np.zeros(K)
    U = (he((8, 1, 3, 3), rng, dtype=float), b), last
    sentence = only(watch(loss, U, X, T, update=descent(U)), "dead relu")
    assert sentence.startswith("loss > layer > relu (32, 8, 4, 4): 5 of 8 maps are 0")


@pytest.mark.parametrize("update", [True, False], ids=["updated", "not updated"])
def test_a_gradient_that_vanishes_through_sigmoids_is_followed_from_last_layer_to_first(
    rng, data, update
):
    U = network(rng, WIDE, glorot)
    report = watch(loss, U, *data, function=mg.sigmoid, update=descent(U) if update else None)
    sentence = only(report, "vanishing")
    assert re.match(
        r"the gradient's norm is 0\.\d+ at the last layer, loss > model > affine 9 of 9 with "
        r"U\[8\]\[0\], and \d\.?\d*e-0[67] at loss > model > affine 1 of 9 with U\[0\]\[0\]",
        sentence,
    )


def test_an_update_that_leaves_a_weight_where_it_is_is_measured_against_the_weight(rng, data):
    U = network(rng)
    before = map_leaves(np.copy, U)
    sentence = only(watch(loss, U, *data, update=descent(U, 1e-7)), "vanishing")
    size = np.linalg.norm(before[0][0])
    moved = np.linalg.norm(U[0][0] - before[0][0]) / size
    assert "moved 2 of 2 weights by less than 1e-06 of their size" in sentence
    assert f"U[0][0] (20, 100) by {moved:.2g}; about 0.001 is healthy" in sentence


def test_an_update_that_throws_a_weight_away_is_measured_against_the_weight(rng, data):
    U = network(rng)
    before = map_leaves(np.copy, U)
    update = descent(U[1:], 100)
    sentence = only(watch(loss, U, *data, update=lambda dU: update(dU[1:])), "exploding")
    moved = np.linalg.norm(U[1][0] - before[1][0]) / np.linalg.norm(before[1][0])
    assert "moved 1 of 1 weights by more than their size" in sentence
    assert f"U[1][0] (100, 10) by {moved:.2g} times" in sentence


def test_a_gradient_that_explodes_is_followed_from_last_layer_to_first(rng, data):
    @block
    def loss(U, X, T):
        return mg.squared_error(model(X, U), T)

    U = network(rng, WIDE, partial(he, gain=18.0))  # three times He's deviation
    sentence = only(watch(loss, U, data[0], np.zeros((N, K))), "exploding")
    assert re.match(
        r"the gradient's norm is \S+ at the last layer, loss > model > affine 9 of 9 with "
        r"U\[8\]\[0\], and \S+e\+\d\d at loss > model > affine 1 of 9 with U\[0\]\[0\]\.",
        sentence,
    )


def nll(Y, T):
    return -mg.mean(mg.index(Y, (np.arange(N), T)))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("entropy", entropy),
        ("softmax", lambda A, T: mg.squared_error(mg.softmax(A), np.eye(K)[T])),
        ("softmax", lambda A, T: mg.squared_error(mg.softmax(A, axis=1), np.eye(K)[T])),
        ("log_softmax", lambda A, T: nll(mg.log_softmax(A), T)),
    ],
    ids=["entropy", "softmax", "softmax with its axis", "log_softmax"],
)
def test_a_softmax_that_is_certain_and_wrong_is_saturated(rng, data, name, f):
    @block
    def loss(U, X, T):
        return f(model(X, U), T)

    U = network(rng)
    U[1][0][...] *= 100
    X, T = data
    A = model(X, U)
    top = mg.softmax(A).max(1) > 0.999
    wrong = top & (A.argmax(1) != T)
    sentence = only(watch(loss, U, X, T), "saturated softmax")
    assert sentence.startswith(
        f"loss > {name}: {top.sum()} of 32 rows give one class a probability above 0.999, "
        f"{wrong.sum()} of them a wrong one"
    )
    assert f"input: A (32, 10) in [{A.min():.3g}, {A.max():.3g}]" in sentence


def test_a_softmax_that_is_certain_and_right_is_what_training_is_for(rng, data):
    X, T = data
    assert watch(entropy, 100 * np.eye(K)[T], T)
    assert only(watch(entropy, 100 * np.eye(K)[(T + 1) % K], T), "saturated softmax")


def test_the_first_value_that_is_not_finite_is_named_with_its_path_and_inputs(rng, data):
    @block
    def distance(A, B):
        return mg.exp(0.5 * mg.log(mg.sum((A - B) ** 2, 1)))

    @block
    def loss(U, X):
        return mg.mean(distance(affine(X, U[0]), affine(X, U[0])))

    with np.errstate(all="ignore"):
        report = watch(loss, network(rng, (D, K)), data[0])
    assert only(report, "not finite") == (
        "the value of loss > distance > log (32,) is the first that is not finite; its inputs: "
        "A (32,) in [0, 0]. Begin there: the rest follows from it"
    )


@node
def root(A):
    Z = np.sqrt(A)

    def back(dZ, dA):
        dA += dZ / (2 * Z)

    return Z, back


@block
def distance(A, B):
    return root(mg.sum((A - B) ** 2, 1))


def test_the_back_that_makes_infinity_is_named_with_its_path_and_inputs(rng, data):
    @block
    def loss(U, X):
        return mg.sum(distance(affine(X, U[0]), affine(X, U[0])))

    with np.errstate(all="ignore"):
        report = watch(loss, network(rng, (D, K)), data[0])
    assert only(report, "not finite") == (
        "the gradient of loss > distance > sum (32,) is the first that is not finite; it comes "
        "from the back of loss > distance > root, which got dZ (32,) in [1, 1]; its inputs: "
        "A (32,) in [0, 0]. Begin there: the rest follows from it"
    )


def test_nan_in_the_data_is_seen_where_it_comes_in(rng, data):
    X, T = data
    X[3, 4] = np.nan
    with np.errstate(all="ignore"):
        sentence = only(watch(loss, network(rng), X, T), "not finite")
    assert "the value of loss > model > affine 1 of 2 (32, 100)" in sentence
    assert re.search(r"X \(32, 20\) in \[-\S+, \S+\] and 1 NaN or infinite;", sentence)


def test_a_parameter_that_is_not_finite_is_named(rng, data):
    U = network(rng)
    U[1][0][0] = np.inf
    with np.errstate(all="ignore"):
        sentence = only(watch(loss, U, *data), "not finite")
    assert sentence.startswith("U[1][0] (100, 10) is not finite before the step")


def test_an_update_that_makes_nan_is_not_blamed_on_the_network(rng, data):
    U = network(rng)

    def update(dU):
        U[1][0][0, 0] = np.nan

    sentence = only(watch(loss, U, *data, update=update), "not finite")
    assert sentence.startswith("U[1][0] (100, 10) is the first that is not finite after the update")


def test_an_update_by_nan_does_not_hide_what_the_inputs_were(rng, data):
    u = var(np.zeros((1, 3)))
    L = mg.sum(root(u))
    with np.errstate(all="ignore"), watch(L, u) as report:
        L.backward()
        u.value -= u.grad
    assert "the back of root, which got dZ (1, 3) in [1, 1]; its inputs: A (1, 3) in [0, 0]" in (
        only(report, "not finite")
    )


# networks that do not fail


@pytest.mark.parametrize(("kind", "rate"), [(Momentum, 0.05), (Adam, 1e-3)])
def test_of_a_healthy_network_nothing_is_said_in_20_steps(rng, kind, rate):
    X, T = digits(8)
    X = X.reshape(len(X), -1).astype(float)
    U = network(rng, (64, 100, 50, 10))
    optimiser = kind(U)
    losses = []
    for _ in range(20):
        i = rng.choice(len(X), N, replace=False)
        report = watch(loss, U, X[i], T[i], update=partial(optimiser.step, rate=rate))
        assert report, report
        assert not report.findings
        losses.append(report.loss)
    assert losses[-1] < losses[0]


def test_by_hand_a_healthy_step_says_what_was_judged(rng, data):
    arrays = network(rng)
    U = var(arrays)
    L = loss(U, *data)
    assert str(watch(L, U)) == (
        f"loss {L:.4g}: nothing wrong (8 nodes, values only: no backward yet)"
    )
    L.backward()
    assert str(watch(L, U)) == f"loss {L:.4g}: nothing wrong (8 nodes; no update watched)"
    before = map_leaves(np.copy, arrays)
    with watch(L, U) as report:
        for w in leaves(U):
            w.value -= 0.1 * w.grad
    moved = [
        np.linalg.norm(arrays[i][0] - before[i][0]) / np.linalg.norm(before[i][0]) for i in (0, 1)
    ]
    extent = f"{min(moved):.2g} to {max(moved):.2g}"
    assert str(report).endswith(f"nothing wrong (8 nodes; weights moved by {extent} of their size)")


# watching by hand


def by_hand(U, data, rate, watching):
    L = loss(U, *data)
    if watching:
        with watch(L, U) as report:
            L.backward()
            for w in leaves(U):
                w.value -= rate * w.grad
        return report
    L.backward()
    for w in leaves(U):
        w.value = w.value - rate * w.grad
    return None


def test_an_assigned_weight_is_compared_as_one_changed_in_place(rng, data):
    sentences = set()
    for assign in (True, False):
        U = var(network(np.random.default_rng(0)))
        L = loss(U, *data)
        with watch(L, U) as report:
            L.backward()
            for w in leaves(U):
                if assign:
                    w.value = w.value - 1000 * w.grad
                else:
                    w.value -= 1000 * w.grad
        sentences.add(only(report, "exploding"))
    assert len(sentences) == 1


def test_without_parameters_weights_are_found_and_numbered(data):
    U = var(network(np.random.default_rng(0)))
    L = loss(U, *data)
    with watch(L) as report:
        L.backward()
        for w in leaves(U):
            w.value -= 1000 * w.grad
    assert "leaf 3 of 4 (100, 10) by " in only(report, "exploding")


def test_parameters_may_be_dicts_with_none(rng, data):
    U = {"W": 1e6 * rng.standard_normal((D, K)), "none": None}
    sentence = only(
        watch(
            lambda U, X: mg.mean(X @ U["W"]),
            U,
            data[0],
            update=lambda dU: np.subtract(U["W"], dU["W"], out=U["W"]),
        ),
        "vanishing",
    )
    assert "U['W'] (20, 10) by" in sentence


def test_the_update_gets_zeros_for_what_the_loss_does_not_depend_on(rng, data):
    U = [*network(rng), np.ones(3, np.float32)]
    got = []
    watch(lambda U, X, T: loss(U[:2], X, T), U, *data, update=got.extend)
    assert_array_equal(got[2], np.zeros(3, np.float32), strict=True)
    assert np.any(got[1][0])


def test_an_exception_inside_passes_and_leaves_what_was_seen_before(rng, data):
    U = var(network(rng))
    L = loss(U, *data)
    with pytest.raises(KeyError), watch(L, U) as report:
        L.backward()
        raise KeyError
    assert report.judged.endswith("no backward yet")


# nothing is kept, nothing is changed, nothing is paid


@pytest.mark.parametrize("kind", [Momentum, Adam])
def test_watched_steps_are_bitwise_those_not_watched(data, kind):
    def run(watching):
        rng = np.random.default_rng(0)
        U = map_leaves(np.float32, network(rng))
        optimiser = kind(U)

        def f(U, X, T, *, rng):
            return loss(U, mg.dropout(X, 0.2, rng=rng), T)

        for _ in range(5):
            if watching:
                watch(f, U, *data, rng=rng, update=partial(optimiser.step, rate=0.1))
            else:
                optimiser.step(mg.value_and_grad(f)(U, *data, rng=rng)[1], 0.1)
        return leaves(U), rng.bit_generator.state

    (watched, after), (alone, state) = run(True), run(False)
    for a, b in zip(watched, alone):
        assert a.dtype == b.dtype
        assert_array_equal(a, b)
    assert after == state


def test_steps_by_hand_are_bitwise_those_not_watched(data):
    runs = []
    for watching in (True, False):
        U = var(network(np.random.default_rng(0)))
        for _ in range(5):
            by_hand(U, data, 0.1, watching)
        runs.append([leaf.value for leaf in leaves(U)])
    for a, b in zip(*runs):
        assert_array_equal(a, b)


def test_without_an_update_the_parameters_stay_as_they_are(rng, data):
    U = network(rng)
    before = map_leaves(np.copy, U)
    watch(loss, U, *data)
    for a, b in zip(leaves(before), leaves(U)):
        assert_array_equal(a, b)


def test_the_report_keeps_no_graph(rng, data):
    U = var(network(rng))
    L = loss(U, *data)
    gc.disable()
    try:
        with watch(L, U) as inside:
            L.backward()
        beside = watch(L, U)
        gone = weakref.ref(L)
        leaf = weakref.ref(U[0][0])
        del L
        assert gone() is None
        del U, beside
        assert leaf() is None
        assert inside.findings == []
    finally:
        gc.enable()


def test_a_step_that_is_not_watched_runs_none_of_this(rng, data):
    ran = set()
    U = network(rng)
    sys.setprofile(lambda frame, *rest: ran.add(frame.f_code.co_filename.rpartition("/")[2]))
    try:
        train(lambda U, X, T, *, rng: loss(U, X, T), U, data, rng=rng, epochs=1, progress=False)
    finally:
        sys.setprofile(None)
    assert "training.py" in ran
    assert not ran & {"watching.py", "symptoms.py", "culprits.py"}


# how it reads, and mistakes in its use


def test_a_report_prints_a_headline_and_a_line_for_each_finding(rng, data):
    U = network(rng)
    for w in leaves(U):
        w[...] = 0
    lines = str(watch(loss, U, *data)).split("\n- ")
    assert lines[0] == "loss 2.303: dead relu, vanishing (8 nodes; no weight moved)"
    assert [line.partition(":")[0] for line in lines[1:]] == ["dead relu", "vanishing"]
    assert all(part.startswith("  ") for line in lines[1:] for part in line.splitlines()[1:])
    assert max(map(len, "\n- ".join(lines).splitlines())) <= 100


def test_a_notebook_shows_the_same_escaped(rng, data):
    U = network(rng)
    U[0][1][...] = -50
    script = block(lambda U, X, T: loss(U, X, T))
    page = watch(script, U, *data)._repr_html_()
    assert "<li><b>dead relu</b>: &lt;lambda&gt; &gt; loss &gt; model &gt; relu (32, 100)" in page
    assert not re.search("<(?!/?(p|ul|li|b)>)", page)
    assert watch(loss, network(rng), *data)._repr_html_().count("<") == 2


def test_a_loss_made_of_arrays_cannot_be_watched(rng, data):
    with pytest.raises(TypeError, match=r"watch: the loss is a float64, .* U = var\("):
        watch(loss(network(rng), *data))


def test_a_value_that_is_no_scalar_is_refused(rng, data):
    with pytest.raises(ValueError, match=r"affine: backward starts at a scalar.*\(32, 10\)"):
        watch(affine(data[0], var(network(rng, (D, K))[0])))


def test_arrays_beside_a_node_are_refused_by_path(rng, data):
    U = network(rng)
    with pytest.raises(TypeError, match=r"watch: U\[0\]\[0\] is a ndarray: .* are the leaves"):
        watch(loss(var(U), *data), U)


def test_data_beside_a_node_are_refused(rng, data):
    U = var(network(rng))
    with pytest.raises(TypeError, match="takes its parameters only"):
        watch(loss(U, *data), U, *data)


def test_an_objective_that_does_not_use_its_parameters_is_refused():
    with pytest.raises(TypeError, match="forgetful made a float of its parameters, not a Node"):

        def forgetful(U):
            return 1.0

        watch(forgetful, np.ones(2))


def test_a_loss_that_nobody_holds_is_missed_with_a_sentence(rng, data):
    U = var(network(rng))
    with pytest.raises(RuntimeError, match="the loss is gone: keep it under a name"):  # noqa: SIM117
        with watch(loss(U, *data), U):
            pass

"""traced: every write of a program, in order, and nothing else changed."""

import inspect
import threading

import numpy as np
import pytest
from minigrad.models import exemplar_cnn

import minigrad as mg
from minigrad import affine, block, decay, entropy, mul, node, relu, sum, var
from minigrad.kernels.parallel import threads
from minigrad.stepper.tracing import traced
from minigrad.tree import leaves


@node
def drawn_noise(A, rng=None):
    def back(dZ, dA):
        dA += dZ

    return A + rng.normal(size=A.shape), back


@pytest.fixture
def net():
    """The two-layer network of the slide; every Node by its name."""
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(6, 2)), np.array([0, 1, 2, 0, 1, 2])
    U1, U2 = var(
        (
            (rng.normal(size=(2, 4)), np.zeros(4)),
            (rng.normal(size=(4, 3)), np.zeros(3)),
        )
    )
    named = dict(zip(("W1", "b1", "W2", "b2"), (*U1, *U2)))

    @block
    def model(X, U):
        U1, U2 = U
        named["A1"] = affine(X, U1)
        named["Z"] = relu(named["A1"])
        return affine(named["Z"], U2)

    @block
    def loss(A, T, W):
        named["D"], named["R"] = entropy(A, T), decay(W, 0.1)
        return named["D"] + named["R"]

    named["A2"] = model(X, (U1, U2))
    named["L"] = loss(named["A2"], T, (U1[0], U2[0]))
    return named


def written(net):
    names = {n: name for name, n in net.items()}
    return [
        f"{names[w.node]}: {'d' * w.backward}{names[w.target]} {'=' if w.old is None else '+='}"
        for w in traced(net["L"])
    ]


def test_the_two_layer_network_writes_in_this_order(net):
    assert written(net) == [
        *("A1: A1 =", "Z: Z =", "A2: A2 =", "D: D =", "R: R =", "L: L ="),
        "L: dL =",
        *("L: dD +=", "L: dR +="),
        *("R: dW1 +=", "R: dW2 +="),
        "D: dA2 +=",
        *("A2: dW2 +=", "A2: db2 +=", "A2: dZ +="),
        "Z: dA1 +=",
        *("A1: dW1 +=", "A1: db1 +="),
    ]


def test_each_addition_begins_where_the_last_one_to_that_gradient_ended(net):
    now = {}
    for w in traced(net["L"]):
        if w.old is not None:
            assert np.array_equal(w.old, now.get(w.target, np.zeros(w.target.shape)))
            assert np.allclose(w.old + w.added, w.new, rtol=1e-15, atol=1e-15)
        if w.backward:
            now[w.target] = w.new
    assert {n for n in now if not n.function} == {net[k] for k in ("W1", "b1", "W2", "b2")}


def test_gradients_are_bitwise_those_of_backward(net):
    writes = traced(net["L"])
    after = {name: n.grad.copy() for name, n in net.items()}
    last = {w.target: w.new for w in writes if w.backward}
    net["L"].backward()
    for name, n in net.items():
        assert type(n.grad) is np.ndarray
        assert np.array_equal(n.grad, after[name])
        assert np.array_equal(n.grad, last[n])


def test_a_weight_used_twice_gets_two_additions():
    W, X = var((np.array([2.0, 3.0]), np.array([1.0, 4.0])))
    added = [w.added.tolist() for w in traced(sum(mul(W, X) + mul(W, W))) if w.target is W]
    assert added == [[2, 3], [2, 3], [1, 4]]


def test_deposits_into_slices_are_one_write_each():
    @node
    def rows(A, B):
        def back(dZ, dA, dB):
            for i in range(len(A)):
                dA[i] += dZ[i]
                dB[i, :] -= dZ[i]

        return A - B, back

    A, B = var((np.ones((3, 2)), np.zeros((3, 2))))
    back = [w for w in traced(sum(rows(A, B))) if w.node.name == "rows" and w.backward]
    assert [w.target for w in back] == [A, B]
    assert [w.added[0, 0] for w in back] == [1, -1]


@pytest.mark.parametrize("way", ["out", "at", "iadd", "set", "copyto", "thread", "rows"])
def test_a_deposit_is_seen_however_it_is_made(way):
    def deposit(dA, d):
        if way == "out":
            np.add(dA, d, out=dA)
        elif way == "at":
            np.add.at(dA, np.arange(3), d)
        elif way == "iadd":
            dA.__iadd__(d)
        elif way == "set":
            dA[:] = np.asarray(dA) + d
        elif way == "copyto":
            np.copyto(np.asarray(dA), np.asarray(dA) + d)
        elif way == "thread":
            worker = threading.Thread(target=lambda: dA.__iadd__(d))
            worker.start()
            worker.join()
        else:
            for i in range(3):
                dA[[i]] += d[i]

    @node
    def twice(A):
        return 2 * A, lambda dZ, dA: deposit(dA, 2 * dZ)

    A = var(np.arange(3.0))
    (write,) = (w for w in traced(sum(twice(A))) if w.target is A)
    assert write.old.tolist() == [0, 0, 0]
    assert write.added.tolist() == write.new.tolist() == A.grad.tolist() == [2, 2, 2]
    assert bool(write.line) is (way not in ("copyto", "thread"))  # these are seen afterwards


def test_a_gradient_of_nan_that_is_left_alone_is_not_written():
    @node
    def of_the_second(A, B):
        return A + B, lambda dZ, dA, dB: dB.__iadd__(dZ)

    A, B = var((np.ones(2), np.ones(2)))
    L = sum(of_the_second(A, B) + A * np.nan)
    assert [w.node.name for w in traced(L) if w.target is A] == ["mul"]


def test_what_is_written_unseen_and_then_seen_is_one_write():
    @node
    def twice(A):
        def back(dZ, dA):
            np.copyto(np.asarray(dA), dZ)
            dA += dZ

        return 2 * A, back

    A = var(np.arange(3.0))
    (write,) = (w for w in traced(sum(twice(A))) if w.target is A)
    assert write.added.tolist() == [2, 2, 2]


def test_constants_get_nothing():
    X, (W, b) = np.ones((4, 2)), var((np.ones((2, 3)), np.zeros(3)))
    targets = [w.target for w in traced(sum(affine(X, (W, b)))) if w.backward and w.old is not None]
    assert targets[1:] == [W, b]


def test_the_line_of_a_write_is_that_of_the_deposit(net):
    lines, start = inspect.getsourcelines(relu.plain)
    (write,) = (w for w in traced(net["L"]) if w.node is net["Z"] and w.backward)
    assert lines[write.line - start].strip() == "dA += dZ * (Z > 0)"


def test_a_failing_back_leaves_the_program_as_it_was():
    @node
    def broken(A):
        def back(dZ, dA):
            raise ZeroDivisionError("not today")

        return A * 1.0, back

    L = sum(broken(var(np.ones(2))))
    backs = [n._back for n in (L, L.parents[0])]
    with pytest.raises(ZeroDivisionError, match="not today"):
        traced(L)
    assert backs == [n._back for n in (L, L.parents[0])]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_step_with_kernels_is_traced_exactly(workers):
    rng = np.random.default_rng(0)
    U = var(exemplar_cnn.initial(rng, 4, code="4c5-4c5-8f"))
    X, T = rng.normal(size=(4, 1, 16, 16)).astype(np.float32), np.arange(4)
    with threads(workers):
        L = exemplar_cnn.loss(U, X, T, rng=rng, code="4c5-4c5-8f")
        writes = traced(L)
        L.backward()
    last = {w.target: w.new for w in writes if w.backward}
    assert all(np.array_equal(last[u], u.grad) for u in leaves(U))
    assert [w.node.name for w in writes if w.target is U["conv1"][0]] == ["decay", "conv_pool"]


def test_a_program_of_one_scalar_is_a_program():
    A = var(np.array(3.0))
    assert [float(w.new) for w in traced(mg.exp(A))] == [np.exp(3.0), 1, np.exp(3.0)]


def test_what_is_added_to_infinity_cannot_be_told():
    A = var(np.array([1.0, 2.0]))
    L = sum(A * np.array([1.0, 1.0]) + A * np.array([np.inf, 2.0]))
    last = traced(L)[-1]
    assert (last.old[0], last.new[0]) == (np.inf, np.inf)
    assert np.isnan(last.added[0])
    assert last.added[1] == 1


def test_values_are_those_that_were_computed_and_nothing_is_drawn_again():
    rng = np.random.default_rng(0)
    Z = drawn_noise(var(np.ones(3)), rng=rng)
    state, value = rng.bit_generator.state, Z.value.copy()
    first, second = (traced(sum(Z))[0] for _ in range(2))
    assert rng.bit_generator.state == state
    assert np.array_equal(first.new, value)
    assert np.array_equal(second.new, value)

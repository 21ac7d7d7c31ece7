"""What counts as a symptom, at its edges."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import node, var
from minigrad.learn.symptoms import CERTAIN, DEAD, DEPTH, JUMP, STILL, WRONG, judge, norm


def kinds(L, backward=True, names=None, update=None):
    names, before = names or {}, {}
    if backward:
        L.backward()
    if update:
        before = {n: n.value.copy() for n in names}
        update()
    return [finding.kind for finding in judge(L, names, before)[0]]


def relu_of(n, units, zeros):
    A = np.ones((n, units))
    A[:, :zeros] = -1
    return mg.sum(mg.relu(var(A)))


def test_a_share_of_dead_units_is_borne():
    assert kinds(relu_of(32, 100, int(100 * DEAD))) == []
    assert kinds(relu_of(32, 100, int(100 * DEAD) + 1)) == ["dead relu"]


def test_in_a_small_batch_many_units_are_0_by_chance():
    assert kinds(relu_of(1, 100, 90)) == []
    assert kinds(relu_of(2, 100, 66)) == ["dead relu"]
    A = np.random.default_rng(0).standard_normal((1, 1000))
    assert kinds(mg.sum(mg.relu(var(A)))) == []


def test_a_unit_that_one_sample_wakes_is_not_dead():
    A = -np.ones((32, 10))
    A[np.arange(10), np.arange(10)] = 1
    assert kinds(mg.sum(mg.relu(var(A)))) == []


def test_a_map_that_one_pixel_wakes_is_not_dead():
    A = -np.ones((32, 2, 4, 4))
    A[5, :, 1, 2] = 1
    assert kinds(mg.sum(mg.relu(var(A)))) == []


def test_a_relu_of_a_vector_is_a_hinge_and_may_be_0():
    assert kinds(mg.sum(mg.relu(1.0 - var(np.full(32, 2.0))))) == []


def test_a_lectures_own_relu_is_known_by_its_name():
    @node
    def relu(A):
        def back(dZ, dA):
            dA += dZ * (A > 0)

        return A * (A > 0), back

    assert kinds(mg.sum(relu(var(-np.ones((32, 3)))))) == ["dead relu"]


def test_the_input_of_a_dead_relu_is_told_as_it_was():
    A = var(-np.ones((32, 3)))
    L = mg.sum(mg.relu(A))
    before = {A: A.value}
    A.value = np.ones((32, 3))
    [finding], _ = judge(L, {}, before)
    assert "input: A (32, 3) in [-1, -1]" in finding.sentence


def test_dead_relus_are_seen_before_any_backward():
    assert kinds(relu_of(32, 10, 10), backward=False) == ["dead relu"]


def moved_by(ratio, size=1.0, shape=(2, 2)):
    leaf = var(np.full(shape, size))

    def update():
        leaf.value = leaf.value * (1 + ratio)

    return kinds(mg.sum(leaf), names={leaf: "U"}, update=update)


@pytest.mark.parametrize(
    ("ratio", "found"),
    [
        (STILL / 2, ["vanishing"]),
        (STILL * 2, []),
        (1e-3, []),
        (JUMP * 0.9, []),
        (JUMP * 1.1, ["exploding"]),
    ],
)
def test_an_update_is_measured_against_the_weight(ratio, found):
    assert moved_by(ratio) == found


def test_weights_that_overflow_when_squared_are_measured():
    assert moved_by(1e-3, 1e200) == []
    assert norm(np.full(4, 1e200)) == pytest.approx(2e200)
    assert norm(np.zeros(3)) == norm(np.zeros(0)) == 0


def test_an_update_that_overflows_is_too_large():
    assert moved_by(-2.0, 1.5e308, (1, 1)) == ["exploding"]


def test_a_frozen_weight_a_bias_and_a_weight_of_zeros_are_not_judged_by_their_update():
    assert moved_by(0.0) == []
    assert moved_by(100.0, shape=3) == []
    leaf = var(np.zeros((2, 2)))
    update = lambda: leaf.value.__iadd__(1)
    assert kinds(mg.sum(leaf), names={leaf: "U"}, update=update) == []


def test_only_parameters_are_weights():
    X, W = var(np.ones((2, 3))), var(np.ones((3, 2)))
    L = mg.sum(X @ W)
    L.backward()
    before = {n: n.value.copy() for n in (X, W)}
    X.value += 100
    W.value += 1e-3
    assert judge(L, {W: "W"}, before)[0] == []
    assert judge(L, {}, before)[0][0].kind == "exploding"


def chain(factor):
    """Two layers, the gradient multiplied by a factor between them."""
    W = var((np.eye(3), np.eye(3)))
    return mg.sum((np.ones((2, 3)) @ W[0] * factor) @ W[1]), {W[0]: "U[0]", W[1]: "U[1]"}


@pytest.mark.parametrize(
    ("factor", "found"),
    [
        (0.9 / DEPTH, ["vanishing"]),
        (1.1 / DEPTH, []),
        (0.0, ["vanishing"]),
        (1, []),
        (0.9 * DEPTH, []),
        (1.1 * DEPTH, ["exploding"]),
    ],
)
def test_the_gradient_of_a_layer_is_measured_against_that_of_the_last(factor, found):
    L, names = chain(factor)
    assert kinds(L, names=names) == found


def test_a_gradient_that_is_0_everywhere_neither_vanishes_nor_explodes():
    L, names = chain(1)
    assert kinds(L * 0.0, names=names) == []


def test_a_vanishing_gradient_and_its_vanishing_update_are_one_finding():
    L, names = chain(1e-9)
    first, last = names

    def update():
        first.value -= 1e-8 * first.grad
        last.value -= 1e-3

    assert kinds(L, names=names, update=update) == ["vanishing"]


def certain(p, wrong, n=16, k=4):
    """Logits that give probability p to class 0; the class of `wrong` rows is 1, of others 0."""
    A = np.zeros((n, k))
    A[:, 0] = np.log(p * (k - 1) / (1 - p))
    return var(A), (np.arange(n) < wrong).astype(int)


@pytest.mark.parametrize("share", [0, WRONG, WRONG + 1 / 16, 1])
def test_certain_rows_are_borne_until_many_are_wrong(share):
    A, T = certain((1 + CERTAIN) / 2, int(16 * share))
    assert kinds(mg.entropy(A, T)) == (["saturated softmax"] if share > WRONG else [])


def test_wrong_rows_are_borne_until_they_are_certain():
    assert kinds(mg.entropy(*certain(0.99, 16))) == []


def test_a_softmax_along_the_first_axis_is_judged_along_it():
    A, T = certain((1 + CERTAIN) / 2, 16)
    for Y in (mg.softmax(mg.transpose(A), 0), mg.softmax(mg.transpose(A), axis=0)):
        assert kinds(mg.squared_error(mg.transpose(Y), np.eye(4)[T])) == ["saturated softmax"]


def test_a_softmax_so_certain_that_no_gradient_is_left_is_saturated():
    A, T = var(1e4 * np.eye(4)), np.array([1, 2, 3, 0])
    L = mg.squared_error(mg.softmax(A), np.eye(4)[T])
    assert kinds(L) == ["saturated softmax"]
    assert not np.any(A.grad)


def test_without_a_gradient_nobody_knows_what_is_wrong():
    assert kinds(mg.entropy(*certain((1 + CERTAIN) / 2, 16)), backward=False) == []


def test_logits_that_an_update_has_changed_are_judged_as_they_were():
    A, T = certain((1 + CERTAIN) / 2, 16)

    def update():
        A.value = np.roll(A.value, 1, 1)

    assert "saturated softmax" in kinds(mg.entropy(A, T), names={A: "A"}, update=update)


def test_what_follows_from_nan_is_not_reported():
    with np.errstate(all="ignore"):
        L = mg.sum(mg.relu(mg.log(var(-np.ones((32, 3))))))
        assert kinds(L) == ["not finite"]

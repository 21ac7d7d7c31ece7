"""Where numbers went wrong first: what train and watch say of it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import block, node, var
from minigrad.engine import below
from minigrad.learn.culprits import bad_gradient, bad_value, inputs, places, span


@node
def twice(A):
    def back(dZ, dA):
        dA += dZ / 0

    return 2 * A, back


@block
def layer(X):
    return mg.relu(X)


@block
def model(X):
    return layer(layer(X))


def test_blocks_stand_from_the_outside_in_and_equal_paths_are_numbered():
    A = var(np.ones(3))
    order = below(mg.sum(mg.relu(model(mg.relu(A)))))
    assert list(places(order).values()) == [
        "leaf",
        "relu 1 of 2",
        "model > layer > relu 1 of 2",
        "model > layer > relu 2 of 2",
        "relu 2 of 2",
        "sum",
    ]


def test_inputs_bear_the_names_of_the_signature():
    U = var((np.ones((2, 3)), np.zeros(3)))
    assert inputs(mg.affine(np.full((4, 2), -1.5), U)) == (
        "X (4, 2) in [-1.5, -1.5]; U[0] (2, 3) in [1, 1]; U[1] (3,) in [0, 0]"
    )


def test_inputs_may_be_masks_labels_constants_or_empty():
    A = var(np.ones(3))
    assert (
        inputs(mg.index(A, np.array([True, False, True]))) == "A (3,) in [1, 1]; i (3,) in [0, 1]"
    )
    assert inputs(A * 2.0) == "A (3,) in [1, 1]"
    assert inputs(mg.concatenate((A, np.zeros(0)))) == "X[0] (3,) in [1, 1]"


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([1.0, -np.inf], "A (2,) in [1, 1] and 1 NaN or infinite"),
        ([np.nan, np.nan], "A (2,) and 2 NaN or infinite"),
        ([3.0, -4.0], "A (2,) in [-4, 3]"),
    ],
)
def test_a_range_is_that_of_the_finite_entries_and_counts_the_others(entries, text):
    assert span("A", np.array(entries)) == text


def test_every_back_that_may_have_made_the_gradient_is_named():
    A = mg.relu(var(np.ones(2)))
    L = mg.sum(twice(A)) + mg.sum(mg.exp(A))
    with np.errstate(all="ignore"):
        L.backward()
    sentence = bad_gradient(below(L))
    assert sentence == (
        "the gradient of relu (2,) is the first that is not finite; it comes from "
        "the back of twice, which got dZ (2,) in [1, 1]; its inputs: A (2,) in [1, 1]; "
        "the back of exp, which got dZ (2,) in [1, 1]; its inputs: A (2,) in [1, 1]"
    )


def test_a_leafs_gradient_bears_its_name():
    w = var(np.ones(2))
    L = mg.sum(twice(w))
    with np.errstate(all="ignore"):
        L.backward()
    assert bad_gradient(below(L), {w: "U[0]"}).startswith("the gradient of U[0] (2,) is the first")


def test_a_leaf_is_judged_by_its_value_before_the_step():
    w = var(np.ones(2))
    L = mg.sum(w)
    w.value = np.full(2, np.nan)
    assert bad_value(below(L), {w: "U[0]"}) == "U[0] (2,) is not finite before the step"
    assert bad_value(below(L), {w: "U[0]"}, {w: np.ones(2)}) == ""


def test_of_finite_numbers_nothing_is_said():
    L = mg.sum(mg.exp(var(np.ones(2))))
    assert bad_gradient(below(L)) == ""
    L.backward()
    assert bad_value(below(L)) == bad_gradient(below(L)) == ""

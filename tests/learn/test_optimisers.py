from collections import namedtuple

import numpy as np
import pytest
from numeric import GOLDEN, normal
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.learn import Adam, Descent, Momentum, count, optimisers
from minigrad.tree import leaves

Pair = namedtuple("Pair", "W b")
OPTIMISERS = {
    "Descent": Descent,
    "Adam": Adam,
    **{form: lambda U, form=form: Momentum(U, form=form) for form in ("pytorch", "nesterov")},
    **{form: lambda U, form=form: Momentum(U, form=form) for form in ("caffe", "alexnet")},
}


def path(optimiser, w, gradients, rates):
    """Where the steps lead: w after each."""
    found = []
    for g, rate in zip(gradients, rates):
        optimiser.step(g, rate)
        found.append(w.copy())
    return found


def momentum_path(form, rates):
    w = normal(5)
    return path(Momentum(w, form=form), w, normal(len(rates), 5, seed=1), rates)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("sgd_momentum", "pytorch"),
        ("sgd_momentum_caffe", "caffe"),
        ("sgd_momentum_caffe", "alexnet"),
        ("sgd_nesterov", "nesterov"),
    ],
)
def test_momentum_has_the_golden_trace(golden, name, form):
    entry = golden(name)
    w, options = entry.inputs["w0"].copy(), entry.options
    optimiser = Momentum(
        w, momentum=options["momentum"], decay=options.get("weight_decay", 0), form=form
    )
    assert_allclose(
        path(optimiser, w, entry.inputs["grads"], options["lrs"]), entry.outputs["w"], **GOLDEN
    )


def test_adam_has_the_golden_trace(golden):
    entry = golden("adam")
    w, options = entry.inputs["w0"].copy(), entry.options
    optimiser = Adam(w, betas=tuple(options["betas"]), eps=options["eps"])
    assert_allclose(
        path(optimiser, w, entry.inputs["grads"], options["lrs"]), entry.outputs["w"], **GOLDEN
    )


def test_the_defaults_are_momentum_0_9_and_the_adam_papers():
    w = np.array([1.0])
    assert_allclose(path(Momentum(w), w, np.ones((2, 1)), [0.1, 0.1]), [[0.9], [0.71]])
    w = np.array([1.0])
    # with the corrected means every step on a constant gradient is the rate
    assert_allclose(path(Adam(w), w, np.full((2, 1), 3.0), [0.1, 0.1]), [[0.9], [0.8]])
    optimiser = Adam(w)
    optimiser.step(np.array([2.0]), 0.1)
    assert_allclose(optimiser.state["mean"], [0.2])  # (1 - 0.9) 2
    assert_allclose(optimiser.state["square"], [0.004])  # (1 - 0.999) 4


def test_adams_eps_stands_outside_the_root():
    w = np.array([1.0])
    Adam(w, eps=1.0).step(np.array([3.0]), 0.1)
    assert_allclose(w, [1 - 0.1 * 3 / (3 + 1)])


def test_descent_goes_down_the_gradient_and_forgets_it():
    w = np.array([1.0, -2.0])
    optimiser = Descent(w)
    optimiser.step(np.array([1.0, 2.0]), 0.5)
    optimiser.step(np.array([0.0, 0.0]), 0.5)
    assert_array_equal(w, [0.5, -3.0])


@pytest.mark.parametrize("kind", [Descent, Momentum, Adam])
def test_decay_adds_a_share_of_the_weights_to_the_gradient(kind):
    w, v = normal(4), normal(4)
    with_decay, by_hand = kind(w, decay=0.1), kind(v)
    for g in normal(3, 4, seed=1):
        with_decay.step(g, 0.2)
        by_hand.step(g + 0.1 * v, 0.2)
    assert_allclose(w, v, rtol=1e-14)


def test_alexnets_form_is_caffes_also_when_the_rate_changes():
    rates = [0.1, 0.1, 0.02, 0.5]
    assert_array_equal(momentum_path("alexnet", rates), momentum_path("caffe", rates))


def test_pytorchs_and_caffes_forms_agree_until_the_rate_changes():
    rates = [0.1, 0.1, 0.02]
    a, b = momentum_path("pytorch", rates), momentum_path("caffe", rates)
    assert_allclose(a[:2], b[:2], rtol=1e-13)
    assert (abs(a[2] - b[2]) > 1e-3).all()


def test_nesterovs_form_differs_from_the_first_step():
    a, b = momentum_path("nesterov", [0.1]), momentum_path("pytorch", [0.1])
    assert_allclose(a[0] - normal(5), 1.9 * (b[0] - normal(5)))  # g + m g against g


def test_forms_agree_without_momentum():
    for form in ("pytorch", "nesterov", "caffe", "alexnet"):
        w = normal(5)
        Momentum(w, momentum=0, form=form).step(np.ones(5), 0.1)
        assert_allclose(w, normal(5) - 0.1)


@pytest.mark.parametrize("kind", OPTIMISERS.values(), ids=OPTIMISERS)
def test_nested_parameters_are_updated_in_place(kind):
    parameters = {"a": (normal(2, 3), None), "b": [Pair(normal(3), np.array(1.0))]}
    arrays = [w for w in leaves(parameters) if w is not None]
    before = [w.copy() for w in arrays]
    optimiser = kind(parameters)
    state = leaves(optimiser.state)
    gradients = {"b": (Pair(np.ones(3), np.array(1.0)),), "a": [np.ones((2, 3)), None]}
    for _ in range(2):
        optimiser.step(gradients, 0.1)
    after = [w for w in leaves(parameters) if w is not None]
    assert all(w is v for w, v in zip(after, arrays))
    assert all((w < v).all() for w, v in zip(after, before))
    assert optimiser.state["t"] == 2
    assert all(a is b for a, b in zip(leaves(optimiser.state), state))


@pytest.mark.parametrize("kind", OPTIMISERS.values(), ids=OPTIMISERS)
def test_a_step_changes_neither_gradients_nor_dtypes(kind):
    w, g = np.ones(3, np.float32), np.ones(3, np.float32)
    optimiser = kind(w)
    for _ in range(2):
        optimiser.step(g, np.float64(0.1))
    assert (g == 1).all()
    assert w.dtype == np.float32
    states = [a for name, nest in optimiser.state.items() if name != "t" for a in leaves(nest)]
    assert all(a.dtype == np.float32 for a in states)


@pytest.mark.parametrize("kind", [Descent, Momentum, Adam])
@pytest.mark.parametrize(
    "gradients",
    [
        (np.ones(2),),
        (np.ones(2), np.ones(()), np.ones(())),
        {"W": np.ones(2), "b": np.ones(())},
        (np.ones(2), (np.ones(()),)),
        (np.ones(3), np.ones(())),
        (np.ones((2, 1)), np.ones(())),
        (np.ones(2), np.ones(1)),
        (np.ones(2), None),
        (None, np.ones(())),
    ],
    ids=["short", "long", "dict", "deeper", "longer", "2-d", "1-d", "None for 0-d", "None for 1-d"],
)
def test_gradients_of_another_nest_or_shape_are_refused_and_nothing_moves(kind, gradients):
    parameters = (np.ones(2), np.ones(()))
    optimiser = kind(parameters)
    with pytest.raises(ValueError, match=f"{kind.__name__}: gradients are not nested like"):
        optimiser.step(gradients, 0.1)
    assert all((w == 1).all() for w in parameters)
    assert optimiser.state["t"] == 0


@pytest.mark.parametrize("form", ["PyTorch", "heavy ball", ""])
def test_an_unknown_form_is_refused_by_the_names_of_the_known(form):
    sentence = f"form is one of pytorch, nesterov, caffe, alexnet, not {form!r}"
    with pytest.raises(ValueError, match=sentence):
        Momentum(np.ones(2), form=form)


@pytest.mark.parametrize("momentum", [1, -0.1, 1.5, np.nan])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"momentum is in \[0, 1\), not {momentum}"):
        Momentum(np.ones(2), momentum=momentum)


def test_count_counts_the_numbers_of_a_nest():
    assert count({"a": (np.ones((2, 3)), None), "b": [np.ones(()), np.ones((0, 4))]}) == 7
    assert count(None) == 0


@pytest.mark.parametrize("name", OPTIMISERS)
def test_large_arrays_are_updated_in_blocks_with_the_same_bits(name, monkeypatch):
    gradients = normal(3, 7, 5)
    whole, parts, strided = normal(7, 5), normal(7, 5), np.asfortranarray(normal(7, 5))
    path(OPTIMISERS[name](whole), whole, gradients, [0.1] * 3)
    monkeypatch.setattr(optimisers, "BLOCK", 4)
    for w in (parts, strided):
        path(OPTIMISERS[name](w), w, gradients, [0.1] * 3)
        assert_array_equal(w, whole)


def test_parameters_that_cannot_be_changed_are_refused():
    w = np.broadcast_to(np.ones(3), (2, 3))
    with pytest.raises(ValueError, match=r"Momentum: a parameter \(2, 3\) is read-only"):
        Momentum([np.ones(2), w])

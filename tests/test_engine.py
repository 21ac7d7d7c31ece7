"""The dialect, sentence by sentence."""

import copy
import functools
import gc
import re
import threading
import tracemalloc
import weakref
from collections import namedtuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import Node, block, detach, grad, needed, node, value_and_grad, var

rng = np.random.default_rng(0)
X, T = rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])
W1, b1, W2, b2 = (rng.normal(size=s) for s in ((4, 6), (6,), (6, 3), (3,)))


@block
def model(X, U):
    U1, U2 = U
    return mg.affine(mg.relu(mg.affine(X, U1)), U2)


@block
def loss(A, T, W):
    return mg.entropy(A, T) + mg.decay(W)


def program():
    U1, U2 = var((W1, b1)), var((W2, b2))
    A = model(X, (U1, U2))
    return U1, U2, A, loss(A, T, (U1[0], U2[0]))


@node
def double(A):
    def back(dZ, dA):
        dA += 2 * dZ

    return 2 * A, back


# nodes


def test_the_slides_program_and_backward_agree_and_are_right():
    U1, U2, A, L = program()
    L.backward()
    by_engine = [u.grad.copy() for u in (*U1, *U2)]
    U1, U2, A, L = program()
    L.back(A, T, (U1[0], U2[0]))
    A.back(X, (U1, U2))
    h = 1e-6
    for g, u in zip(by_engine, (*U1, *U2)):
        assert np.array_equal(g, u.grad)
        w, i = u.value, (0,) * u.ndim
        before = w[i]
        w[i] = before + h
        up = loss(model(X, ((W1, b1), (W2, b2))), T, (W1, W2))
        w[i] = before - h
        down = loss(model(X, ((W1, b1), (W2, b2))), T, (W1, W2))
        w[i] = before
        assert g[i] == pytest.approx((up - down) / (2 * h), abs=1e-8)  # h^2 + eps / h is 1e-10


Pair = namedtuple("Pair", "left right")


def test_arguments_may_be_nests_of_tuples_named_tuples_lists_and_dicts():
    @node
    def total(nest):
        Z = nest["x"][0].left + nest["x"][0].right + nest["y"]

        def back(dZ, dnest):
            d = dnest["x"][0].left
            d += dZ
            d = dnest["y"]
            d += 3 * dZ

        return Z, back

    leaves = var({"x": [Pair(np.ones(2), np.ones(2))], "y": np.ones(2)})
    mg.sum(total(leaves)).backward()
    assert isinstance(leaves["x"][0], Pair)
    assert leaves["x"][0].left.grad.tolist() == [1, 1]
    assert leaves["x"][0].right.grad.tolist() == [0, 0]
    assert leaves["y"].grad.tolist() == [3, 3]


def test_inside_a_node_everything_is_plain_and_options_are_the_same_objects():
    seen = []

    @node
    def look(A, number, text, window, nothing, sizes, *, state):
        seen.extend([type(A), number, text, window, nothing, sizes, state])
        return A * 1, lambda dZ, dA: dA.__iadd__(dZ)

    state = {}
    look(var(W1), 2, "same", slice(1, 2), None, (3, 4), state=state)
    assert seen[:-1] == [np.ndarray, 2, "same", slice(1, 2), None, (3, 4)]
    assert seen[-1] is state


def test_any_other_object_by_position_is_refused():
    with pytest.raises(TypeError, match="a Generator by position: .* go by keyword"):
        mg.add((var(W1), np.random.default_rng(0)))
    with pytest.raises(TypeError, match="a set by position"):
        model(var(X), {1})


@pytest.mark.parametrize("wrap", [lambda A: A, lambda A: [A], lambda A: {"deep": (A,)}])
def test_a_node_as_an_option_is_refused_by_nodes_and_blocks(wrap):
    @node
    def f(A, weight=None):
        return A * 1, lambda dZ, dA: dA.__iadd__(dZ)

    for kind in (f, block(lambda A, weight=None: A)):
        with pytest.raises(TypeError, match="the option weight is a Node"):
            kind(var(b1), weight=wrap(var(b1)))


def test_a_python_number_as_value_takes_the_dtype_of_the_first_float_argument():
    @node
    def one(labels, A):
        return 1.5, lambda dZ, dlabels, dA: None

    L = one(np.arange(3), var(np.ones(2, np.float32)))
    assert L.value.shape == ()
    assert L.dtype == np.float32


def test_a_numpy_scalar_becomes_a_0d_array():
    value = mg.sum(var(np.ones(3, np.float32))).value
    assert type(value) is np.ndarray
    assert value.shape == ()
    assert value.dtype == np.float32


class Back:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, dZ, dA):
        dA += dZ * self.factor

    method = __call__


def partial_back(factor, dZ, dA):
    dA += dZ * factor


def starred_back(dZ, *gradients):
    d = gradients[0]
    d += 3 * dZ


@pytest.mark.parametrize(
    "back", [Back(3), Back(3).method, functools.partial(partial_back, 3), starred_back]
)
def test_any_callable_will_do_as_back(back):
    @node
    def triple(A, unused):
        return 3 * A, back

    A = var(b1)
    mg.sum(triple(A, X)).backward()
    assert (A.grad == 3).all()


def test_the_backs_of_one_node_may_differ_from_call_to_call():
    @node
    def product(A, B):
        Z = A * B

        def back_of_first(dZ, dA):
            dA += dZ * B

        def back(dZ, dA, dB):
            back_of_first(dZ, dA)
            dB += dZ * A

        return Z, back_of_first if (B == 1).all() else back

    A, B = var((b1 + 2, b1 + 3))
    for second in (np.ones(6), B, np.ones(6), B):
        mg.sum(product(A, second)).backward()
        np.testing.assert_array_equal(A.grad, detach(second))
    np.testing.assert_array_equal(B.grad, A.value)


def test_a_back_may_bind_defaults_that_are_no_gradients():
    @node
    def masked(A, M):
        def back(dZ, dA, M=M):
            dA += dZ * M

        return A * M, back

    A = var(np.ones(2))
    mg.sum(masked(A, np.array([0.0, 5.0]))).backward()
    assert A.grad.tolist() == [0, 5]


def test_a_back_may_name_the_gradient_of_an_argument_left_at_its_default():
    @node
    def scaled(A, B=2.0):
        def back(dZ, dA, dB):
            dA += dZ * B
            dB += (dZ * A).sum()

        return A * B, back

    A = var(np.ones(2))
    mg.sum(scaled(A)).backward()
    assert A.grad.tolist() == [2, 2]


def test_an_unnamed_gradient_is_refused_only_if_its_argument_carries_a_node():
    @node
    def first(A, B):
        return A * 1, lambda dZ, dA: dA.__iadd__(dZ)

    first(var(b1), b1)
    with pytest.raises(TypeError, match=r"argument 2 is a Node or holds one: name .* detach"):
        first(var(b1), (b1, var(b1)))
    first(var(b1), detach(var(b1)))


def test_a_back_that_takes_too_many_gradients_is_told_so():
    @node
    def f(A):
        return A * 1, lambda dZ, dA, dB: None

    with pytest.raises(TypeError, match="takes the gradients of 2 arguments, and f has 1"):
        f(var(b1))


@pytest.mark.parametrize("result", [b1, (b1,), (b1, b1), (b1, None, b1)])
def test_a_node_that_does_not_return_value_and_back_is_told_so(result):
    with pytest.raises(TypeError, match="returns its value and its back"):
        node(lambda A: result)(var(b1))


@pytest.mark.parametrize("value", [None, "text", [b1, b1]])
def test_a_value_that_is_no_array_is_refused(value):
    with pytest.raises(TypeError, match="the value of a node is one array"):
        node(lambda A: (value, lambda dZ, dA: None))(var(b1))


def test_a_value_that_is_a_node_from_outside_is_refused():
    outer = var(b1)
    with pytest.raises(TypeError, match="did not get as an argument"):
        node(lambda A: (outer, lambda dZ, dA: None))(var(b1))


# a back deposits


def batch_last(shape, dtype=float):
    n, c, h, w = shape
    return rng.normal(size=(h, w, c, n)).astype(dtype).transpose(3, 2, 0, 1)


@pytest.mark.parametrize(
    "array",
    [
        rng.normal(size=(3, 4)),
        np.asfortranarray(rng.normal(size=(3, 4))).astype(np.float32, order="F"),
        batch_last((2, 3, 4, 5), np.float32),
        np.array(2.0),
        np.zeros((0, 3)),
    ],
)
def test_a_gradient_has_the_shape_dtype_and_memory_order_of_its_value(array):
    A = var(array)
    Z = mg.relu(A)
    mg.sum(Z).backward()
    for n in (A, Z):
        assert type(n.grad) is np.ndarray
        assert n.grad.shape == n.value.shape
        assert n.grad.dtype == n.value.dtype
        assert n.grad.strides == n.value.strides


def test_gradients_are_real_arrays_that_begin_at_zero(capsys):
    @node
    def look(A):
        def back(dZ, dA):
            print(dA)
            dA[0] += dZ
            dA += dZ
            dA[1:] -= dZ

        return A.sum(), back

    A = var(np.ones(3))
    look(A).backward()
    assert capsys.readouterr().out == "[0. 0. 0.]\n"
    assert A.grad.tolist() == [2, 0, 0]


def test_0d_gradients_take_deposits_in_place():
    z = var(np.array(3.0))
    (z * z).backward()
    assert z.grad == 6


def test_deposits_of_another_dtype_are_cast_to_that_of_the_value():
    A = var(np.ones(2, np.float32))
    Z = A * np.ones(2)
    assert Z.dtype == np.float64
    mg.sum(Z).backward()
    assert A.grad.dtype == np.float32


def test_the_gradient_of_a_plain_array_swallows_deposits_and_is_not_needed():
    seen = []

    @node
    def f(A, B, c, nest):
        def back(dZ, dA, dB, dc, dnest):
            seen.append([needed(d) for d in (dA, dB, dc, dnest[0], dnest[1])])
            dB += 1
            dB[0] += 1
            dB.T[:, 0] += 1
            dB[1:][0] -= 1
            np.add.at(dB, [0, 0], 1)
            rows = 0
            for row in dB:
                row += 1
                rows += 1
            dc += 1
            seen.append((dB.shape, dB.dtype, dB.ndim, dB.size, len(dB), rows, dB[0].shape))
            dA += dZ

        return A * 1, back

    A, B = var(b1), rng.normal(size=(3, 2))
    copy = B.copy()
    mg.sum(f(A, B, 2.0, (A, B))).backward()
    assert seen[0] == [True, False, False, True, False]
    assert seen[1] == ((3, 2), np.float64, 2, 6, 3, 3, (2,))
    assert np.array_equal(B, copy)


def test_needed_asks_about_one_gradient_not_a_nest():
    with pytest.raises(TypeError, match="one gradient"):
        needed((np.ones(1),))


def test_a_nest_of_gradients_takes_no_deposit_but_its_parts_do():
    with pytest.raises(TypeError, match="takes no deposit: unpack it first"):
        mg.sum([var(b1), var(b1)]).backward()

    @node
    def both(U):
        def back(dZ, dU):
            dU[0] += dZ
            dU[1] += 2 * dZ

        return U[0] + U[1], back

    A, B = var(b1), var(b1)
    mg.sum(both((A, B))).backward()
    assert (A.grad[0], B.grad[0]) == (1, 2)


def test_a_node_is_neither_copied_nor_pickled():
    with pytest.raises(TypeError, match="copied: use its .value"):
        copy.deepcopy(var(b1))


def test_grad_serves_partials_and_keeps_none():
    f = functools.partial(lambda U, k: mg.sum(U[0]) * k, k=2.0)
    gradients = grad(f)([b1, None])
    assert type(gradients) is list
    assert gradients[0].tolist() == [2] * 6
    assert gradients[1] is None
    with pytest.raises(TypeError, match="is a return missing"):
        grad(lambda A: None)(b1)


def test_gradients_never_alias_each_other():
    x, y = var(b1), var(b1)
    mg.sum(mg.add((x, y))).backward()
    x.grad *= 5
    assert (y.grad == 1).all()


# blocks


def test_a_block_returns_one_value():
    two = block(lambda A: (A, A))
    for A in (var(b1), b1):
        with pytest.raises(TypeError, match="one value, not a tuple: .* one call per branch"):
            two(A)
    with pytest.raises(TypeError, match="one value, not None: is a return missing?"):
        block(lambda A: None)(var(b1))
    with pytest.raises(TypeError, match="a value and its back is a @node"):
        block(lambda A: (A, lambda dZ, dA: None))(var(b1))


def test_a_program_of_nodes_marked_as_a_node_is_told_so():
    with pytest.raises(TypeError, match=r"it returned ndarray. A program of nodes is a @block"):
        node(lambda A: mg.relu(A))(var(b1))


def test_a_leaf_is_not_changed_by_an_operator():
    W, A = var((b1, b1))
    A = A + 1
    A += 1  # as for arrays: A = A + 1
    np.testing.assert_array_equal(A.value, b1 + 2)
    with pytest.raises(TypeError, match=re.escape("through its array: W.value -= rate * W.grad")):
        W -= A


def test_a_block_is_transparent_also_for_nodes_captured_from_outside():
    outer = var(b1)
    captured = mg.relu(outer)
    f = block(lambda A: A * captured)
    A = var(b1.copy())
    mg.sum(f(A)).backward()
    assert np.array_equal(A.grad, captured.value)
    assert np.array_equal(outer.grad, b1 * (b1 > 0))


def test_a_value_inside_a_block_may_be_used_outside_too():
    kept = []

    @block
    def f(A):
        kept.append(mg.relu(A))
        return kept[0] * kept[0]

    A = var(np.array([1.0, 2.0]))
    mg.sum(f(A) + kept[0] * 3.0).backward()
    assert A.grad.tolist() == [5, 7]


def test_siamese_branches_share_weights_and_their_gradients_add_up():
    def distances(U, X1, X2):
        F, G = model(X1, U), model(X2, U)
        D = F - G
        return mg.sum(D * D)

    U = ((W1, b1), (W2, b2))
    both = grad(distances)(U, X, X[::-1])
    first = grad(lambda U: distances(U, X, X[::-1]) * 0.5)(U)
    for g, h in zip(both[0], first[0]):
        assert np.allclose(g, 2 * h)
    leaves = var(U)
    F, G = model(X, leaves), model(X[::-1], leaves)
    D = F - G
    Q = D * D
    L = mg.sum(Q)
    L.back(Q)
    Q.back(D, D)
    D.back(F, G)
    F.back(X, leaves)
    G.back(X[::-1], leaves)
    assert np.array_equal(leaves[0][0].grad, both[0][0])


def test_the_result_carries_one_mark_for_each_block_and_the_outermost_owns_back():
    outer = block(lambda A: model(A, ((W1, b1), (W2, b2))))
    A = var(X)
    Z = outer(A)
    assert [mark.function for mark in Z.blocks] == [outer.plain, model.plain]
    L = mg.sum(Z)
    L.back(Z)
    Z.back(A)
    assert A.grad.any()


@pytest.mark.parametrize("returns", ["its argument", "an older node"])
def test_returning_an_argument_or_an_older_node_makes_an_identity_node(returns):
    A, older = var(b1), var(b1)
    source = A if returns == "its argument" else older
    Z = block(lambda A: source)(A)
    assert Z.name == "identity"
    assert Z.args == (source,)
    assert len(Z.blocks) == 1
    mg.sum(Z * 2.0).backward()
    assert source.grad.tolist() == [2] * 6


def test_a_block_serves_plain_arrays_alike():
    A = model(X, ((W1, b1), (W2, b2)))
    assert type(A) is np.ndarray
    assert np.array_equal(A, program()[2].value)


# arrays in, array out


def test_without_a_node_a_node_returns_what_its_function_returned_and_keeps_nothing():
    array = np.ones(1 << 16)
    result = double(array)
    assert type(result) is np.ndarray
    ref = weakref.ref(result)
    del result
    assert ref() is None
    assert isinstance(mg.sum(array), np.float64)


def test_detach_gives_plain_arrays_and_leaves_arrays_as_they_are():
    nest = detach({"a": [var(b1), W1], "b": None})
    assert nest["a"][0] is b1
    assert nest["a"][1] is W1
    assert nest["b"] is None


# leaves and gradients


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.arange(3), "this holds int64: use .astype"),
        ((b1, [np.ones(2, bool)]), r"\[1\]\[0\] holds bool"),
        (1.0, "this is a float: use np.array"),
        (np.ones(2) * 1j, "complex128"),
        ("text", "a str"),
    ],
)
def test_var_refuses_what_is_no_float_array(wrong, sentence):
    with pytest.raises(TypeError, match=sentence):
        var(wrong)


def test_var_refuses_a_node():
    with pytest.raises(TypeError, match="a Node already"):
        var((b1, var(b1)))


def test_a_leafs_value_is_the_callers_array_and_may_be_updated_in_place_or_assigned():
    w = W1.copy()
    W = var(w)
    assert W.value is w
    W.value -= 1
    assert np.array_equal(w, W1 - 1)
    W.value = W1
    assert W.value is W1
    assert var((w, None))[1] is None


def test_backward_fills_every_gradient_below_and_a_repeat_gives_the_same():
    U1, U2, A, L = program()
    assert A.grad is None
    L.backward()
    before = [n.grad.copy() for n in (*U1, *U2, A, L)]
    L.backward()
    for g, n in zip(before, (*U1, *U2, A, L)):
        assert np.array_equal(g, n.grad)


def test_a_leaf_that_is_not_below_keeps_its_gradient():
    A, B = var(np.ones(2)), var(np.ones(2))
    mg.sum(A).backward()
    mg.sum(B * 2.0).backward()
    assert A.grad.tolist() == [1, 1]


def test_backward_of_what_is_no_scalar_says_what_to_do():
    with pytest.raises(ValueError, match=r"relu: backward starts at a scalar.*\(6,\).*sum or mean"):
        mg.relu(var(b1)).backward()


def test_operators_take_their_step_under_their_operations_name():
    A, B = var(b1), var(b1.copy())
    S = B + A
    P = S[2:]
    L = mg.sum(P)
    L.back(P)
    P.back(S, slice(2, None))
    S.back((B, A))
    assert A.grad.tolist() == [0, 0, 1, 1, 1, 1]


def test_arguments_of_a_step_are_those_of_the_forward_call():
    U1, U2, A, L = program()
    with pytest.raises(ValueError, match="these are not the arguments of the forward call"):
        L.back(A, T, (var(W1), U2[0]))
    with pytest.raises(ValueError, match=r"loss.back: the forward call was loss\(\(5, 3\), \(5,\)"):
        L.back(A, T, U1[0])
    L.back(A, T.copy(), [U1[0], U2[0]])
    with pytest.raises(ValueError, match="not the arguments"):
        A.back(X + 1, (U1, U2))
    A.back(X.copy(), (U1, U2))


def test_a_leaf_has_no_step():
    with pytest.raises(RuntimeError, match="a leaf was given"):
        var(np.array(1.0)).back()


def test_only_a_scalar_can_begin_a_program():
    U1, U2, A, L = program()
    with pytest.raises(RuntimeError, match=r"model.back: no gradient .* \(5, 3\) .* the loss"):
        A.back(X, (U1, U2))
    A = var(b1)
    C = mg.exp(B := mg.relu(A))
    L = mg.sum(C)
    L.back(C)
    with pytest.raises(RuntimeError, match="relu.back: exp.back comes first"):
        B.back(A)


def test_each_step_runs_once():
    U1, U2, A, L = program()
    L.back(A, T, (U1[0], U2[0]))
    with pytest.raises(RuntimeError, match="loss.back has run already"):
        L.back(A, T, (U1[0], U2[0]))
    A.back(X, (U1, U2))
    with pytest.raises(RuntimeError, match="model.back has run already"):
        A.back(X, (U1, U2))
    L.backward()
    with pytest.raises(RuntimeError, match="model.back has run already"):
        A.back(X, (U1, U2))


def test_a_step_before_its_users_names_what_is_missing():
    A = var(b1)
    B = mg.relu(A)
    C, D = B * 2.0, mg.exp(B)
    E = C + D
    L = mg.sum(E)
    L.back(E)
    E.back((C, D))
    C.back(B, 2.0)
    with pytest.raises(RuntimeError, match="relu.back: exp.back comes first: it uses this value"):
        B.back(A)
    D.back(B)
    B.back(A)
    assert np.allclose(A.grad, (b1 > 0) * (2 + np.exp(b1)))


def test_a_block_whose_inside_is_used_elsewhere_waits_for_that_step():
    kept = []

    @block
    def inner(A):
        kept.append(mg.relu(A))
        return kept[0] * 2.0

    @block
    def outer(H):
        return mg.exp(mg.neg(H))

    A = var(np.ones(2))
    Z = inner(A)
    Y = outer(kept[0])
    S = Z + Y
    L = mg.sum(S)
    L.back(S)
    S.back((Z, Y))
    with pytest.raises(RuntimeError, match="inner.back: outer.back comes first: .* relu inside"):
        Z.back(A)
    assert A.grad is None
    Y.back(kept[0])
    Z.back(A)
    assert np.allclose(A.grad, 2 - np.exp(-1))


def test_a_program_cannot_begin_while_one_below_is_unfinished():
    A = var(b1)
    B = mg.relu(A)
    L1, L2 = mg.sum(B), mg.mean(B)
    L1.back(B)
    with pytest.raises(RuntimeError, match=r"mean.back: .* unfinished: relu.back has not run"):
        L2.back(B)
    B.back(A)
    L2.back(B)
    L = mg.sum(A)  # beside it, not above it: begins, and the other cannot go on
    L.back(A)
    with pytest.raises(RuntimeError, match="relu.back: another backward program has begun below"):
        B.back(A)
    assert (A.grad == 1).all()


def test_a_failed_step_says_how_to_go_on():
    broken = [True]

    @node
    def fragile(A):
        def back(dZ, dA):
            dA += dZ
            if broken:
                raise ZeroDivisionError

        return A * 1, back

    A = var(b1)
    Z = fragile(A)
    L = mg.sum(Z)
    L.back(Z)
    with pytest.raises(ZeroDivisionError):
        Z.back(A)
    broken.clear()
    with pytest.raises(RuntimeError, match=r"earlier step .* failed: call .backward\(\) .* again"):
        Z.back(A)
    Z2 = fragile(A)
    L2 = mg.sum(Z2)
    L2.back(Z2)
    Z2.back(A)
    assert (A.grad == 1).all()
    L.backward()
    assert (A.grad == 1).all()


def test_after_an_exception_backward_gives_the_right_gradients():
    broken = [True]

    @node
    def fragile(A):
        def back(dZ, dA):
            dA += dZ
            if broken:
                raise KeyboardInterrupt

        return A * 1, back

    A = var(b1)
    L = mg.sum(fragile(mg.relu(A)))
    with pytest.raises(KeyboardInterrupt):
        L.backward()
    broken.clear()
    L.backward()
    assert np.array_equal(A.grad, 1.0 * (b1 > 0))


def test_lists_and_dicts_are_kept_as_they_were_at_the_call():
    old, new = var(W1), var(W1.copy())
    weights = [old]
    R = mg.decay(weights)
    weights[0] = new
    R.backward()
    assert old.grad is not None
    assert new.grad is None


# grad and value_and_grad


def objective(U, X):
    return loss(model(X, U), T, (U[0][0], U[1][0]))


def test_value_and_grad_maps_trees_of_arrays_to_trees_of_arrays():
    U = ((W1, b1), (W2, b2))
    value, gradients = value_and_grad(objective)(U, X)
    U1, U2, A, L = program()
    L.backward()
    assert value == L.value
    assert type(value) is np.ndarray
    assert np.array_equal(gradients[1][0], U2[0].grad)
    dU, dX = grad(objective, wrt=(0, 1))(U, X)
    assert np.array_equal(dU[0][0], gradients[0][0])
    assert dX.shape == X.shape
    assert np.array_equal(grad(objective, wrt=1)(U, X), dX)


def test_nodes_made_before_the_call_are_constants_and_keep_their_gradients():
    leaf = var(b1)
    constant = mg.relu(leaf)
    mg.sum(constant).backward()
    before = leaf.grad.copy(), constant.grad.copy()
    assert np.array_equal(grad(lambda A: mg.sum(A * constant))(b1), constant.value)
    assert np.array_equal(leaf.grad, before[0])
    assert np.array_equal(constant.grad, before[1])


def test_what_does_not_depend_on_the_arguments_has_gradient_zero():
    value, gradient = value_and_grad(lambda A: mg.sum(b1))(W1)
    assert value == b1.sum()
    assert not gradient.any()


def test_grad_wants_one_scalar():
    with pytest.raises(ValueError, match=r"relu: backward starts at a scalar.*\(6,\)"):
        grad(mg.relu)(b1)
    with pytest.raises(TypeError, match="at a scalar, not at a tuple"):
        grad(lambda A: (mg.sum(A), mg.mean(A)))(b1)


@pytest.mark.parametrize(
    ("wrt", "args", "sentence"),
    [
        (0, (var(b1),), "a Node already"),
        (0, (1.0,), "leaves are float arrays"),
        (2, (b1,), "wrt=2, but it was called with 1"),
    ],
)
def test_grad_refuses_what_it_cannot_differentiate(wrt, args, sentence):
    with pytest.raises(TypeError, match=sentence):
        grad(mg.sum, wrt)(*args)


def test_value_and_grad_frees_what_it_has_used_and_a_freed_node_says_so():
    kept = []

    def deep(A):
        for _ in range(20):
            A = mg.relu(A)
        kept.append(A)
        return mg.sum(A)

    array = np.ones(1 << 17)
    peaks = []
    for run in (lambda: grad(deep)(array), lambda: deep(var(array)).backward()):
        kept.clear()
        tracemalloc.start()
        run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 0.7 * peaks[1]  # 22 and 42 arrays
    grad(deep)(array)
    with pytest.raises(RuntimeError, match="relu: this Node's value was freed"):
        kept[-1].value  # noqa: B018
    assert "freed" in repr(kept[-1])


# Node, the object


def test_a_node_shows_its_value_gradient_and_shape():
    A = var(W1)
    assert [A.grad, A.shape, A.dtype, A.ndim, len(A)] == [None, (4, 6), np.float64, 2, 4]
    L = mg.mean(A)
    assert f"{L:.3f}" == f"{float(L):.3f}" == f"{W1.mean():.3f}"
    assert f"{A}" == repr(A) == "<leaf (4, 6) float64>"
    assert repr(mg.sum(var(np.ones(2)))) == "<sum 2.0 float64>"


@pytest.mark.parametrize(
    "expression",
    ["B + A", "B - A", "B * A", "B / A", "A + B", "A - B", "A * B", "A / B", "2 * A", "2.0 - A"]
    + ["A ** 2", "2.0 ** A", "A @ C", "C @ A", "A[0]", "A[[0, 0]]", "-A", "np.float64(2) * A"]
    + ["np.add(B, A)", "np.add(A, B)", "np.matmul(C, A)", "1 / A", "A / 2"],
)
def test_operators_make_nodes_also_with_an_array_on_the_left(expression):
    a, B, C = np.full((3, 3), 2.0), np.full((3, 3), 3.0), np.full((3, 3), 0.5)
    A = var(a)
    Z = eval(expression, {"A": A, "B": B, "C": C, "np": np})
    assert type(Z) is Node
    assert np.array_equal(Z.value, eval(expression, {"A": a, "B": B, "C": C, "np": np}))
    mg.sum(Z).backward()
    assert A.grad.any()


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("np.exp(A)", "minigrad.exp"),
        ("np.absolute(A)", "minigrad.abs"),
        ("np.stack([A, A])", "minigrad.stack"),
        ("np.mean(A)", "minigrad.mean"),
        ("np.maximum(A, 0)", "minigrad.maximum"),
        ("np.add.reduce(A)", "minigrad.add"),
        ("np.linalg.inv(A)", "no operation"),
        ("np.asarray(A)", ".value"),
        ("np.array([A, A])", ".value"),
        ("np.asarray(B).__iadd__(A)", "in place"),
        ("A.sum()", r"minigrad.sum\(A\)"),
        ("A.T", "minigrad.transpose"),
        ("A.flags", "its array is .value"),
    ],
)
def test_numpys_functions_refuse_a_node_and_name_the_operation(expression, advice):
    with pytest.raises((TypeError, AttributeError), match=advice):
        eval(expression, {"A": var(np.ones((2, 2))), "B": np.ones((2, 2)), "np": np})


@pytest.mark.parametrize("expression", ["A < 1", "1 <= A", "A > A", "bool(A)", "not A"])
def test_comparisons_and_truth_raise_a_sentence(expression):
    with pytest.raises(TypeError, match="use its .value"):
        eval(expression, {"A": var(np.ones(2))})


def test_equality_and_hash_are_identity():
    A, B = var(b1), var(b1)
    assert A == A
    assert A != B
    assert (b1 == A) is False
    assert (b1 == A) is False
    assert b1 != A
    assert A in [b1, B, A]
    assert {A: 1, B: 2}[A] == 1


def test_a_node_unpacks_into_its_rows():
    first, second = var(np.array([1.0, 2.0]))
    assert (float(first), float(second)) == (1, 2)


# no global state


def test_a_chain_of_10000_nodes_needs_no_recursion():
    A = Z = var(np.ones(2))
    for _ in range(10_000):
        Z = mg.relu(Z)
    mg.sum(Z).backward()
    assert (A.grad == 1).all()


def test_60_diamonds_are_exact_and_immediate():
    A = Z = var(np.ones(2))
    for _ in range(60):
        Z = Z + Z
    mg.sum(Z).backward()
    assert (A.grad == 2.0**60).all()


@pytest.mark.parametrize("how", ["dropped", "backward", "stepped", "failed", "half stepped"])
def test_a_dropped_graph_is_freed_at_once(how):
    @node
    def broken(A):
        def back(dZ, dA):
            raise ZeroDivisionError

        return A * 1, back

    def use():
        U1, U2, A, L = program()
        if how == "failed":
            L = mg.sum(broken(A))
        refs = [weakref.ref(A), weakref.ref(L), weakref.ref(A.value), weakref.ref(U1[0])]
        if how == "backward":
            L.backward()
        elif how == "failed":
            with pytest.raises(ZeroDivisionError):
                L.backward()
        elif how != "dropped":
            L.back(A, T, (U1[0], U2[0]))
            if how == "stepped":
                A.back(X, (U1, U2))
        return refs

    gc.collect()
    gc.disable()
    try:
        assert [ref() for ref in use()] == [None] * 4
    finally:
        gc.enable()


def test_threads_train_as_one_after_the_other_would():
    def train(results, k):
        U = tuple((W.copy(), b.copy()) for W, b in ((W1, b1), (W2, b2)))
        for _ in range(50):
            dU = grad(objective)(U, X)
            for layer, gradients in zip(U, dU):
                for w, g in zip(layer, gradients):
                    w -= 0.1 * g
        results[k] = U

    results = {}
    threads = [threading.Thread(target=train, args=(results, k)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    train(results, "alone")
    assert all(np.array_equal(results[k][0][0], results["alone"][0][0]) for k in range(8))


def test_generators_that_build_graphs_in_turn_do_not_disturb_each_other():
    def build(x):
        A = var(np.array(x))
        Z = mg.exp(A)
        yield
        Z = Z * Z
        yield
        Z.backward()
        yield A.grad

    a, b = build(0.0), build(1.0)
    for _ in range(2):
        next(a), next(b)
    assert next(a) == 2
    assert next(b) == pytest.approx(2 * np.exp(2))

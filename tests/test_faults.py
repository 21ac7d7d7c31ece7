"""Mistakes of students, and the sentences they get."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import faults, node, var

X, W, b = np.ones((32, 784)), np.ones((784, 10)), np.ones(10)


def test_a_product_that_does_not_fit_names_both_sides_and_their_shapes():
    sentence = r"^affine: X has 784 features \(32, 784\) but W takes 100 \(100, 10\)$"
    with pytest.raises(ValueError, match=sentence):
        mg.affine(X, var((np.ones((100, 10)), b)))
    with pytest.raises(ValueError, match=sentence):
        mg.affine(X, (np.ones((100, 10)), b))


def test_a_sum_that_does_not_fit_names_both_sides_and_their_shapes():
    sentence = r"affine: X @ W \(32, 10\) and b \(9,\) do not fit together"
    with pytest.raises(ValueError, match=sentence):
        mg.affine(X, var((W, np.ones(9))))


def test_a_product_over_several_lines_is_explained_too():
    @node
    def long(X, W):
        Z = (
            X
            @ W
        )  # fmt: skip
        return Z, lambda dZ, dX, dW: None

    with pytest.raises(ValueError, match=r"long: X has 784 features .* but W takes 10 \(10, 784\)"):
        long(var(X), W.T)


def test_an_argument_nested_otherwise_is_shown_with_its_shapes():
    sentence = "affine((5, 4), (4, 3)): nested otherwise than affine unpacks it: too many values"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        mg.affine(np.ones((5, 4)), np.ones((4, 3)))


def test_another_exception_keeps_its_kind_and_notes_the_node():
    @node
    def strange(A):
        raise KeyError("inside")

    with pytest.raises(KeyError) as error:
        strange(var(X))
    assert error.value.__notes__ == ["in strange((32, 784))"]


def test_a_deposit_of_the_wrong_shape_names_node_argument_and_both_shapes():
    def linear(X, U):
        W, b = U

        def back(dA, dX, dU):
            dW, db = dU
            dW += X.T @ dA
            db += dA

        return X @ W + b, back

    L = mg.sum(node(linear)(X, var((W, b))))
    sentence = r"linear: its back deposits an array of shape \(32, 10\) into db of shape \(10,\), "
    sentence += r"the gradient of U\[1\] of shape \(10,\)"
    with pytest.raises(ValueError, match=sentence):
        L.backward()


def test_a_deposit_into_a_part_names_the_part():
    @node
    def f(A):
        def back(dZ, dA):
            dA[0] += np.ones(7)

        return A.sum(), back

    sentence = r"shape \(7,\) into dA\[0\] of shape \(3,\), the gradient of A of shape \(2, 3\)"
    with pytest.raises(ValueError, match=sentence):
        f(var(np.ones((2, 3)))).backward()


def test_a_product_in_a_back_that_does_not_fit_is_explained():
    @node
    def linear(X, W):
        def back(dA, dX, dW):
            dW += X @ dA

        return X @ W, back

    sentence = r"linear: in its back, X has 784 features \(32, 784\) but dA takes 32 \(32, 10\)"
    with pytest.raises(ValueError, match=sentence):
        mg.sum(linear(X, var(W))).backward()


def test_a_deposit_without_source_still_notes_the_node():
    scope = {}
    exec("def f(A):\n def back(dZ, dA):\n  dA += [1, 2, 3, 4]\n return A.sum(), back", scope)
    with pytest.raises(ValueError) as error:
        node(scope["f"])(var(b)).backward()
    assert error.value.__notes__ == ["in the back of f((10,))"]


def rebinding(A):
    def back(dZ, dA):
        dA = dA + dZ

    return A, back


def rebinding_an_unpacked_one(X, U):
    def back(dZ, dX, dU):
        dW, db = dU
        dW += 1
        db = db + dZ.sum(0)

    return X, back


def rebinding_in_a_loop(W):
    def back(dR, dW):
        for w, dw in zip(W, dW):
            dw = dw + w

    return W[0], back


def rebinding_over_leaves(W):
    def back(dR, dW):
        for i, dw in enumerate(dW):
            if i:
                dw = dw - dR

    return W[0], back


def rebinding_a_part(A):
    def back(dZ, dA):
        row = dA[0]
        row = row * 2

    return A, back


def rebinding_in_a_tuple(A, B):
    def backward(dZ, dA, dB):
        dA, dB = dA + dZ, dB - dZ

    return A, backward


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (rebinding, "dA"),
        (rebinding_an_unpacked_one, "db"),
        (rebinding_in_a_loop, "dw"),
        (rebinding_over_leaves, "dw"),
        (rebinding_a_part, "row"),
        (rebinding_in_a_tuple, "dA"),
    ],
)
def test_rebinding_a_gradient_is_refused_when_the_node_is_made(f, name):
    sentence = rf"{f.__name__}: its back assigns {name} = .* gradient is lost.*: {name} \+= "
    with pytest.raises(TypeError, match=sentence):
        node(f)


@pytest.mark.parametrize("method", ["reshape(-1)", "ravel()", "flatten()", "T.reshape(-1)"])
@pytest.mark.parametrize("write", ["v = dA.{}; v += 1", "dA.{}[0] += 1"])
def test_depositing_through_what_may_be_a_copy_is_refused_by_name(tmp_path, method, write):
    source = (
        f"def f(A):\n    def back(dZ, dA):\n        {write.format(method)}\n    return A, back\n"
    )
    path = tmp_path / "students.py"
    path.write_text(source)
    scope = {}
    exec(compile(source, str(path), "exec"), scope)
    with pytest.raises(TypeError, match=rf"uses dA.{method.split('(')[0]}\(...\), .* copy"):
        node(scope["f"])


def honest(A, B, W):
    def back(dZ, dA, dB, dW):
        dZ = dZ * 2  # the incoming gradient, under its own name: nothing is lost
        part = dA[0]
        part += dZ[0]
        dA = dA[1:]
        dA += dZ[1:]
        shape = dB.shape
        shape = shape + (1,)
        n = dB.size
        n = n * 2
        dB += dZ.reshape(dB.shape) / n
        g = dZ
        g = g + 1
        for w, dw in zip(W, dW):
            w = w * 2
            dw += w

    return A + B, back


def test_an_honest_back_is_not_refused():
    node(honest)


def test_without_source_nothing_is_said():
    scope = {}
    exec("def f(A):\n def back(dZ, dA): dA = dA + dZ\n return A, back", scope)
    node(scope["f"])
    node(np.sin)


@pytest.mark.parametrize("name", [n for n in mg.__all__ if hasattr(getattr(mg, n), "plain")])
def test_no_library_node_loses_a_deposit(name):
    faults.read(getattr(mg, name).plain)


def test_shapes_of_nests_and_constants():
    nest = (X, [W, None], {"b": b}, 3, (2.5,))
    assert faults.shapes(nest) == "((32, 784), [(784, 10), None], {'b': (10,)}, 3, (2.5,))"

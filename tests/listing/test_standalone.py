"""The file runs, imports NumPy only, and gives the program's bits."""

import io
import linecache
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numeric import batch_last, normal, positive, strided

import minigrad as mg
from minigrad import (
    affine,
    block,
    conv,
    decay,
    dropout,
    entropy,
    flatten,
    maxpool,
    needed,
    node,
    program,
    relu,
    squared_error,
    var,
)
from minigrad.nodes import operators

NODES = {name for name, f in vars(mg.nodes).items() if hasattr(f, "plain")}
ONLY_NUMPY = """
import builtins, sys
imported, allowed = builtins.__import__, {"numpy", *sys.argv[1].split(",")}

def checked(name, space=None, *rest, **options):
    if space and space.get("__name__") == "__main__" and name.split(".")[0] not in allowed:
        raise ImportError(f"the file imports {name}")
    return imported(name, space, *rest, **options)

import numpy as np
builtins.__import__ = checked
space = {"__name__": "__main__"}
exec(compile(open("program.py").read(), "program.py", "exec"), space)
assert not any(m.split(".")[0] == "minigrad" for m in sys.modules)
np.savez("results.npz", **{k: v for k, v in space.items() if k in sys.argv[2].split(",")})
"""


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def saved(inputs):
    """The arrays as the file reads them."""
    memory = io.BytesIO()
    np.savez(memory, **inputs)
    memory.seek(0)
    with np.load(memory) as read:
        return dict(read)


def holds(listing, L, **leaves):
    """Run the file in this process and compare the value and the gradient of every leaf."""
    text, inputs = listing.standalone(), listing.inputs()
    L.backward()
    space = {"inputs": saved(inputs)}
    statements = text.replace('with np.load("inputs.npz") as inputs:', "if True:")
    with np.errstate(all="ignore"):
        exec(compile(statements, "program.py", "exec"), space)
    assert same(space[text.rstrip().rpartition(" ")[2][:-1]], L.value), text
    assert leaves
    for name, leaf in leaves.items():
        assert same(space[name], leaf.value), text
        assert same(space[f"d{name}"], leaf.grad), (name, text)
    return text


def runs(listing, folder, L, *, imports="", **leaves):
    """The same in a process of its own, which may import NumPy and what is named, nothing else."""
    text = listing.standalone()
    L.backward()
    (folder / "program.py").write_text(text)
    np.savez(folder / "inputs.npz", **listing.inputs())
    names = ["L", *(f"d{name}" for name in leaves)]
    command = [sys.executable, "-I", "-W", "error", "-c", ONLY_NUMPY, imports, ",".join(names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr + text
    assert done.stdout == f"L = {L.value[()]!s}\n"
    with np.load(folder / "results.npz") as results:
        assert same(results["L"], L.value), text
        for name, leaf in leaves.items():
            assert same(results[f"d{name}"], leaf.grad), (name, text)
    return text


# the programs that the file was made for


@block
def model(X, U):
    U1, U2 = U
    return affine(relu(affine(X, U1)), U2)


@block
def loss(A, T, W):
    return entropy(A, T) + decay(W)


def test_a_network_of_two_layers_with_decay(tmp_path):
    X, T = normal(8, 5), np.array([0, 2, 1, 1, 0, 2, 2, 1])
    W1, b1, W2, b2 = var([normal(*s, seed=i) for i, s in enumerate(((5, 6), (6,), (6, 3), (3,)))])
    A = model(X, ((W1, b1), (W2, b2)))
    L = loss(A, T, (W1, W2))
    text = runs(program(L), tmp_path, L, W1=W1, b1=b1, W2=W2, b2=b2)
    for line in ("A1 = X @ W1 + b1", "A = Z @ W2 + b2", "dW2 += Z.T @ dA", "dA1 += dZ * (Z > 0)"):
        assert f"\n{line}\n" in text
    assert "def " not in text
    assert "dX" not in text  # nobody wants it


def test_a_convolutional_network_with_pooling_and_dropout(tmp_path):
    rng = np.random.default_rng(0)
    X, T = normal(4, 2, 8, 8).astype(np.float32), np.array([0, 1, 2, 1])
    K, k, W, b = var([normal(*s).astype(np.float32) for s in ((3, 2, 3, 3), (3,), (48, 3), (3,))])
    Z = relu(maxpool(conv(X, (K, k), padding=1), 2))
    L = entropy(affine(dropout(flatten(Z), rng=rng), (W, b)), T)
    text = runs(program(L), tmp_path, L, K=K, k=k, W=W, b=b)
    assert text.count("import") == 1
    assert 'M = inputs["M"]  # (4, 48), as it was drawn\n' in text


def test_a_diamond(tmp_path):
    A = var(normal(3, 4))
    B = mg.exp(A)
    L = mg.sum(B * mg.tanh(B) + A * B)
    runs(program(L), tmp_path, L, A=A)


def test_shared_weights(tmp_path):
    W, b = var((normal(4, 4), normal(4)))
    A = normal(6, 4)
    for _ in range(3):
        A = relu(affine(A, (W, b)))
    L = mg.mean(A)
    runs(program(L), tmp_path, L, W=W, b=b)


NOTEBOOK = """
import math
import numpy as onp
from minigrad import node, needed

HALF = 0.5

def gate(A):
    return onp.where(A > 0, A, HALF * A)

@node
def cell(A, W):
    '''Z = gate(A W).'''
    C = gate(A @ W)  # why: a comment
    def back(dZ, dA, dW):
        slope = onp.where(C > 0, 1, math.sqrt(HALF * HALF))
        dW += A.T @ (dZ * slope)
        if needed(dA):
            dA += (dZ * slope) @ W.T
    return C, back
"""


def test_a_node_defined_in_a_notebook(tmp_path):
    name = "<ipython-input-1-0123456789ab>"  # a cell's source stands in linecache only
    linecache.cache[name] = (len(NOTEBOOK), None, NOTEBOOK.splitlines(True), name)
    space = {"__name__": "__main__"}
    exec(compile(NOTEBOOK, name, "exec"), space)
    X, W = normal(5, 4), var(normal(4, 3))
    L = mg.sum(space["cell"](X, W))
    text = runs(program(L), tmp_path, L, imports="math", W=W)
    assert "# why: a comment" in text
    assert "dA" not in text


# every node, in every memory order

A0, B0, C0 = normal(3, 4), positive(3, 4, seed=1), normal(4, seed=2)
ORDERS = (np.ascontiguousarray, np.asfortranarray, strided)
CASES = {
    "affine": lambda A, B, C: affine(A, (mg.transpose(B), C[:3])),
    "relu": lambda A, B, C: relu(A),
    "leaky_relu": lambda A, B, C: mg.leaky_relu(A, slope=0.1),
    "sigmoid": lambda A, B, C: mg.sigmoid(A),
    "tanh": lambda A, B, C: mg.tanh(A),
    "softmax": lambda A, B, C: mg.softmax(A) * B,
    "log_softmax": lambda A, B, C: mg.log_softmax(A, 0) * B,
    "normalize": lambda A, B, C: mg.normalize(A) * B,
    "dropout": lambda A, B, C: dropout(A, 0.25, rng=np.random.default_rng(3)),
    "dropout in use": lambda A, B, C: dropout(A, training=False),
    "entropy": lambda A, B, C: entropy(A, np.array([0, 3, 1])),
    "entropy of targets": lambda A, B, C: entropy(A, np.eye(4)[:3]),
    "entropy of a list": lambda A, B, C: entropy(A, [0, 3, 1]),
    "decay": lambda A, B, C: decay({"A": A, "rest": (B, [C])}, 0.1),
    "decay of many": lambda A, B, C: decay((A, B, C) * 4),
    "decay of nothing": lambda A, B, C: decay(()) + mg.sum(A),
    "squared_error": lambda A, B, C: squared_error(A, B),
    "squared_error of a target": lambda A, B, C: squared_error(A, B.value),
    "add": lambda A, B, C: mg.add((A, B, C, 1.0, A)),
    "sub": lambda A, B, C: A - C,
    "mul": lambda A, B, C: A * C * 3,
    "div": lambda A, B, C: C / B,
    "neg": lambda A, B, C: -A,
    "pow": lambda A, B, C: A**2 + B**A,
    "dot": lambda A, B, C: A @ mg.transpose(B),
    "dot of vectors": lambda A, B, C: (A @ C) @ A + (C @ C),
    "dot of a batch": lambda A, B, C: A @ mg.stack((mg.transpose(B), mg.transpose(A))),
    "exp": lambda A, B, C: mg.exp(A),
    "log": lambda A, B, C: mg.log(B),
    "sqrt": lambda A, B, C: mg.sqrt(B),
    "abs": lambda A, B, C: mg.abs(A),
    "maximum": lambda A, B, C: mg.maximum(A, C),
    "minimum": lambda A, B, C: mg.minimum(A, 0.0),
    "sum": lambda A, B, C: mg.sum(A) + mg.sum(A, 1, keepdims=True) * mg.sum(A, 0),
    "mean": lambda A, B, C: mg.mean(A, (0,)) + mg.mean(A, 1, keepdims=True),
    "max": lambda A, B, C: mg.max(A, 1) * mg.max(A),
    "reshape": lambda A, B, C: mg.reshape(A, (2, -1)),
    "flatten": lambda A, B, C: flatten(mg.reshape(A, (3, 2, 2))),
    "transpose": lambda A, B, C: mg.transpose(mg.reshape(A, (3, 2, 2)), (2, 0, 1)),
    "concatenate": lambda A, B, C: mg.concatenate((A, B), 1),
    "stack": lambda A, B, C: mg.stack((A, B, A), 1),
    "take": lambda A, B, C: mg.take(A, np.array([1, 1, 0]), 1),
    "index": lambda A, B, C: A[1:, ::2] * A[np.array([0, 0])][:, [1, 1]] + A[-1, ..., None, 0],
    "index in a loop": lambda A, B, C: mg.stack([mg.sum(a) for a in A]),
    "pad": lambda A, B, C: mg.pad(A, ((1, 2),), value=1.5),
    "conv": lambda A, B, C: conv(mg.reshape(A, (1, 1, 3, 4)), (mg.reshape(B, (2, 1, 2, 3)), None)),
    "maxpool": lambda A, B, C: maxpool(mg.reshape(A, (1, 1, 3, 4)), 2, 1, padding=1),
    "avgpool": lambda A, B, C: mg.avgpool(mg.reshape(A, (1, 1, 3, 4)), 2, padding=1),
}


def test_every_node_has_a_case():
    assert {name for name in NODES if name not in CASES} == set()
    assert operators.OPERATORS


@pytest.mark.parametrize("order", ORDERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", CASES)
def test_every_node_gives_the_same_bits(name, dtype, order):
    A, B, C = var([order(a.astype(dtype)) for a in (A0, B0, C0)])
    Z = CASES[name](A, B, C)
    L = mg.sum(Z * Z)
    below = {n for n in mg.engine.below(L) if not n.function}
    holds(program(L), L, **{k: n for k, n in {"A": A, "B": B, "C": C}.items() if n in below})


@pytest.mark.parametrize("options", [{}, {"padding": "same"}, {"stride": 2, "padding": (1, 0)}])
@pytest.mark.parametrize("order", [*ORDERS, batch_last], ids=lambda f: f.__name__)
def test_images_in_every_memory_order(order, options):
    X, W, b = var((order(normal(3, 4, 6, 5)), order(normal(4, 2, 3, 2, seed=1)), normal(4)))
    Z = conv(X, (W, b), groups=2, **options)
    L = mg.sum(mg.avgpool(maxpool(Z * Z, 2, 1, padding=1), 2, 1) * 0.5)
    holds(program(L), L, X=X, W=W, b=b)


# nodes that students write


class Pair(NamedTuple):
    W: object
    b: object


Plain = namedtuple("Plain", "W b")


@node
def by_field(X, U):
    A = X @ U.W + U.b

    def back(dA, dX, dU):
        dW, db = dU
        dW += X.T @ dA
        db += dA.sum(0)

    return A, back


@node
def by_key(X, U):
    A = X @ U["W"] + U["b"]

    def back(dA, dX, dU):
        for k, u in dU.items():
            u += X.T @ dA if k == "W" else dA.sum(0)

    return A, back


@node
def by_place(X, U):
    A = X @ U[0] + U[1]

    def back(dA, dX, dU):
        dU[0] += X.T @ dA
        dU[1] += dA.sum(0)

    return A, back


@node
def with_lambda(X, U):
    return X @ U[0] + U[1], lambda dA, dX, dU: (
        np.add(dU[0], X.T @ dA, out=dU[0]),
        np.add(dU[1], dA.sum(0), out=dU[1]),
    )


@pytest.mark.parametrize(
    ("f", "nest"),
    [
        (by_field, lambda W, b: Pair(W, b)),
        (by_field, lambda W, b: Plain(W, b)),
        (by_key, lambda W, b: {"W": W, "b": b}),
        (by_place, lambda W, b: (W, b)),
        (by_place, lambda W, b: [W, b]),
        (with_lambda, lambda W, b: (W, b)),
        (affine, lambda W, b: Pair(W, b)),
        (affine, lambda W, b: [W, b]),
    ],
)
def test_nests_of_every_kind(f, nest):
    W, b = var((normal(4, 3), normal(3)))
    L = mg.sum(f(normal(5, 4), nest(W, b)))
    holds(program(L), L, W=W, b=b)


def test_branches_loops_and_returns():
    @node
    def polynomial(A, coefficients, form="horner"):
        if form == "horner":
            Z = 0 * A
            for c in coefficients:
                Z = Z * A + c
            D = 0 * A
            for i, c in enumerate(coefficients[:-1]):
                D = D * A + c * (len(coefficients) - 1 - i)
        else:
            raise ValueError(form)

        def back(dZ, dA):
            dA += dZ * D

        return Z, back

    A = var(normal(3))
    for coefficients in ((1.0, 2.0, 3.0), tuple(map(float, range(12)))):
        Z = polynomial(A, coefficients)
        L = mg.sum(Z)
        text = holds(program(L), L, A=A)
        assert "horner" not in text
        assert ("for " in text) == (len(coefficients) > 8)


def test_what_has_no_def_for_a_back_stands_as_a_function():
    @node
    def settled(A, rounds):
        if rounds < 0:
            return A, lambda dZ, dA: dA.__iadd__(dZ)
        Z = A
        for _ in range(rounds):
            if np.abs(Z).max() < 1:
                break
            Z = Z / 2
        return Z, lambda dZ, dA: dA.__iadd__(dZ * (Z / A))

    A = var(positive(4) * 4)
    Z = settled(A, 9)
    L = mg.sum(Z)
    text = holds(program(L), L, A=A)
    assert "def settled(A, rounds):" in text
    assert "Z, Z_back = settled(A, 9)" in text


def test_names_are_kept_apart():
    @node
    def swapped(A, B):
        dA = A - B  # a local with a gradient's name, and variables that change places
        A, B = B, A
        Z = A * dA + B

        def back(dZ, dX, dY):
            s = [dZ * x for x in (dA, A)]
            dX += s[1] + dZ
            dY += s[0] - s[1]
            for dZ in s:
                dX += 0 * dZ

        return Z, back

    A, B = var((normal(3), normal(3, seed=1)))
    s = swapped(B, A)
    x = swapped(s, A)
    L = mg.sum(x * s)
    holds(program(L), L, A=A, B=B)


def test_a_caller_s_variable_may_bear_any_name():
    len, np_, inputs, dW = var([normal(3, seed=i) for i in range(4)])
    W = len * np_ + dW
    L = mg.sum(W * inputs)
    text = program(L).standalone()
    L.backward()
    assert "len1" in text
    assert "dW1" in text  # the gradient of W: dW is a leaf
    holds(program(L), L, dW=dW)


TWO = np.float32(2)


def test_numbers_are_written_as_they_are():
    @node
    def score(A, kind, low=-np.inf, *, scale=TWO, cut=slice(1, None)):
        Z = float(scale * np.maximum(A[cut], low).sum()) if kind == "sum" else 0.0

        def back(dZ, dA):
            dA[cut] += scale * dZ * (A[cut] > low)

        return Z, back

    A = var(normal(4).astype(np.float32))
    S = score(A, "sum", -0.5)
    R = score(A, "sum")
    L = S * R
    holds(program(L), L, A=A)


def test_a_student_s_node_gets_arrays_where_a_number_was_computed():
    @node
    def capped(D):
        Z = D.copy()
        Z[Z > 1] = 1

        def back(dZ, dD):
            dD += dZ * (D <= 1)

        return Z, back

    A = var(positive(4))
    D = mg.mean(A)
    L = capped(D)
    holds(program(L), L, A=A)


def test_helpers_factories_and_nodes_within_nodes():
    def power(k):
        @node
        def raised(A):
            Y = relu(A) + step(A)
            Z = Y**k

            def back(dZ, dA):
                dA += dZ * k * Y ** (k - 1) * (A > 0)

            return Z, back

        return raised

    A = var(normal(5))
    L = mg.sum(power(2)(A) + power(3)(A))
    text = holds(program(L), L, A=A)
    assert "** 2" in text
    assert "** 3" in text


def step(A, low=0.5):
    """A helper that is too long to be written in place."""
    S = np.zeros_like(A)
    S[low < relu(A)] = 1
    S[2 * low < A] = 2
    return S


# generators and state


def test_what_a_generator_gave_is_an_input_and_the_generator_stays_where_it_is():
    @node
    def noisy(A, *, rng):
        N = rng.normal(size=A.shape)
        Z = A * N

        def back(dZ, dA):
            dA += dZ * N

        return Z, back

    rng = np.random.default_rng(0)
    A = var(normal(3))
    L = mg.sum(noisy(A, rng=rng))
    before = rng.bit_generator.state
    text = holds(program(L), L, A=A)
    assert rng.bit_generator.state == before
    assert "Z = A * N" in text


def test_a_value_whose_draw_was_not_kept_is_an_input():
    @node
    def jittered(A, *, rng):
        Z = A + rng.normal(size=A.shape)

        def back(dZ, dA):
            dA += dZ

        return Z, back

    A = var(normal(3))
    Z = jittered(A, rng=np.random.default_rng(0))
    L = mg.sum(Z * Z)
    text = holds(program(L), L, A=A)
    assert 'Z = inputs["Z"]  # (3,), as it was drawn' in text


def test_a_state_that_has_moved_on():
    @node
    def centred(A, *, state):
        if "mean" in state:
            state["mean"] = 0.9 * state["mean"] + 0.1 * A.mean(0)
        else:
            state["mean"] = A.mean(0)
        m = state["mean"]
        Z = (A - m) * m

        def back(dZ, dA):
            dA += dZ * m

        return Z, back

    A, state = var(normal(4, 3)), {}
    Z = centred(A, state=state)
    Z = centred(Z, state=state)
    L = mg.sum(Z)
    holds(program(L), L, A=A)


# what cannot be


def test_a_program_whose_arrays_have_changed_is_refused():
    W = var(normal(3))
    L = mg.sum(relu(W))
    W.value -= 1.0
    with pytest.raises(ValueError, match="standalone: relu gives another value .* changed since"):
        program(L).standalone()


def test_a_node_without_source_is_refused_by_name():
    space = {"node": node}
    exec("@node\ndef f(A):\n    return A, lambda dZ, dA: None", space)
    A = var(np.array(1.0))
    with pytest.raises(ValueError, match="standalone: f cannot be written out: f has no source"):
        program(space["f"](A)).standalone()


def test_what_is_not_numpy_is_refused_by_name():
    import scipy.special

    @node
    def gamma(A):
        Z = scipy.special.gamma(A)

        def back(dZ, dA):
            dA += dZ * Z * scipy.special.digamma(A)

        return Z, back

    A = var(np.array(1.5))
    with pytest.raises(ValueError, match="standalone: gamma cannot be written out: .*scipy"):
        program(gamma(A)).standalone()


def test_a_value_that_is_no_scalar_has_no_backward_program_to_write():
    A = var(normal(3))
    with pytest.raises(ValueError, match=r"relu: backward starts at a scalar.*\(3,\)"):
        program(relu(A)).standalone()


def test_deposits_into_what_nobody_wants_are_left_out():
    @node
    def both(A, B):
        Z = A * B

        def back(dZ, dA, dB):
            if needed(dA):
                dA += dZ * B
            np.add.at(dB, slice(None), dZ * A)

        return Z, back

    A, B = var(normal(3)), normal(3, seed=1)
    L = mg.sum(both(A, B) + both(B, A))
    text = holds(program(L), L, A=A)
    assert "dB" not in text
    assert "zeros(" not in text.replace("zeros_like", "")


# what a rewriting can get wrong


def test_a_variable_that_lags_behind_in_a_loop():
    @node
    def lagged(X):
        before = 0.0
        Z = 0.0
        for x in X:
            now = 2 * x
            Z = Z + now * before
            before = now

        def back(dZ, dX):
            for i, dx in enumerate(dX):
                for j in (i - 1, i + 1):
                    if 0 <= j < len(dX):
                        dx += 4 * dZ * X[j]

        return Z, back

    A, B, C = var([normal(3, seed=i) for i in range(3)])
    L = mg.sum(lagged((A, B, C)))
    holds(program(L), L, A=A, B=B, C=C)


def test_a_helper_that_deposits_into_several_gradients_when_one_is_unwanted():
    @node
    def linear(X, W):
        Z = X @ W

        def back(dZ, dX, dW):
            products(dX, dW, dZ, X, W)

        return Z, back

    X, W = normal(5, 4), var(normal(4, 3))
    L = mg.sum(linear(X, W))
    holds(program(L), L, W=W)


def products(dX, dW, dZ, X, W):
    left = dZ @ W.T
    right = X.T @ dZ
    dX += left
    dW += right


def test_a_deposit_through_a_view():
    @node
    def turned(A):
        Z = A.T

        def back(dZ, dA):
            into(dA.T, dZ)
            into(np.moveaxis(dA, 0, 1), dZ)

        return Z, back

    A = var(normal(3, 4))
    L = mg.sum(turned(A) ** 2)
    holds(program(L), L, A=A)


def into(dA, deposit):
    dA += deposit


def test_arrays_lie_in_memory_as_they_did():
    A, B = var((strided(normal(5, 4)), np.broadcast_to(normal(4), (5, 4))))
    L = mg.sum(A * B)
    text, inputs = program(L).standalone(), program(L).inputs()
    space = {"inputs": saved(inputs)}
    exec(text.replace('with np.load("inputs.npz") as inputs:', "if True:"), space)
    assert space["A"].strides == A.value.strides
    assert space["B"].strides == B.value.strides
    holds(program(L), L, A=A, B=B)


def test_a_helper_s_argument_is_computed_once():
    @node
    def powers(A, W):
        Z = square_and_cube(A @ W)

        def back(dZ, dA, dW):
            dW += A.T @ (dZ * (2 * (A @ W) + 3 * (A @ W) ** 2))

        return Z, back

    X, W = normal(5, 4), var(normal(4, 3))
    L = mg.sum(powers(X, W))
    text = holds(program(L), L, W=W)
    assert text.partition("# backward")[0].count("X @ W") == 1


def square_and_cube(B):
    return B * B + B**3


def test_a_long_loop_over_gradients_stays_a_loop():
    A, b = var((normal(3, 4), normal(4)))
    L = mg.sum(mg.add((A, b, 1.0) * 4))
    text = holds(program(L), L, A=A, b=b)
    assert "for dx in [dA, db, np.zeros(())" in text
    assert "Unwanted" not in text


def test_a_local_list_and_a_local_dict():
    @node
    def collected(A):
        parts, kept = [], {}
        parts.append(A * 2)
        kept["square"] = A * A
        Z = parts[0] + kept["square"]

        def back(dZ, dA):
            dA += dZ * parts[0] + 2 * dZ

        return Z, back

    A = var(normal(3))
    L = mg.sum(collected(A))
    holds(program(L), L, A=A)


def test_what_a_generator_has_shuffled_in_place():
    @node
    def shuffled(A, *, rng):
        i = np.arange(len(A))
        rng.shuffle(i)
        Z = A[i]

        def back(dZ, dA):
            dA[i] += dZ

        return Z, back

    @node
    def weighted(A, *, rng):
        w = np.arange(len(A)) * 1.0
        rng.shuffle(w)
        Z = A * 1.0

        def back(dZ, dA):
            dA += dZ * w  # not the gradient, but the script gives what the node gives

        return Z, back

    rng = np.random.default_rng(0)
    A = var(normal(9))
    L = mg.sum(weighted(shuffled(A, rng=rng), rng=rng) ** 2)
    holds(program(L), L, A=A)


RNG = np.random.default_rng(0)


def drawn(A):
    return RNG.normal(size=A.shape)


def test_a_generator_behind_a_helper_stays_where_it_is():
    @node
    def noisy(A):
        N = drawn(A)
        Z = A * N

        def back(dZ, dA):
            dA += dZ * N

        return Z, back

    A = var(normal(3))
    L = mg.sum(noisy(A))
    before = RNG.bit_generator.state
    text = holds(program(L), L, A=A)
    assert RNG.bit_generator.state == before
    assert "Z = A * N" in text


def test_the_script_in_the_readme_is_the_one_that_is_produced():
    root = Path(__file__).parent.parent.parent
    rng = np.random.default_rng(0)
    X, T = rng.normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])
    W1, b1, W2, b2 = var([rng.normal(size=s) for s in ((4, 6), (6,), (6, 3), (3,))])
    A1 = affine(X, (W1, b1))
    A2 = affine(relu(A1), (W2, b2))
    L = entropy(A2, T) + decay((W1, W2))
    text = program(L).standalone()
    assert any(f"```python\n{text}```" in page.read_text() for page in root.glob("README*.md"))

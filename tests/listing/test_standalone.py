"""The file runs, imports NumPy only, and gives the program's bits."""

import linecache
from pathlib import Path

import numpy as np
import pytest
from numeric import normal
from scripts import holds, runs

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
    var,
)

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
    assert text.count("as it was drawn") == 1
    assert "= convolve(forward, X, K, k, g, 1)\n" in text


@pytest.mark.parametrize("algorithm", ["im2col", "direct", "fourier"])
@pytest.mark.parametrize("layer", [conv, mg.conv_pool])
def test_a_convolution_holds_the_kernels_of_its_algorithm_alone_with_the_bits_of_one_thread(
    algorithm, layer
):
    own = {"im2col": "taps", "direct": "overlapping", "fourier": "adjoint"}
    X, W, b = var([normal(*s).astype(np.float32) for s in ((9, 2, 8, 8), (3, 2, 3, 3), (3,))])
    with mg.threads(2):
        L = mg.sum(layer(X, (W, b), padding=1, algorithm=algorithm) ** 2)
        text = holds(program(L), L, X=X, W=W, b=b)
    assert {name for name in own.values() if f"def {name}(" in text} == {own[algorithm]}
    assert "inputs" not in text.partition("# forward")[2]  # written out, not recorded


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

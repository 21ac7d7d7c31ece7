"""Every algorithm for a convolution gives what the plain form gives, whatever the memory order.

The plain form, `im2col`, is held to SciPy by its own tests. The bounds are relative to the largest
entry: float32 2e-6 forward and 5e-6 for gradients, float64 1e-12.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import batch_last, normal, strided

from minigrad.kernels import direct, fourier, im2col, parallel
from minigrad.kernels.fused import convolve, convolve_back, convolve_pool, convolve_pool_back
from minigrad.kernels.parallel import threads
from minigrad.kernels.windows import sliding

BOUNDS = {np.dtype(np.float32): (2e-6, 5e-6), np.dtype(np.float64): (1e-12, 1e-12)}
ORDERS = (np.ascontiguousarray, batch_last, strided)


@st.composite
def cases(draw, strides=(1, 2, 3)):
    """Images in a memory order, filters, biases, windows, groups, and outputs to be pooled."""
    groups, few, sides = draw(st.integers(1, 3)), st.integers(1, 3), st.integers(1, 9)
    image, size = (draw(sides), draw(sides)), (draw(few), draw(few))
    border = st.integers(0, 3)
    padding = draw(border | st.tuples(st.tuples(border, border), st.tuples(border, border)))
    g = None
    while g is None:
        try:
            g = sliding("conv", image, size, draw(st.sampled_from(strides)), padding, draw(few))
        except ValueError:  # no window fits: a larger image
            image = (image[0] + 2, image[1] + 2)
    dtype, seed = draw(st.sampled_from(list(BOUNDS))), draw(st.integers(0, 99))
    shape = (draw(st.integers(1, 10)), groups * draw(few), *image)
    X = draw(st.sampled_from(ORDERS))(normal(*shape, seed=seed).astype(dtype))
    k = groups * draw(few)
    W = normal(k, shape[1] // groups, *size, seed=seed + 1).astype(dtype)
    b = normal(k, seed=seed + 2).astype(dtype)
    return X, W, b, g, groups


def differ(got, plain):
    """The largest difference by the largest entry."""
    assert (got.shape, got.dtype) == (plain.shape, plain.dtype)
    return np.abs(got - plain).max(initial=0) / max(np.abs(plain).max(initial=0), 1e-30)


def close(got, plain):
    forward, gradient = BOUNDS[got[0].dtype]
    bounds = [forward] + [gradient] * (len(got) - 1)
    assert all(differ(a, b) <= bound for a, b, bound in zip(got, plain, bounds, strict=True))


def alone(kernel, X, W, b, g, groups):
    Z, kept = convolve(kernel.forward, X, W, b, g, groups)
    dZ = normal(*Z.shape, seed=5).astype(Z.dtype)
    return Z, *convolve_back(kernel.backward, kept, X, W, dZ, g, groups, (True, True))


def pooled(kernel, X, W, b, g, groups, pool):
    Z, kept = convolve_pool(kernel.forward, X, W, b, g, groups, pool)
    dZ = normal(*Z.shape, seed=5).astype(Z.dtype)
    wanted = (True, True)
    return Z, *convolve_pool_back(kernel.backward, kept, X, W, Z, dZ, g, groups, pool, wanted)


@given(case=cases())
def test_direct_is_the_plain_form(case):
    close(alone(direct, *case), alone(im2col, *case))


@given(case=cases(strides=[1]))
def test_fourier_is_the_plain_form(case):
    close(alone(fourier, *case), alone(im2col, *case))


@pytest.mark.parametrize("kernel", [im2col, direct, fourier])
@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("side", [6, 7, 8])  # with and without a rest that no block covers
def test_fused_is_pooling_bias_and_relu_of_the_plain_form(kernel, pool, side):
    X, W, b = normal(9, 2, side, side), normal(4, 2, 3, 3, seed=1), normal(4, seed=2)
    g = sliding("conv", (side, side), 3, padding=1)
    Z, dW, db, dX = pooled(kernel, X, W, b, g, 1, pool)

    A, kept = convolve(im2col.forward, X, W, b, g, 1)
    m = side // pool
    blocks = A[:, :, : m * pool, : m * pool].reshape(9, 4, m, pool, m, pool).swapaxes(3, 4)
    expected = np.maximum(blocks.max((4, 5)), 0)
    np.testing.assert_allclose(Z, expected, atol=1e-12)
    dZ = normal(*Z.shape, seed=5)
    won = (blocks == blocks.max((4, 5), keepdims=True)) * (expected > 0)[..., None, None]
    dA = np.zeros_like(A)
    dA[:, :, : m * pool, : m * pool] = (
        (won * dZ[..., None, None]).swapaxes(3, 4).reshape(9, 4, m * pool, m * pool)
    )
    close(
        (Z, dW, db, dX),
        (
            expected,
            *convolve_back(im2col.backward, kept, X, W, dA, g, 1, (True, False))[:1],
            dA.sum((0, 2, 3)),
            *convolve_back(im2col.backward, kept, X, W, dA, g, 1, (False, True))[1:],
        ),
    )


@pytest.mark.parametrize("kernel", [direct, fourier])
@pytest.mark.parametrize("n", [2, 3])
def test_the_number_of_threads_changes_no_bit(kernel, n, monkeypatch):
    monkeypatch.setattr(kernel, "CHUNK_BYTES", 2000)  # many parts
    monkeypatch.setattr(parallel, "SHARED", 0)
    X, W, b = normal(6, 4, 9, 8), normal(6, 2, 3, 3, seed=1), normal(6, seed=2)
    case = X, W, b, sliding("conv", (9, 8), 3, padding=1), 2, 2
    with threads(1):
        one = pooled(kernel, *case)
    with threads(n):
        for _ in range(5):
            for a, b in zip(pooled(kernel, *case), one, strict=True):
                assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("kernel", [im2col, direct, fourier])
@pytest.mark.parametrize("chunk", [1, 3000, 1 << 30])
def test_nothing_depends_on_how_much_is_done_at_a_time(kernel, chunk, monkeypatch):
    X, W, b = normal(5, 3, 7, 6), normal(5, 3, 3, 2, seed=1), normal(5, seed=2)
    case = X, W, b, sliding("conv", (7, 6), (3, 2), padding=1), 1
    plain, plain_pooled = alone(im2col, *case), pooled(im2col, *case, 2)
    monkeypatch.setattr(kernel, "CHUNK_BYTES", chunk)
    close(alone(kernel, *case), plain)
    close(pooled(kernel, *case, 2), plain_pooled)


@pytest.mark.parametrize("kernel", [im2col, direct, fourier])
def test_what_nobody_wants_is_not_made(kernel):
    X, W, b = normal(3, 2, 6, 6), normal(4, 2, 3, 3, seed=1), normal(4, seed=2)
    g = sliding("conv", (6, 6), 3)
    Z, kept = convolve(kernel.forward, X, W, b, g, 1)
    for wanted in [(True, False), (False, True), (False, False)]:
        both = convolve_back(kernel.backward, kept, X, W, np.ones_like(Z), g, 1, wanted)
        assert tuple(part is not None for part in both) == wanted


def test_fourier_is_as_exact_as_products_are():
    """float32 against float64, 64 filters of 5 x 5: the bounds of the measured errors."""
    X, W = normal(16, 16, 16, 16), normal(16, 16, 5, 5, seed=1)
    case = None, sliding("conv", (16, 16), 5, padding=2), 1
    exact = alone(im2col, X, W, *case)
    got = alone(fourier, X.astype(np.float32), W.astype(np.float32), *case)
    errors = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(got, exact, strict=True)]
    assert errors[0] < 2e-6
    assert max(errors[1:]) < 5e-6

"""The plain form of convolution: its value against SciPy's, its gradients by what they mean.

Without a bias Z = W * X is linear in W and in X, so the gradients are those arrays for which
<dZ, W * X> = <dW, W> = <dX, X>, whatever W and X are.
"""

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from numeric import arrays, close, normal

from minigrad.kernels import im2col
from minigrad.kernels.fused import convolve, convolve_back
from minigrad.kernels.windows import sliding


def forward(X, W, g, groups=1):
    return convolve(im2col.forward, X, W, None, g, groups)[0]


def gradients(X, W, dZ, g, groups=1):
    return convolve_back(im2col.backward, None, X, W, dZ, g, groups, (True, True))


@st.composite
def cases(draw):
    """Images, filters, their windows, and the number of groups."""
    groups, numbers = draw(st.sampled_from([1, 2])), st.integers(1, 3)
    X = draw(arrays((draw(numbers), 2 * groups, draw(st.integers(5, 6)), draw(st.integers(5, 6)))))
    W = draw(arrays((draw(numbers) * groups, 2, draw(numbers), draw(numbers))))
    g = sliding(
        *("conv", X.shape[2:], W.shape[2:], draw(numbers)),
        draw(st.integers(0, 2) | st.just(((0, 1), (2, 0)))),
        draw(st.integers(1, 2)),
    )
    return X, W, g, groups


@given(X=arrays((2, 3, 5, 6)), W=arrays((4, 3, 2, 3)))
def test_forward_sums_scipy_s_correlations_over_the_channels(X, W):
    Z = forward(X, W, sliding("conv", (5, 6), (2, 3)))
    for n, k in np.ndindex(2, 4):
        maps = [scipy.signal.correlate(x, w, "valid") for x, w in zip(X[n], W[k])]
        close(Z[n, k], np.sum(maps, 0), Z.dtype)


@given(case=cases())
def test_forward_gives_one_map_for_each_image_and_filter(case):
    X, W, g, groups = case
    Z = forward(X, W, g, groups)
    assert Z.shape == (len(X), len(W), *g.out)
    assert Z.dtype == np.result_type(X, W)


@given(case=cases())
def test_the_gradients_are_the_adjoints_of_forward(case):
    X, W, g, groups = case
    dtype = np.result_type(X, W)
    dZ = normal(len(X), len(W), *g.out).astype(dtype)
    dW, dX = gradients(X, W, dZ, g, groups)
    assert (dW.shape, dX.shape) == (W.shape, X.shape)
    V, Y = normal(*W.shape, seed=3), normal(*X.shape, seed=4)
    close(np.vdot(dW, V), np.vdot(dZ, forward(X, V, g, groups)), dtype)
    close(np.vdot(dX, Y), np.vdot(dZ, forward(Y, W, g, groups)), dtype)


@given(case=cases())
def test_groups_are_convolutions_side_by_side(case):
    X, W, g, groups = case
    parts = [
        forward(x, w, g)
        for x, w in zip(np.split(X, groups, 1), np.split(W, groups, 0), strict=True)
    ]
    close(forward(X, W, g, groups), np.concatenate(parts, 1), np.result_type(X, W))


@pytest.mark.parametrize("piece_bytes", [1, 3000, 1 << 30])
def test_nothing_depends_on_how_many_images_are_taken_at_a_time(monkeypatch, piece_bytes):
    X, W = normal(5, 2, 4, 5), normal(3, 2, 3, 3)
    g = sliding("conv", (4, 5), 3, padding=1)
    dZ = normal(5, 3, *g.out)

    def everything():
        return forward(X, W, g), *gradients(X, W, dZ, g)

    at_once = everything()
    monkeypatch.setattr(im2col, "CHUNK_BYTES", piece_bytes)
    for a, b in zip(everything(), at_once):
        close(a, b, np.float64)


def test_a_piece_holds_at_least_one_image_and_the_last_one_what_is_left(monkeypatch):
    g = sliding("conv", (4, 4), 2)
    per_image = 3 * 4 * 9 * 8  # channels, cells of the window, places, bytes
    for images, expected in [(2, [2, 2, 1]), (0.5, [1] * 5), (99, [5])]:
        monkeypatch.setattr(im2col, "CHUNK_BYTES", int(images * per_image))
        assert [s.stop - s.start for s in im2col.pieces(np.ones((5, 3, 4, 4)), g)] == expected

"""Memory orders: shapes stay (n, c, h, w), strides say where the entries stand."""

import numpy as np
import pytest
from numeric import normal

from minigrad.kernels.order import batch_last, empty_like, is_batch_last, pixels

X = normal(2, 3, 4, 5)


def test_batch_last_moves_memory_and_nothing_else():
    L = batch_last(X)
    np.testing.assert_array_equal(L, X)
    assert L.transpose(2, 3, 1, 0).flags.c_contiguous
    assert batch_last(L).ctypes.data == L.ctypes.data  # no copy of what is already so


def test_the_order_is_read_from_the_strides():
    assert not is_batch_last(X)
    assert is_batch_last(batch_last(X))
    assert is_batch_last(batch_last(X)[:, ::2])
    assert is_batch_last(normal(5, 3).T)
    assert not is_batch_last(normal(5))


@pytest.mark.parametrize("V", [X, batch_last(X), X[::-1, :, ::2], batch_last(X)[:, 1:]])
def test_pixels_are_without_gaps(V):
    P = pixels(V)
    assert P.flags.c_contiguous
    np.testing.assert_array_equal(P, V.transpose(2, 3, 1, 0))


def test_a_new_array_takes_the_order_of_another():
    assert is_batch_last(empty_like(batch_last(X), (2, 7, 3, 3), np.float32))
    assert is_batch_last(empty_like(batch_last(X), (2, 60), np.float32))
    assert not is_batch_last(empty_like(X, (2, 7, 3, 3), np.float32))
    assert empty_like(X, (2, 7, 3, 3), np.float32).shape == (2, 7, 3, 3)

"""Products in blocks: NumPy's, in the order that is asked for, whatever the number of threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric import normal

from minigrad.kernels import matrices
from minigrad.kernels.matrices import add_product, product
from minigrad.kernels.order import is_batch_last
from minigrad.kernels.parallel import threads

sides = st.integers(1, 9)


@given(m=sides, k=sides, n=sides, orders=st.lists(st.sampled_from("CF"), min_size=3, max_size=3))
def test_blocks_make_numpys_product(m, k, n, orders):
    A, B, like = (
        np.array(normal(*shape), order=order)
        for shape, order in zip([(m, k), (k, n), (m, n)], orders, strict=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "LARGE", 0)
        np.testing.assert_allclose(product(A, B), A @ B, rtol=1e-12, atol=1e-14)
        C = product(A, B, like)
    np.testing.assert_allclose(C, A @ B, rtol=1e-12, atol=1e-14)
    assert is_batch_last(C) == is_batch_last(like)
    assert product(A, B).tobytes() == (A @ B).tobytes()  # too small to be cut


@given(m=sides, k=sides, n=sides, order=st.sampled_from("CF"), rows=st.integers(1, 4))
def test_a_product_is_added_block_by_block(m, k, n, order, rows):
    A, B, C = (np.array(normal(*shape), order=order) for shape in [(m, k), (k, n), (m, n)])
    with pytest.MonkeyPatch.context() as patch:
        before = C.copy()
        add_product(C, A, B)  # too small to be cut
        assert C.tobytes() == (before + A @ B).tobytes()
        patch.setattr(matrices, "LARGE", 0)
        patch.setattr(matrices, "ADDED", rows * n)
        add_product(C, A, B)
    np.testing.assert_allclose(C, before + 2 * (A @ B), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shapes", [((37, 500), (500, 400)), ((400, 37), (37, 500))])
def test_the_number_of_threads_changes_no_bit(shapes, monkeypatch):
    monkeypatch.setattr(matrices, "LARGE", 0)
    A, B = (normal(*shape).astype(np.float32) for shape in shapes)
    monkeypatch.setattr(matrices, "ADDED", 20_000)

    def both():
        C = np.ones((len(A), B.shape[1]), np.float32)
        add_product(C, A, B)
        return product(A, B).tobytes(), C.tobytes()

    with threads(1):
        one = both()
    for n in (2, 3):
        with threads(n):
            assert both() == one


def test_what_does_not_fit_is_refused_as_numpy_refuses_it(monkeypatch):
    monkeypatch.setattr(matrices, "LARGE", 0)
    with pytest.raises(ValueError, match="mismatch in its core dimension"):
        product(normal(3, 4), normal(5, 6))

"""Pieces and passes of pooling against one window at a time."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numeric import arrays
from numpy.testing import assert_array_equal

from minigrad.kernels import pooling
from minigrad.kernels.parallel import threads
from minigrad.kernels.windows import padded, sliding

OPTIONS = st.fixed_dictionaries(
    {
        "size": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(st.integers(0, 1), st.integers(0, 1)),
        "dilation": st.integers(1, 2),
        "ceil": st.booleans(),
    }
)


@pytest.mark.parametrize("piece", [1, 700, 1 << 30], ids=["least", "some", "one"])
def test_the_size_of_the_pieces_and_threads_change_no_bit_of_a_maximum(monkeypatch, piece):
    @given(X=arrays((3, 2, 6, 7)), options=OPTIONS)
    def any_images(X, options):
        g = sliding("pool", (6, 7), **options)
        V = np.lib.stride_tricks.sliding_window_view(padded(X, g, -np.inf), g.reach, (2, 3))
        V = V[:, :, :: g.stride[0], :: g.stride[1], :: g.dilation[0], :: g.dilation[1]]
        V = V[:, :, : g.out[0], : g.out[1]]
        monkeypatch.setattr(pooling, "PIECE_BYTES", piece)
        with threads(2):
            Z = pooling.maximum(X, g)
        assert_array_equal(Z, V.max((4, 5)))
        dX = np.zeros_like(X)
        pooling.maximum_gradient(dX, X, Z, np.ones_like(Z), g)
        inside = np.isfinite(Z)  # a dilated window may see nothing but the border
        assert dX.sum() == inside.sum()
        assert not dX[Z[inside].min(initial=np.inf) > X].any()

    any_images()

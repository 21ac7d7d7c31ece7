"""Pages to play with: what they hold, and what they refuse in a sentence."""

import numpy as np
import pytest
import stepped

from minigrad import conv, var
from minigrad.stepper.interactive import convolution_page, forces_page, softmax_page


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((1, 2), ((0, 1), (2, 0)))])
def test_the_rows_times_the_filter_are_the_output(stride, padding):
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(6, 7)), rng.normal(size=(3, 2))
    data = stepped.data(convolution_page(X, W, stride, padding))
    exact = conv(X[None, None], (W[None, None], None), stride, padding)[0, 0]
    assert np.allclose(data["output"], exact)
    assert np.allclose(np.array(data["rows"]) @ W.ravel(), exact.ravel())
    top, left, h, w = data["inside"]
    assert np.array_equal(np.array(data["image"])[top : top + h, left : left + w], X)


def test_nodes_are_taken_by_their_values():
    A = var(np.array([[1.0, 2.0]]))
    assert stepped.data(softmax_page(A))["activations"] == [1, 2]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (lambda: convolution_page(np.ones((1, 3, 3)), np.ones((2, 2))), r"X is \(h, w\)"),
        (lambda: convolution_page(np.ones((30, 30)), np.ones((2, 2))), "900 cells and 841 places"),
        (lambda: convolution_page(np.ones((3, 3)), np.ones((5, 5))), "convolution_page"),
        (lambda: forces_page("springs"), "kind is"),
        (lambda: forces_page("triplet", margin=0), "the margin is a number above 0, not 0"),
        (lambda: softmax_page(np.ones((2, 3))), r"A is \(k,\)"),
        (lambda: softmax_page(np.array([1.0, np.inf])), "finite numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(page, says):
    with pytest.raises(ValueError, match=says):
        page()

"""Pages to play with: what they hold, and what they refuse in a sentence."""

import re

import numpy as np
import pytest
import stepped
from minigrad.models.contrastive_loss import contrastive

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
        (lambda: convolution_page(np.full((3, 3), np.nan), np.ones((2, 2))), "finite numbers"),
        (lambda: forces_page("triplet", margin=0), "the margin is a finite number above 0, not 0"),
        (lambda: forces_page("triplet", margin=np.inf), "above 0, not inf"),
        (lambda: softmax_page(np.ones((2, 3))), r"A is \(k,\)"),
        (lambda: softmax_page(np.array([1.0, np.inf])), "finite numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(page, says):
    with pytest.raises(ValueError, match=says):
        page()


def cells(page):
    """The rows of the table that stands where there is no JavaScript."""
    (table,) = re.findall(r"<noscript>(.*?)</noscript>", page.html, re.DOTALL)
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", table)
    return [row.split("</td><td>") for row in rows]


def test_without_javascript_the_places_of_the_window_are_a_table():
    X, W = np.arange(6.0).reshape(2, 3), np.array([[1.0, -1.0]])
    page = convolution_page(X, W)
    assert "The filter, row by row: 1 -1" in page.html
    assert cells(page)[1:3] == [["0, 1", "1 2", "-1"], ["1, 0", "3 4", "-1"]]


def test_without_javascript_the_pairs_are_a_table():
    page = forces_page("triplet", margin=0.5)
    assert cells(page) == [
        ["anchor, positive", "0.943", "0.890"],
        ["anchor, negative", "0.583", "0.340"],
    ]
    assert "With a margin of 0.5 the loss is 1.05." in page.html
    page = forces_page("contrastive")
    rows = cells(page)
    assert rows[:2] == [["A1, A2", "1.118", "1.250"], ["A1, B1", "0.721", "0.078"]]
    assert len(rows) == 15
    P = np.array(stepped.data(page)["points"])
    I, J = np.triu_indices(6, 1)
    t = (I // 2 == J // 2).astype(int)
    assert f"the loss is {contrastive(P[I], P[J], t):.4g}." in page.html


def test_without_javascript_the_probabilities_are_a_table():
    assert cells(softmax_page(np.zeros(2))) == [["0", "0.5", "0.5", "0.5"]] * 2
    assert cells(softmax_page(np.array([1e308, -1e308])))[1] == ["-1e+308", "0", "0", "0"]

"""explain: the paths from the loss to a leaf, with what comes along each."""

import re

import numpy as np
import pytest
from numeric import normal
from numpy.testing import assert_allclose

import minigrad as mg
from minigrad import affine, entropy, explain, program, relu, var


def sizes(path):
    return [stop.size for stop in path]


def test_the_only_path_carries_the_gradients_themselves():
    X, W, b = normal(6, 4), *var((normal(4, 3), normal(3)))
    A = affine(X, (W, b))
    Z = relu(A)
    L = entropy(Z, np.array([0, 1, 2, 0, 1, 2]))
    (path,) = explain(L, W).paths
    assert [stop.node for stop in path] == [L, Z, A, W]
    assert_allclose(sizes(path), [np.linalg.norm(n.grad) for n in (L, Z, A, W)])


def test_what_comes_along_all_paths_adds_up_to_the_gradient():
    A = var(np.array(0.7))
    E, S = mg.exp(A), mg.sigmoid(A)
    L = E * S + E
    flow = explain(L, A, paths=9)
    assert flow.count == len(flow.paths) == 3
    ends = sizes([path[-1] for path in flow.paths])
    assert ends == sorted(ends, reverse=True)
    assert_allclose(sum(ends), A.grad)  # all are positive


def test_the_largest_come_first_and_the_others_are_counted():
    A = var(normal(3))
    L = mg.sum(mg.add((A * 1.0, A * 9.0, A * 3.0)))
    flow = explain(L, A, paths=2)
    assert_allclose(sizes([path[-1] for path in flow.paths]), [9 * 3**0.5, 3 * 3**0.5])
    assert str(flow).endswith("\n\nand 1 more")
    assert not str(explain(L, A)).endswith("more")


def test_2_to_the_60_paths_are_counted_not_walked():
    z = A = var(normal(3))
    for _ in range(60):
        z = z + z
    twice = mg.sum(z)
    flow = explain(twice, A)
    assert flow.count == 2**60
    assert len(flow.paths) == 1
    assert f"as {2**60} paths through the same nodes" in str(flow)

    z = A
    for _ in range(60):
        z = mg.tanh(z) + 0.1 * z
    flow = explain(mg.sum(z), A)
    assert flow.count == 2**60
    assert len(flow.paths) == 3
    assert str(flow).endswith(f"and {2**60 - 3} more")


def test_a_long_path_is_shown_by_its_ends():
    z = A = var(np.array(1.0))
    for _ in range(2000):
        z = mg.tanh(z)
    lines = str(explain(z, A)).splitlines()
    assert len(lines) < 50
    assert any("... 1961 nodes" in line for line in lines)


def test_a_relu_that_stops_units_for_every_sample_says_so():
    X, W = np.ones((4, 2)), var(np.ones((2, 3)))
    b = np.array([-9.0, 0.0, 0.0])
    L = mg.sum(relu(affine(X, (W, b))))
    flow = explain(L, W)
    relu_stop = flow.paths[0][1]
    assert (relu_stop.dead, relu_stop.units) == (1, 3)
    assert_allclose(relu_stop.stopped, 1 / 3)
    assert "relu(A): stops 33% of its entries, 1 of 3 units in every sample" in str(flow)


def test_units_of_images_are_maps():
    X = normal(2, 3, 4, 4)
    k = np.array([-99.0, 0.0])
    K = var(normal(2, 3, 1, 1))
    Z = relu(mg.conv(X, (K, k)))
    L = mg.sum(Z)
    stop = explain(L, K).paths[0][1]
    assert (stop.dead, stop.units) == (1, 2)


@pytest.mark.parametrize(
    ("f", "verdict"),
    [
        (lambda A: relu(A - 99.0), r"dies behind Z1? \(relu\)"),
        (lambda A: mg.sigmoid(A - 99.0), r"vanishes behind Z1? \(sigmoid\)"),
        (lambda A: mg.exp(A + 99.0), r"explodes behind Z1? \(exp\)"),
        (lambda A: mg.exp(A + 999.0), r"is not finite behind Z1? \(exp\)"),
        (lambda A: mg.tanh(A), "size [0-9.]+\n"),
    ],
)
def test_where_a_gradient_dies_vanishes_or_explodes(f, verdict):
    A = var(normal(3))
    with np.errstate(over="ignore"):
        Z = f(A)
        L = mg.sum(Z)
        assert re.search(f"path 1: size .*{verdict}|{verdict}", str(explain(L, A)))


def test_gradients_are_computed_only_if_they_are_missing():
    A = var(normal(3))
    L = mg.sum(A * A)
    explain(L, A)
    before = A.grad
    assert_allclose(before, 2 * A.value)
    explain(L, A)
    assert A.grad is before
    assert_allclose(before, 2 * A.value)  # following paths deposits elsewhere


def test_any_node_below_can_be_asked_about():
    A = var(normal(3))
    Z = mg.tanh(A)
    L = mg.sum(Z)
    assert [stop.node for stop in explain(L, Z).paths[0]] == [L, Z]
    assert [stop.node for stop in explain(L, L).paths[0]] == [L]


def test_what_cannot_be_explained_is_refused_in_a_sentence():
    A, B = var((normal(3), normal(3)))
    L = mg.sum(A)
    with pytest.raises(ValueError, match=r"explain: the leaf of shape \(3,\) is not below sum"):
        explain(L, B)
    with pytest.raises(TypeError, match="explain: leaf is a ndarray"):
        explain(L, A.value)
    with pytest.raises(ValueError, match=r"relu: backward starts at a scalar"):
        explain(relu(A), A)
    freed = []
    mg.value_and_grad(lambda A: freed.append(mg.sum(A)) or freed[0])(normal(3))
    with pytest.raises(RuntimeError, match="sum: this Node's value was freed"):
        explain(freed[0], A)
    with pytest.raises(RuntimeError, match="was freed"):
        program(freed[0])


def test_the_figure_shows_a_line_for_each_path_and_a_cross_where_it_dies():
    A = var(normal(3))
    L = mg.sum(relu(A - 99.0) + mg.tanh(A) * A)
    flow = explain(L, A)
    assert flow.count == 3
    (ax,) = flow.figure().axes
    assert ax.get_yscale() == "log"
    lines = [line for line in ax.lines if line.get_label().startswith("path")]
    crosses = [line for line in ax.lines if line.get_marker() == "X"]
    assert [len(line.get_ydata()) for line in lines[:2]] == [len(path) for path in flow.paths[:2]]
    assert len(crosses) == 1
    assert {line.get_xdata()[0] for line in lines} == {0}
    assert lines[1].get_xdata()[-1] <= len(flow.paths[0]) - 1
    named = [t.get_text().strip() for t in ax.texts]
    assert named[:1] == [flow.names.text(flow.paths[1][1].node)]
    assert [t.get_text() for t in ax.get_xticklabels()] == [
        f"{flow.names.text(s.node)}\n{s.node.name}" for s in flow.paths[0]
    ]


def test_after_an_update_it_refuses():
    W, V = var((normal(4, 3), normal(3, 2)))
    L = mg.sum(mg.dot(relu(mg.dot(normal(5, 4), W)), V) ** 2)
    explain(L, W)
    V.value -= 0.1 * V.grad
    with pytest.raises(RuntimeError, match="an array has changed since the backward program ran"):
        explain(L, W)


def test_in_a_notebook_it_is_preformatted_and_escaped():
    P = {"<b>": var(normal(3))}
    L = mg.sum(P["<b>"])
    page = explain(L, P["<b>"])._repr_html_()
    assert page.startswith("<pre>P[&#x27;&lt;b&gt;&#x27;]: 1 path from L")
    assert "<b>" not in page

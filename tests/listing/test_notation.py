"""program: the lines that a person would write, with the caller's names."""

import numpy as np
import pytest
from numeric import normal
from numpy.testing import assert_equal

import minigrad as mg
from minigrad import affine, block, decay, dropout, entropy, node, program, relu, var


@block
def model(X, U):
    U1, U2 = U
    return affine(relu(affine(X, U1)), U2)


@block
def loss(A, T, W):
    return entropy(A, T) + decay(W)


@block
def step(X, U, T):
    A = model(X, U)
    return loss(A, T, (U[0][0], U[1][0]))


def data():
    return normal(5, 4), np.array([0, 2, 1, 1, 0])


def parameters():
    return var([normal(*s) for s in ((4, 6), (6,), (6, 3), (3,))])


def lines(listing):
    return [line for line in str(listing).splitlines() if line]


# names


def test_the_issue_s_example():
    X, T = data()
    W1, b1, W2, b2 = parameters()
    A1 = affine(X, (W1, b1))
    A2 = affine(relu(A1), (W2, b2))
    L = loss(A2, T, (W1, W2))
    assert lines(program(L, depth=0)) == [
        "A1 = affine(X, (W1, b1))",
        "Z = relu(A1)",
        "A2 = affine(Z, (W2, b2))",
        "L = loss(A2, T, (W1, W2))",
        "L.back(A2, T, (W1, W2))",
        "A2.back(Z, (W2, b2))",
        "Z.back(A1)",
        "A1.back(X, (W1, b1))",
    ]


def test_the_backward_lines_of_a_folded_program_run():
    X, T = data()
    W1, b1, W2, b2 = parameters()
    U1, U2 = (W1, b1), (W2, b2)
    A = model(X, (U1, U2))
    L = loss(A, T, (U1[0], U2[0]))
    _, _, *backward = lines(program(L, depth=0))
    assert backward == ["L.back(A, T, (W1, W2))", "A.back(X, (U1, U2))"]
    for line in backward:
        exec(line)
    stepped = W1.grad.copy()
    L.backward()
    assert_equal(stepped, W1.grad)


def test_parts_of_containers_go_by_their_path():
    X, _ = data()
    P = {"conv": [var(normal(4, 6)), var(normal(6))]}
    Pair = mg.engine.Block._make  # any named tuple
    U = Pair((var(normal(6, 2)), 0, {}, 0))
    L = mg.sum(affine(X, P["conv"]) @ U.function)
    assert lines(program(L))[:3] == [
        "A = affine(X, P['conv'])",
        "Z = dot(A, U.function)",
        "L = sum(Z)",
    ]
    L = mg.sum(affine(X, (P["conv"][0], np.zeros(6))))
    assert lines(program(L))[0] == "A = affine(X, (P['conv'][0], b))"


def test_the_first_name_wins_and_hidden_ones_do_not_count():
    _ = _B = A = var(normal(3))
    also = A
    L = mg.sum(A)
    found = [n for n in (A, L) if n is not also]
    for last in found:
        assert str(program(last)) == "L = sum(A)\n\nL.back(A)"


def test_a_variable_comes_before_a_container_that_holds_the_same():
    everything = [var(normal(3)), var(normal(3))]
    A, B = everything
    L = mg.sum(A * B)
    assert lines(program(L))[0] == "Z = mul(A, B)"


def test_what_has_no_name_gets_a_letter_that_is_free():
    T, S = 0, 1  # names that are taken

    @node
    def unnamed(A, *, T=None):
        return 2 * A, lambda dZ, dA: dA.__iadd__(2 * dZ)

    L = mg.sum(unnamed(relu(var(normal(3)))) + relu(normal(3)))
    text = str(program(L))
    assert lines(program(L))[:4] == [
        "Z = relu(A)",
        "v = unnamed(Z)",
        "S1 = add((v, X))",
        "L = sum(S1)",
    ], text
    assert (T, S) == (0, 1)


def test_a_rebound_variable_names_the_last_value_only():
    H = var(normal(3))
    for _ in range(2):
        H = relu(H)
    L = mg.sum(H)
    assert lines(program(L))[:3] == ["Z = relu(A)", "H = relu(Z)", "L = sum(H)"]


def test_names_of_module_variables_are_found_too():
    L = mg.sum(SHARED * SHARED)
    assert lines(program(L))[0] == "Z = mul(SHARED, SHARED)"


SHARED = var(normal(3))


def test_options_and_constants_are_shown():
    rng, X = np.random.default_rng(0), var(normal(3, 4))
    L = mg.sum(mg.index(dropout(X, 0.25, rng=rng), (0, slice(1, None))), keepdims=False)
    assert lines(program(L))[:3] == [
        "Z1 = dropout(X, 0.25, rng=rng)",
        "Z2 = index(Z1, (0, slice(1, None, None)))",
        "L = sum(Z2, keepdims=False)",
    ]


# folding


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["step"]),
        (1, ["model", "loss"]),
        (2, ["affine", "relu", "affine", "entropy", "decay", "add"]),
        (None, ["affine", "relu", "affine", "entropy", "decay", "add"]),
    ],
)
def test_blocks_open_to_the_depth_that_is_asked_for(depth, expected):
    X, T = data()
    W1, b1, W2, b2 = parameters()
    L = step(X, ((W1, b1), (W2, b2)), T)
    shown = lines(program(L, depth))
    functions = [line.split(" = ")[1].split("(")[0] for line in shown[: len(expected)]]
    assert functions == expected
    assert len(shown) == 2 * len(expected)


def test_a_block_that_returns_another_block_s_value_opens_to_it():
    @block
    def outer(X, U):
        return model(X, U)

    X, _ = data()
    W1, b1, W2, b2 = parameters()
    A = outer(X, ((W1, b1), (W2, b2)))
    L = mg.sum(A)
    for depth, name in enumerate(("outer", "model")):
        assert lines(program(L, depth))[0] == f"A = {name}(X, ((W1, b1), (W2, b2)))"
    assert lines(program(L, 2))[2] == "A = affine(Z, (W2, b2))"


# notes


def test_nothing_is_noted_unless_it_is_asked_for():
    A = var(normal(3))
    L = mg.sum(A)
    assert "#" not in str(program(L))


def test_shapes_stand_beside_the_values():
    X, _ = data()
    W1, b1, *_ = parameters()
    L = mg.sum(affine(X, (W1, b1)))
    assert lines(program(L, shapes=True)) == [
        "A = affine(X, (W1, b1))  # (5, 6)",
        "L = sum(A)               # ()",
        "L.back(A)            # ()",
        "A.back(X, (W1, b1))  # (5, 6)",
    ]


def test_costs_of_a_network():
    X, T = data()
    W1, b1, W2, b2 = parameters()
    L = step(X, ((W1, b1), (W2, b2)), T)
    forward = lines(program(L, costs=True))[:3]
    assert "120 multiply-adds  240 bytes" in forward[0]  # 5 x 4 x 6; 5 x 6 of 8 bytes
    assert "0 multiply-adds    240 bytes" in forward[1]
    assert "90 multiply-adds   120 bytes" in forward[2]
    whole = lines(program(L, 0, costs=True))[0]
    parts = [line.split("#")[1].split() for line in lines(program(L, costs=True))[:6]]
    assert f"{sum(int(p[0]) for p in parts)} multiply-adds" in whole
    assert f"{sum(int(p[2]) for p in parts)} bytes" in whole


def test_statistics_of_values_and_of_gradients_once_there_are_some():
    A = var(np.array([1.0, 3.0]))
    Z = A * 2.0
    L = mg.sum(Z)
    before = lines(program(L, statistics=True))
    assert before[0].endswith("# mean 4, deviation 2, from 2 to 6")
    assert before[1].endswith("# 8")
    assert before[2:] == ["L.back(Z)", "Z.back(A, 2.0)"]
    L.backward()
    assert lines(program(L, statistics=True))[3].endswith("# mean 1, deviation 0, from 1 to 1")


# the object


def test_a_notebook_shows_the_text_escaped():
    @node
    def ends(A, s):
        Z = A + 1

        def back(dZ, dA):
            dA += dZ

        return Z, back

    A = var(normal(3))
    L = mg.sum(ends(A, "<i>"))
    page = program(L)._repr_html_()
    assert page.startswith("<pre>Z = ends(A, &#x27;&lt;i&gt;&#x27;)\n")
    assert page.endswith("</pre>")


@pytest.mark.parametrize(
    ("given", "got"), [(var(np.ones(2)), "a leaf"), (np.ones(2), "a ndarray"), (None, "a NoneType")]
)
def test_only_a_computed_node_has_a_program(given, got):
    with pytest.raises(TypeError, match=f"program: takes a Node that was computed, not {got}"):
        program(given)


def test_a_program_of_ten_thousand_nodes_is_listed():
    Z = var(np.ones(2))
    for _ in range(10_000):
        Z = relu(Z)
    listed = lines(program(Z))
    assert len(listed) == 20_000
    assert listed[0] == "Z1 = relu(A)"
    assert listed[-1] == "Z1.back(A)"

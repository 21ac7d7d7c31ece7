"""show: what the page of a program holds."""

import json
import re

import numpy as np
import pytest
import stepped
from pages import Page

from minigrad import affine, block, exp, mul, node, program, relu, show, sum, value_and_grad, var
from minigrad.stepper.walkthrough import VISIBLE


@pytest.fixture(scope="module")
def two_layers():
    return stepped.data(stepped.two_layers()[0])


def test_every_write_is_a_step(two_layers):
    names = [v["name"] for v in two_layers["variables"]]
    written = [
        f"{'d' * s['backward']}{names[s['variable']]} {'+=' if 'old' in s else '='}"
        for s in two_layers["steps"]
    ]
    forward = ["A =", "Z =", "A2 =", "D =", "R =", "L =", "dL ="]
    first, last = ["dD +=", "dR +=", "dW1 +=", "dW2 +=", "dA2 +="], ["dA +=", "dW1 +=", "db1 +="]
    assert written == [*forward, *first, "dW2 +=", "db2 +=", "dZ +=", *last]


def test_names_and_lines_are_those_of_the_listing():
    X, (W, b) = np.ones((3, 2)), var((np.ones((2, 2)), np.zeros(2)))
    A = affine(X, (W, b))
    L = sum(relu(A) * A)
    data = stepped.data(show(L))
    nodes = [v for v in data["vertices"] if v["kind"] == "node"]
    lines = [v["forward"] for v in nodes] + [""] + [v["back"] for v in reversed(nodes)]
    assert "\n".join(lines) == str(program(L))


def test_blocks_hold_their_nodes(two_layers):
    model, loss = two_layers["blocks"]
    assert model == {
        "name": "model",
        "path": [],
        "forward": "A2 = model(X, ((W1, b1), (W2, b2)))",
        "back": "A2.back(X, ((W1, b1), (W2, b2)))",
    }
    inside = {v["label"]: v["path"] for v in two_layers["vertices"] if v["kind"] == "node"}
    assert inside == {"affine": [0], "relu": [0], "entropy": [1], "decay": [1], "add": [1]}


def test_blocks_stand_inside_blocks():
    data = stepped.data(stepped.residual()[0])
    assert [(b["name"], b["path"]) for b in data["blocks"]] == [
        ("network", []),
        ("unit", [0]),
        ("unit", [0]),
    ]
    paths = [v["path"] for v in data["vertices"] if v["kind"] == "node"]
    assert paths == [[0, 1]] * 5 + [[0, 2]] * 5 + [[]] * 2


def test_what_an_argument_brings_together_is_one_vertex(two_layers):
    given = [v["label"] for v in two_layers["vertices"] if v["kind"] == "given"]
    assert given == ["X", "W1, b1", "W2, b2", "T"]


def test_edges_say_what_goes_along(two_layers):
    label = [v["label"] for v in two_layers["vertices"]]
    names = [v["name"] for v in two_layers["variables"]]
    found = {(label[u], label[v]): [names[i] for i in i_s] for u, v, i_s in two_layers["edges"]}
    assert found["W1, b1", "affine"] == ["W1", "b1"]
    assert found["W1, b1", "decay"] == ["W1"]
    assert found["relu", "affine"] == ["Z"]


def test_an_array_that_is_given_twice_goes_along_its_edge_once():
    A = var(np.array(2.0))
    assert stepped.data(show(mul(A, A)))["edges"] == [[0, 1, [0]]]


def test_what_is_named_as_a_whole_has_one_name_and_a_number_is_no_array():
    U = var((np.ones((2, 2)), np.zeros(2)))
    data = stepped.data(show(sum(affine(np.ones((3, 2)), U) * np.float64(2))))
    given = [v["label"] for v in data["vertices"] if v["kind"] == "given"]
    assert given[1:] == ["U"]


def test_the_source_of_a_node_stands_there_once(two_layers):
    names = [s["name"] for s in two_layers["sources"]]
    assert sorted(names) == sorted(set(names))


def test_deposits_into_one_gradient_are_counted(two_layers):
    W1 = next(i for i, v in enumerate(two_layers["variables"]) if v["name"] == "W1")
    parts = [s["part"] for s in two_layers["steps"] if s["backward"] and s["variable"] == W1]
    assert parts == [[1, 2], [2, 2]]


def test_a_step_back_points_at_the_line_that_deposits(two_layers):
    for s in two_layers["steps"][7:]:
        source = two_layers["sources"][two_layers["vertices"][s["vertex"]]["source"]]
        first, last = s["lines"]
        assert source["back"][0] < first <= last <= source["back"][1]
        text = "\n".join(source["lines"][first : last + 1])
        assert "+=" in text or "add_product" in text or "fit(" in text


def test_a_back_that_is_written_elsewhere_is_shown_too():
    def elsewhere(dZ, dA):
        dA += dZ

    @node
    def same(A):
        return A.copy(), elsewhere

    data = stepped.data(show(sum(same(var(np.ones(3))))))
    (source,) = (s for s in data["sources"] if s["name"] == "same")
    assert source["lines"][-2:] == ["def elsewhere(dZ, dA):", "    dA += dZ"]
    (step,) = (s for s in data["steps"][4:] if s["backward"])
    assert source["lines"][step["lines"][0]] == "    dA += dZ"


def test_show_leaves_the_gradients_of_backward():
    A = var(np.array([1.0, 2.0]))
    L = sum(mul(A, A))
    L.backward()
    before = A.grad.copy()
    show(L)
    show(L)
    assert np.array_equal(A.grad, before)
    assert A.grad is not before


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (3.0, TypeError, "show: takes a scalar Node that was computed, not a float"),
        (var(np.ones(())), TypeError, "show: takes a scalar Node that was computed, not a leaf"),
        (relu(var(np.ones(3))), ValueError, r"show: backward starts at a scalar, .* shape \(3,\)"),
    ],
)
def test_what_cannot_be_stepped_through_is_refused_in_a_sentence(given, error, words):
    with pytest.raises(error, match=words):
        show(given)


def test_a_freed_program_is_refused_in_a_sentence():
    kept = []
    value_and_grad(lambda A: kept.append(sum(A)) or kept[0])(np.ones(3))
    with pytest.raises(RuntimeError, match="show: this Node's program was freed"):
        show(kept[0])


def test_a_long_program_is_folded_into_parts():
    data = stepped.data(stepped.recurrent()[0])
    assert 2 < len(data["blocks"]) <= VISIBLE
    assert all(len(v["path"]) == 1 for v in data["vertices"] if v["kind"] == "node")
    seen = {v["path"][0] for v in data["vertices"] if v["path"] and v["path"][0] in data["folded"]}
    rest = [v for v in data["vertices"] if not (v["path"] and v["path"][0] in data["folded"])]
    assert len(seen) + len(rest) <= VISIBLE


@pytest.mark.parametrize(("nodes", "parts"), [(VISIBLE, 0), (VISIBLE + 1, 21)])
def test_a_program_is_divided_as_soon_as_it_is_too_long(nodes, parts):
    A = var(np.array(1.0))
    for _ in range(nodes):
        A = A * 1.0
    assert len(stepped.data(show(A))["blocks"]) == parts


def test_the_parts_of_a_long_program_hold_its_blocks():
    @block
    def doubled(A):
        return A * 2.0

    A = var(np.array(1.0))
    for _ in range(VISIBLE + 1):
        A = doubled(A)
    blocks = stepped.data(show(A))["blocks"]
    own, parts = blocks[: VISIBLE + 1], blocks[VISIBLE + 1 :]
    assert [b["path"] for b in own[:4]] == [[61], [61], [61], [62]]
    assert {b["name"] for b in own} == {"doubled"}
    assert parts[0]["name"] == "part 1 of 21"
    assert {len(b["path"]) for b in parts} == {0}


def test_a_training_step_of_a_convolutional_network_is_a_small_page():
    page, _ = stepped.convolutions()
    assert len(page.html.encode()) < 2_000_000


def test_names_cannot_end_the_script_or_open_a_tag():
    @node
    def evil(A, text="</script><!--<script>&"):
        return A * 1.0, lambda dZ, dA: dA.__iadd__(dZ)

    page = show(sum(evil(var(np.ones(2)), "</script><!--<script>&")))
    found = [tag for tag, _, _ in Page(page.html.replace("<!doctype html>", "")).found]
    assert found.count("script") == 3
    assert "<!--" not in page.html


def test_the_page_asks_for_nothing_outside():
    page = stepped.two_layers()[0].html
    assert not re.search(r"src=|href=|@import|url\((?!#)|fetch\(|import\(", page)
    assert set(re.findall(r"https?://[\w./]*", page)) == {"http://www.w3.org/2000/svg"}


def test_without_scripts_the_listing_and_all_steps_are_there(two_layers):
    page = stepped.two_layers()[0].html.replace("<!doctype html>", "")
    found = Page(page).found
    (listing,) = (text for tag, _, text in found if tag == "pre")
    assert listing.startswith("A = affine(X, (W1, b1))\nZ = relu(A)")
    cells = [text for tag, _, text in found if tag == "td"]
    assert cells[6 * 12 : 6 * 12 + 2] == ["A2.back(Z, (W2, b2))", "dW2 +="]


def test_in_a_notebook_it_stands_in_a_frame_and_a_file_is_the_page(tmp_path):
    A = var(np.array(2.0))
    page = show(exp(A))
    (frame,) = Page(page._repr_html_()).found
    assert frame[0] == "iframe"
    assert frame[1]["srcdoc"] == page.html
    assert frame[1]["title"] == page.title
    page.save(tmp_path / "a" / "page.html")
    assert (tmp_path / "a" / "page.html").read_text("utf-8") == page.html


def test_numbers_that_are_not_finite_do_not_break_the_page():
    A = var(np.array([0.0, 1.0]))
    with np.errstate(all="ignore"):
        data = stepped.data(show(sum(A / A)))
    assert any("not finite" in a.get("note", "") for a in data["arrays"])
    json.dumps(data, allow_nan=False)


def test_constants_that_are_no_numbers_have_a_name_and_no_picture():
    @node
    def taken(A, words):
        return A * 1.0, lambda dZ, dA: dA.__iadd__(dZ)

    words = np.array(["a", "b"])
    data = stepped.data(show(sum(taken(var(np.ones(2)), words))))
    (shown,) = (v for v in data["variables"] if v["name"] == "words")
    assert data["arrays"][shown["array"]] == {"shape": "2", "note": "not numbers"}


def test_a_block_that_returns_its_argument_is_shown():
    @block
    def nothing(A):
        return A

    A = var(np.array(2.0))
    data = stepped.data(show(mul(nothing(A), A)))
    assert [b["name"] for b in data["blocks"]] == ["nothing"]

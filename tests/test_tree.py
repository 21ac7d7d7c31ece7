from collections import namedtuple

import numpy as np
import pytest

from minigrad import var
from minigrad.tree import Unwanted, children, leaves, map_leaves, paths, rebuild, same, undone

Layer = namedtuple("Layer", "W b")
NEST = {"a": (1, [2, Layer(3, 4)]), "b": ()}


def test_map_leaves_keeps_types_keys_and_field_names():
    doubled = map_leaves(lambda x: 2 * x, NEST)
    assert doubled == {"a": (2, [4, Layer(6, 8)]), "b": ()}
    assert isinstance(doubled["a"][1][1], Layer)


def test_map_leaves_takes_other_nests_along_dicts_by_key():
    assert map_leaves(lambda x, y: x - y, {"a": 1, "b": 2}, {"b": 5, "a": 3}) == {"a": -2, "b": -3}
    with pytest.raises(ValueError, match="zip"):
        map_leaves(lambda x, y: x, (1, 2), (1,))


def test_leaves_and_paths_go_from_left_to_right():
    assert list(leaves(NEST)) == [1, 2, 3, 4]
    assert [path for path, _ in paths(NEST, "U")] == [
        "U['a'][0]", "U['a'][1][0]", "U['a'][1][1].W", "U['a'][1][1].b",
    ]  # fmt: skip
    for path, leaf in paths(NEST, "NEST"):
        assert eval(path) == leaf


def test_rebuild_is_the_inverse_of_children():
    for nest in (NEST, NEST["a"], NEST["a"][1], NEST["a"][1][1]):
        copy = rebuild(nest, list(children(nest)))
        assert copy == nest
        assert type(copy) is type(nest)


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ((1, 2), [3, 4], True),
        ((1, 2), Layer(1, 2), True),
        ((1, 2), (1, (2,)), False),
        ((1, 2), (1, 2, 3), False),
        ({"a": 1, "b": 2}, {"b": 1, "a": 2}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, (1,), False),
        (1, (), False),
    ],
)
def test_same_compares_nesting_and_keys(a, b, alike):
    assert same(a, b) is alike


def test_same_compares_leaves_as_told():
    assert not same((1, 2), (1, 3), lambda x, y: x == y)


def test_an_unwanted_gradient_reads_as_zeros_of_its_values_shape():
    d = Unwanted(np.ones((2, 3), np.float32))
    assert np.array_equal(np.asarray(d), np.zeros((2, 3)))
    assert (np.ones((2, 3)) + d).sum() == 6
    assert np.zeros_like(d).shape == (2, 3)
    assert d.dtype == np.float32
    assert "nobody wants" in repr(d)


def test_an_unwanted_gradient_swallows_deposits_through_every_view():
    array = np.ones((2, 3))
    d = Unwanted(array)
    for view in (
        d,
        d[0],
        d[:, ::2],
        d.T,
        d.transpose(1, 0),
        d.swapaxes(0, 1),
        d[None],
        d.reshape(6),
    ):
        view += 1
        view -= 1
        view[0] += 1
        view[...] = 5
        np.add(view, 1, out=view)
        np.add.at(view, 0, 1)
    assert (array == 1).all()
    assert d[0].shape == (3,)
    assert d.T.shape == (3, 2)


def test_an_unwanted_gradient_of_a_number_has_the_shape_of_one():
    d = Unwanted(2.0)
    d += 3
    assert (d.shape, d.ndim, d.size) == ((), 0, 1)
    assert Unwanted(None).shape == Unwanted("text").shape == ()


def test_what_a_failed_call_changed_in_its_options_is_put_back():
    constant = np.ones(2)
    constant.flags.writeable = False
    rng, mean, node = np.random.default_rng(0), np.zeros(2), var(np.ones(2))
    state = {"layer": [{}, {"mean": mean, "table": constant, "node": node, "steps": 3}]}

    @undone
    def step(rng, state, fails):
        rng.normal(size=5)
        first, second = state["layer"]
        first["var"] = rng.normal(size=2)
        second["mean"] += 1
        second["steps"] = 4
        if fails:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step(rng=rng, state=state, fails=True)
    first, second = state["layer"]
    assert first == {}
    assert second["mean"] is mean and not mean.any()
    assert (second["table"] is constant, second["node"] is node, second["steps"]) == (True, True, 3)
    assert rng.normal() == np.random.default_rng(0).normal()

    step(rng=rng, state=state, fails=False)
    assert (mean == 1).all() and second["steps"] == 4

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.data import (
    COLUMNS,
    TOOLBOX,
    Parameters,
    Ranges,
    describe,
    draw,
    principal_colours,
    stack,
    transform,
    unstack,
)
from minigrad.data.parameters import rows

N = 4000
EDGE = 0.02  # of 4000 uniform draws the outermost lies nearer to its end than this share
WIDE = Ranges(0.3, (0.5, 3.0), 45, (2.0, 1.0, 0.4), (1.0, 2.0, 0.3), 0.5, 0.3)


def columns(p):
    """Everything that is drawn, uniform each: name, values, on the scale on which it is."""
    yield from (("shift", v) for v in p.shift.T)
    yield "scale", np.log(p.scale)
    yield "rotation", np.degrees(p.angle)
    for name, values in (("value", p.value), ("saturation", p.saturation)):
        yield from ((name, v) for v in (*np.log2(values[:, :2]).T, values[:, 2]))
    yield from (("components", v) for v in np.log2(p.components).T)
    yield "hue", p.hue


@pytest.mark.parametrize("ranges", [Ranges(), WIDE], ids=["the paper's", "wide"])
def test_parameters_are_uniform_within_their_ranges_and_reach_their_ends(ranges):
    reaches = {
        "shift": iter([ranges.shift] * 2),
        "rotation": iter([ranges.rotation]),
        "value": iter(ranges.value),
        "saturation": iter(ranges.saturation),
        "components": iter([ranges.components] * 3),
        "hue": iter([ranges.hue]),
    }
    for name, values in columns(draw(N, np.random.default_rng(0), ranges)):
        if name == "scale":
            low, high = np.log(ranges.scale)
        else:
            high = next(reaches[name])
            low = -high
        assert values.shape == (N,)
        assert values.dtype == np.float32
        share = (values - low) / (high - low)
        assert -1e-6 <= share.min() < EDGE  # 1e-6: float32
        assert 1 - EDGE < share.max() <= 1 + 1e-6
        deciles = np.histogram(share, 10, (-1e-6, 1 + 1e-6))[0]
        assert_allclose(deciles, N / 10, atol=5 * np.sqrt(N / 10))  # five deviations


def test_parameters_are_drawn_independently():
    drawn = np.stack([values for _, values in columns(draw(N, np.random.default_rng(0)))])
    assert len(drawn) == 14
    r = np.corrcoef(drawn) - np.eye(14)
    assert abs(r).max() < 5 / np.sqrt(N)


def test_the_same_seed_draws_the_same_and_the_generator_goes_on():
    rng = np.random.default_rng(1)
    first, second = stack(draw(5, rng)), stack(draw(5, rng))
    assert_array_equal(first, stack(draw(5, np.random.default_rng(1))))
    assert (first != second).all()


def test_the_defaults_are_the_papers():
    assert Ranges().shift == 0.2
    assert Ranges().scale == (0.7, 1.4)
    assert Ranges().rotation == 20
    assert 2 ** Ranges().components == 2  # factors from 0.5 to 2
    for power, factor, offset in (Ranges().value, Ranges().saturation):
        assert 2**power == 4  # from 0.25
        assert round(2**factor, 1) == 1.4  # from 0.7
        assert offset == 0.1
    assert Ranges().hue == 0.1


@pytest.mark.parametrize("field", Ranges._fields)
def test_what_has_no_range_is_not_drawn(field):
    everything = Ranges(blur=2.0, stretch=True)
    p = draw(3, np.random.default_rng(0), everything._replace(**{field: None}))
    missing = [name for name, values in p._asdict().items() if values is None]
    assert missing == [{"rotation": "angle"}.get(field, field)]


def test_blur_is_uniform_and_off_by_default():
    assert draw(3, np.random.default_rng(0)).blur is None
    blur = draw(N, np.random.default_rng(0), Ranges(blur=2.0)).blur
    assert_allclose(np.histogram(blur, 10, (0, 2))[0], N / 10, atol=5 * np.sqrt(N / 10))


def test_the_authors_program_draws_factors_of_components_without_bounds():
    p = draw(N, np.random.default_rng(0), TOOLBOX)
    assert_allclose(np.log2(p.components).std(0), [0.5, 1, 1], rtol=5 / np.sqrt(2 * N))
    assert p.components.max() > 4
    assert abs(p.shift).max() > 0.24
    assert p.scale.max() > 1.41
    assert_array_equal(p.stretch, 1)


# stored, replayed, told


def test_what_was_done_can_be_stored_and_done_again_to_the_same_bytes(tmp_path):
    X = np.random.default_rng(0).random((3, 3, 16, 16), np.float32)
    p, colours = draw(3, np.random.default_rng(0), Ranges(hue=None)), principal_colours(X)
    np.save(tmp_path / "alpha.npy", stack(p))
    again = unstack(np.load(tmp_path / "alpha.npy"))
    assert again.hue is None
    assert_array_equal(transform(X, again, colours), transform(X, p, colours))


@given(done=st.sets(st.sampled_from(Ranges._fields), min_size=1), n=st.integers(1, 4))
def test_unstack_gives_back_what_was_stacked_to_the_bit(done, n):
    full = Ranges(blur=2.0, stretch=True)
    ranges = Ranges(*(span if name in done else None for name, span in full._asdict().items()))
    p = draw(n, np.random.default_rng(0), ranges)
    A = stack(p)
    assert A.shape == (n, len(COLUMNS))
    for a, b in zip(unstack(A), p):
        assert (a is None) == (b is None)
        assert a is None or (a.shape == b.shape and (a == b).all())


def test_each_column_has_its_name():
    p = draw(2, np.random.default_rng(0), Ranges(blur=2.0, stretch=True))
    named = dict(zip(COLUMNS, stack(p).T))
    assert_array_equal(named["shift right"], p.shift[:, 1])
    assert_array_equal(named["saturation factor"], p.saturation[:, 1])
    assert_array_equal(named["components third"], p.components[:, 2])
    assert_array_equal(named["blur"], p.blur)


def test_what_cannot_be_stacked_or_unstacked_is_refused():
    with pytest.raises(ValueError, match="stack: all parameters are None"):
        stack(Parameters())
    with pytest.raises(ValueError, match=r"unstack: an array \(n, 16\) as of stack, not \(3, 2\)"):
        unstack(np.zeros((3, 2)))


def test_every_transformation_is_told_by_its_numbers():
    p = Parameters(
        shift=np.array([[-0.1, 0.2]]),
        scale=np.array([1.25]),
        angle=np.radians([-12.0]),
        value=np.array([[2.0, 1.2, -0.05]]),
        saturation=np.array([[0.5, 0.8, 0.1]]),
        components=np.array([[1.5, 0.5, 1.0]]),
        hue=np.array([-0.08]),
        blur=np.array([1.5]),
        stretch=np.array([1.0]),
    )
    assert describe(p, 0) == (
        "window 3.2 px up, 6.4 px right, 1.25 times as large, turned 12.0 degrees to the right, "
        "value^2.00 x 1.20 -0.05, saturation^0.50 x 0.80 +0.10, components x 1.50, 0.50, 1.00, "
        "hue -0.08, blurred by 1.50 px, stretched to black and white"
    )
    assert describe(rows(p, [0]), 0, size=96).startswith("window 9.6 px up, 19.2 px right")
    assert describe(Parameters(hue=None), 0) == "as it is"


@pytest.mark.parametrize(
    "ranges",
    [
        {"shift": -0.1},
        {"scale": (1.4, 0.7)},
        {"scale": (0, 1)},
        {"scale": 1.3},
        {"value": (2, 0.5)},
        {"components": (1, 1)},
        {"hue": "red"},
        {"blur": float("nan")},
        {"stretch": 2},
    ],
)
def test_ranges_that_are_none_are_refused_by_name(ranges):
    (name,) = ranges
    with pytest.raises(ValueError, match=f"Ranges: {name} cannot be "):
        draw(3, np.random.default_rng(0), Ranges()._replace(**ranges))

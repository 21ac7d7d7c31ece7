import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigrad.learn import gaussian, glorot, he, uniform

DENSE, FILTERS = (300, 200), (40, 30, 7, 7)
FANS = {DENSE: (300, 200), FILTERS: (30 * 49, 40 * 49)}  # by hand: in, out
DRAWS = {
    "gaussian": (gaussian, lambda fan_in, fan_out: 0.01),
    "glorot": (glorot, lambda fan_in, fan_out: np.sqrt(2 / (fan_in + fan_out))),
    "he": (he, lambda fan_in, fan_out: np.sqrt(2 / fan_in)),
    "uniform": (uniform, lambda fan_in, fan_out: np.sqrt(1 / (3 * fan_in))),
}
# 60000 draws: the mean lies within 5 deviations / sqrt(60000), 2 %; the deviation within 1.5 %
MEAN, DEVIATION = 0.021, 0.015


@pytest.mark.parametrize("shape", [DENSE, FILTERS], ids=str)
@pytest.mark.parametrize(("f", "deviation"), DRAWS.values(), ids=DRAWS)
def test_the_mean_is_0_and_the_deviation_the_formulas(f, deviation, shape):
    W = f(shape, np.random.default_rng(0)).astype(float)
    expected = deviation(*FANS[shape])
    assert W.shape == shape
    assert abs(W.mean()) < MEAN * expected
    assert_allclose(W.std(), expected, rtol=DEVIATION)


@pytest.mark.parametrize(
    ("f", "a"), [(glorot, np.sqrt(6 / sum(FANS[DENSE]))), (uniform, 1 / np.sqrt(FANS[DENSE][0]))]
)
def test_glorot_and_uniform_fill_their_interval_and_stay_inside(f, a):
    W = f(DENSE, np.random.default_rng(0), dtype=float)
    assert 0.999 * a < W.max() <= a  # of 60000 draws one falls into the last thousandth
    assert -a <= W.min() < -0.999 * a


def test_gaussian_and_he_have_normal_tails():
    for f in (gaussian, he):
        W = f(DENSE, np.random.default_rng(0))
        share = (abs(W) > 2 * W.std()).mean()
        assert_allclose(share, 0.0455, atol=0.005)  # of a normal; a uniform has none


def test_he_scales_with_the_root_of_its_gain_and_gaussian_with_its_deviation():
    def draw(f, **options):
        return f((4, 3), np.random.default_rng(0), dtype=float, **options)

    assert_allclose(draw(he, gain=1.0), draw(he) / np.sqrt(2), rtol=1e-15)
    assert_allclose(draw(gaussian, deviation=0.5), 50 * draw(gaussian), rtol=1e-15)


@pytest.mark.parametrize("f", [gaussian, glorot, he, uniform])
def test_weights_are_float32_or_what_is_asked_for(f):
    assert f((4, 3), np.random.default_rng(0)).dtype == np.float32
    assert f((4, 3), np.random.default_rng(0), dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("f", [gaussian, glorot, he, uniform])
def test_a_seed_gives_the_same_weights_and_a_generator_goes_on(f):
    rng = np.random.default_rng(3)
    first, second = f((4, 3), rng), f((4, 3), rng)
    assert_array_equal(first, f((4, 3), np.random.default_rng(3)))
    assert (first != second).all()


@pytest.mark.parametrize("f", [glorot, he, uniform])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (1, 2, 3, 4, 5)], ids=str)
def test_a_shape_without_fans_is_refused(f, shape):
    with pytest.raises(ValueError, match=r"weights are \(d, k\) or \(k, c, r, s\), not of shape"):
        f(shape, np.random.default_rng(0))


def test_gaussian_draws_any_shape():
    assert [gaussian(s, np.random.default_rng(0)).shape for s in ((5,), (2, 3, 4))] == [
        (5,),
        (2, 3, 4),
    ]


def test_uniform_draws_biases_by_the_fan_in_of_their_layer():
    b = uniform((60000,), np.random.default_rng(0), fan_in=25)
    assert_allclose(abs(b).max(), 0.2, rtol=1e-3)

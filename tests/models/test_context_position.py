import functools

import numpy as np
import pytest
import strict
from minigrad.models import context_position
from minigrad.models.context_position import (
    Patches,
    PositionNet,
    fit,
    grid,
    of_best,
    places,
    position_errors,
)
from minigrad.models.context_training import PRESETS, Settings

from minigrad import to_cpu, to_gpu, value_and_grad
from minigrad.tree import leaves

TINY = PRESETS["small"]._replace(net="tiny", colours="keep", epochs=1, batch=16)


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(n=4, h=60, w=70):
    return rng().integers(0, 256, (n, 3, h, w), np.uint8)


def slopes(n, side=64):
    """Images whose red is the column and whose green is the row, in 255 / side."""
    way = np.broadcast_to(np.linspace(0, 255, side), (side, side))
    return np.stack([np.stack([way, way.T, 0 * way])] * n).astype(np.uint8)


class Told:
    """Names the place of patches of slopes by their first pixel, or always the same."""

    patch = 24

    def __init__(self, side, always=None):
        self.side, self.always = side, always

    def __call__(self, X):
        corner = np.rint(X[:, :2, 0, 0] / 255 * (self.side - 1))  # (left, top)
        found = (corner + self.patch / 2) / self.side
        return found if self.always is None else np.full_like(found, self.always)


def test_places_are_shares_of_width_and_height():
    corner, sizes = np.array([[0, 0], [36, 76], [18, 38]]), np.array([60, 100])
    np.testing.assert_allclose(places(corner, 24, sizes), [[0.12, 0.2], [0.88, 0.8], [0.5, 0.5]])


def test_the_patches_of_a_grid_lie_where_it_says_evenly_about_the_centre():
    X, T = grid(slopes(1, 128)[0], 24)
    np.testing.assert_allclose(T, Told(128)(X), atol=1e-6)
    np.testing.assert_allclose(T.mean(0), 0.5, atol=1e-6)
    for axis in (0, 1):
        assert (np.unique(T[:, axis], return_counts=True)[1] == 8).all()
        np.testing.assert_allclose(np.diff(np.unique(T[:, axis])), 105 / 8 / 128, atol=1 / 128)


@pytest.mark.parametrize("side", [128, 256])
def test_chance_is_that_of_places_spread_evenly(side):
    _, chance = position_errors(Told(side, 0.5), slopes(2, side))
    np.testing.assert_allclose(chance, np.sqrt(1 / 6) * (1 - 24 / side), rtol=0.02)


def test_errors_are_distances_by_image():
    images = slopes(3)
    errors, chance = position_errors(Told(64), images)
    np.testing.assert_allclose(errors, 0, atol=1e-6)
    errors, _ = position_errors(Told(64, 0.5), images)
    np.testing.assert_allclose(errors, chance, rtol=1e-6)
    errors, _ = position_errors(Told(64, 2.0), images[:1])
    _, T = grid(images[0], 24)
    assert errors[0] == pytest.approx(np.sqrt(((T - 2) ** 2).sum() / 64))


def test_the_best_images_are_those_of_the_least_error_with_their_own_chance():
    errors = np.arange(21)[::-1] / 100
    assert of_best(errors, 1 + errors) == pytest.approx((0.01, 1.01))  # 3 of 21
    assert of_best(errors[1:], 1 + errors[1:]) == pytest.approx((0.005, 1.005))  # a tenth: 2 of 20
    assert of_best(errors[:1], errors[:1]) == pytest.approx((0.2, 0.2))


def test_patches_are_drawn_from_everywhere_with_their_places():
    data = Patches(slopes(3), 24, per_image=300, colours="keep")
    X, T = data.batch(np.arange(len(data)), rng())
    np.testing.assert_allclose(Told(64)(255 * (X + data.prepare.mean[:, None, None])), T, atol=1e-6)
    assert {T[:, axis].min() for axis in (0, 1)} == {np.float32(12 / 64)}
    assert {T[:, axis].max() for axis in (0, 1)} == {np.float32(52 / 64)}


def test_of_a_patch_whose_colours_are_dropped_one_channel_is_left_and_noise():
    X, _ = Patches(noise(), 24, colours="drop").batch(np.arange(200), rng())
    deviation = np.sort(X.std((2, 3)), 1)
    np.testing.assert_allclose(deviation[:, :2] / deviation[:, 2:], 0.01, rtol=0.2)
    kept = X.std((2, 3)).argmax(1)
    assert set(kept) == {0, 1, 2}


def test_the_gradient_is_that_of_the_mean_squared_distance():
    X, T = rng().standard_normal((6, 3, 24, 24)), rng(1).random((6, 2))
    U = context_position.initial(rng(), context_position.cp.TINY)
    net = {"net": context_position.cp.TINY}
    Z = context_position.network(X, U, **net)
    L, dU = value_and_grad(lambda U: context_position.loss(U, X, T, **net))(U)
    assert float(L) == pytest.approx(((Z - T) ** 2).sum() / 6)
    np.testing.assert_allclose(dU["place"][1], 2 * (Z - T).sum(0) / 6, rtol=1e-4)
    assert all(np.abs(dU[name][0]).max() > 0 for name in ("conv1", "conv2", "fc6"))


def test_the_same_seed_gives_the_same_network():
    one, two = (fit(noise(), TINY._replace(per_image=8), rng=rng(), progress=False) for _ in "12")
    X = noise()[:, :, :24, :24]
    np.testing.assert_array_equal(one[0](X), two[0](X))
    assert one[1][-1]["loss"] == two[1][-1]["loss"]


@pytest.mark.slow
def test_it_learns_what_tells_the_place_and_nothing_from_noise():
    settings = TINY._replace(per_image=150)
    found = []
    for images in (slopes(6), noise(6, 64, 64)):
        net, _ = fit(images[:4], settings, rng=rng(), progress=False)
        errors, chance = position_errors(net, images[4:])
        found.append((errors / chance).mean())
    assert found[0] < 0.3
    assert found[1] > 0.97


@pytest.mark.slow
def test_on_another_device_the_same_is_learned(monkeypatch):
    if strict.GPP is None:
        pytest.skip("g++ is missing: it compiles the CUDA kernels for the CPU")
    strict.install(monkeypatch)
    settings = TINY._replace(per_image=8, colours="drop")
    found = []
    for move in (to_cpu, to_gpu):
        net, _ = fit(move(noise()), settings, rng=rng(), progress=False)
        found.append(position_errors(net, move(noise(2))))
    np.testing.assert_allclose(*found, atol=1e-4)


def test_a_network_may_be_asked_in_parts(monkeypatch):
    net, _ = fit(noise(), TINY._replace(per_image=4), rng=rng(), progress=False)
    X = noise(7)[:, :, :24, :24]
    whole = net(X)
    monkeypatch.setattr(context_position, "CHUNK", 3)
    np.testing.assert_allclose(net(X), whole, atol=1e-6)


def test_other_patches_images_and_settings_are_refused():
    prepare = Patches(noise(), 24).prepare
    net = PositionNet(context_position.cp.TINY, {}, {}, prepare)
    with pytest.raises(ValueError, match=r"patches are \(n, 3, 24, 24\), .* not \(4, 3, 60, 70\)"):
        net(noise())
    said = "image 0 has 40 x 70 pixels, and single patches of 24, moved .*, need 48 each way"
    with pytest.raises(ValueError, match=said):
        fit(noise(2, 40), TINY, rng=rng())
    with pytest.raises(ValueError, match="33 patches in batches of 16 leave one alone, which"):
        fit(noise(3), TINY._replace(per_image=11), rng=rng(), progress=False)
    with pytest.raises(ValueError, match="net is one of paper, small, tiny, not 'huge'"):
        fit(noise(), TINY._replace(net="huge"), rng=rng())
    with pytest.raises(ValueError, match="schedule is one of constant, linear, not 'step'"):
        fit(noise(), TINY._replace(schedule="step"), rng=rng())


def test_errors_are_of_some_images_none_smaller_than_a_patch():
    said = r"an image is \(c, h, w\), h and w at least 24, as its patches, not \(3, 20, 70\)"
    with pytest.raises(ValueError, match=said):
        position_errors(Told(64), [*noise(1), *noise(1, 20)])
    with pytest.raises(ValueError, match=said):
        grid(noise(1, 20)[0], 24)
    assert grid(noise(1, 24, 24)[0], 24, 2)[0].shape == (4, 3, 24, 24)
    for m, share in ((0, 0.1), (3, 0), (3, -0.4), (3, 1.5)):
        with pytest.raises(ValueError, match=rf"at most 1, not \({m},\) and {share}"):
            of_best(np.ones(m), np.ones(m), share)


SHORT = TINY._replace(patch=12, per_image=4, batch=4, schedule="constant")  # of two steps
OTHER = {
    "net": "small",
    "patch": 10,
    "colours": "drop",
    "contrast": "rms",
    "norm": False,
    "weights": "gaussian",
    "per_image": 8,
    "batch": 2,
    "epochs": 2,
    "rate": 0.1,
    "schedule": "linear",
    "momentum": 0.5,
    "decay": 0.1,
}


@functools.cache
def trained(settings):
    """All weights after training, in one row."""
    U = fit(noise(2), settings, rng=rng(), progress=False)[0].parameters
    return np.concatenate([W.ravel() for W in leaves(U)])


@pytest.mark.parametrize("name", Settings._fields)
def test_every_setting_that_is_of_use_changes_the_weights_that_are_learned(name):
    value = {**OTHER, "gap": 5, "jitter": 2, "pixelation": 1}[name]
    same = np.array_equal(trained(SHORT._replace(**{name: value})), trained(SHORT))
    assert same == (name not in OTHER)


def test_patch_norm_and_weights_are_those_of_the_settings():
    settings = TINY._replace(patch=16, norm=False, weights="gaussian", per_image=8)
    net, _ = fit(noise(), settings, rng=rng(), progress=False)
    assert (net.patch, net.state) == (16, {})
    assert net.parameters["conv1"][0].std() < 0.02  # He's: 0.16

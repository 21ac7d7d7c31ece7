"""Where in its image does a patch lie? A network that can tell reads the lens, not the content.

    patch -> tower of context prediction -> affine -> (x, y) of its centre

x and y run from 0 to 1 over the image, so that images of all sizes are alike. Errors are distances,
root mean squares over the patches of an image. Who always names the centre of the image has, for
patches of s spread evenly over square images of S pixels, sqrt(1/6) (1 - s/S): .332 for 24 of 128,
.370 for 24 of 256. The paper's chance is .371; it does not say how its places are measured, so that
what can be compared is the error as a share of chance.

>>> from minigrad.models.context_training import PRESETS
>>> rng = np.random.default_rng(0)
>>> images = [rng.integers(0, 256, (3, 60, 70), np.uint8) for _ in range(4)]
>>> net, log = fit(images, PRESETS["small"]._replace(per_image=10, epochs=1), rng=rng)
>>> net(images[0][None, :, :24, :24]).shape
(1, 2)
>>> errors, chance = position_errors(net, images)
>>> errors.shape, chance.round(3)
((4,), array([0.265, 0.265, 0.265, 0.265]))

Source: Doersch, Gupta and Efros, ICCV 2015 (context prediction), section 4.2 and figure 5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import affine, block, squared_error
from minigrad.backend import array_module, to_cpu
from minigrad.data import Layout, PatchPairs, Preparation
from minigrad.data.checks import in_range
from minigrad.data.patch_pairs import noise_of
from minigrad.learn import Momentum, he, train
from minigrad.tree import map_leaves

from . import context_prediction as cp
from .context_extractor import CHUNK
from .context_training import SCHEDULES, check_batches, net_of

SIDE = 8  # SIDE^2 patches of an image are judged
BEST = 0.1  # of the images, as in the paper


def initial(rng, net=cp.SMALL, channels=3, weights="he"):
    """First parameters: those of the tower, as `context_prediction.initial` has them, and "place".

    >>> [name for name in initial(np.random.default_rng(0))]
    ['conv1', 'conv2', 'conv3', 'fc6', 'place']
    """
    U = cp.initial(rng, net, channels, weights)
    tower = [name for name in U if name.startswith("conv")] + ["fc6"]
    W = he((net.embedding, 2), rng, 1.0)
    return {name: U[name] for name in tower} | {"place": (W, np.full(2, 0.5, np.float32))}


@block
def network(X, U, **options):
    """Places (n, 2), each (x, y), of patches X (n, c, s, s).  U, options: as for `tower`."""
    return affine(cp.tower(X, U, **options), U["place"])


@block
def loss(U, X, T, *, rng=None, **options):
    """Mean squared distance from the places T (n, 2); rng: the training loop's, nothing is drawn.

    U, X, options: as for `network`.
    """
    return squared_error(network(X, U, **options), T)


class Single(Layout):
    """Patches by themselves, each with room to move by its own side."""

    @property
    def needs(self):
        """What `needed` is made of, for a reader."""
        return f"single patches of {self.patch}, moved as far or farther,"


class Patches:
    """Patches and their places, drawn anew for each batch; data of `minigrad.learn.train`.

    images, per_image, colours, contrast: as for `PatchPairs`; patch: their side; each patch lies
    anywhere in its image. Each side of an image has room for two patches at least.
    Raises ValueError as `PatchPairs` does.
    """

    def __init__(self, images, patch, per_image=64, colours="drop", contrast="mean"):
        layout = Single(patch, 0, 0)
        self.pairs = PatchPairs(images, layout, per_image, colours, contrast, pixelation=0)
        self.prepare = self.pairs.prepare

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> Any:
        """Patches (n, c, s, s) as a network sees them and their places (n, 2), float32.

        chosen: (n,), patch i lies in image i // per_image; rng: draws where.
        """
        pairs, xp = self.pairs, array_module(self.pairs.flat)
        image, patch, kept, noise = chosen // pairs.per_image, pairs.layout.patch, None, None
        sizes = pairs.sizes[image]
        corner = rng.integers(0, sizes - patch + 1)
        if self.prepare.colours == "drop":
            kept, seed = rng.integers(3, size=len(image)), rng.integers(1 << 63, size=len(image))
            noise = xp.asarray(noise_of(seed, (3, patch, patch)))
        X = self.prepare(pairs.windows(image, corner), kept, noise)
        return X, xp.asarray(places(corner, patch, sizes))


def places(corner, patch, sizes):
    """(x, y) of the centres of patches, 0 to 1 over an image: (n, 2), float32.

    corner: (n, 2), top and left; sizes: (n, 2) or (2,), height and width of the images.

    >>> places(np.array([[0, 0], [0, 12]]), 4, (8, 16))
    array([[0.125, 0.25 ],
           [0.875, 0.25 ]], dtype=float32)
    """
    return ((corner + patch / 2) / sizes)[:, ::-1].astype(np.float32)


def grid(image, patch, side=SIDE):
    """Patches (side^2, c, s, s) spread evenly over an image (c, h, w), and their places.

    Their corners lie in the middle of side x side equal cells of all there could be.
    Raises ValueError for an image smaller than a patch.

    >>> X, T = grid(np.zeros((3, 64, 48), np.uint8), 16, 2)
    >>> X.shape
    (4, 3, 16, 16)
    >>> T.round(2)[:2]
    array([[0.33, 0.31],
           [0.67, 0.31]], dtype=float32)
    """
    sizes = image.shape[1:]
    if image.ndim != 3 or min(sizes) < patch:
        raise ValueError(
            f"grid: an image is (c, h, w), h and w at least {patch}, as its patches, "
            f"not {image.shape}"
        )
    middle = (np.arange(side) + 0.5) / side
    at = [np.rint(middle * (length - patch + 1) - 0.5) for length in sizes]
    corner = np.stack(np.meshgrid(*at, indexing="ij"), -1).reshape(-1, 2).astype(int)
    X = array_module(image).stack([image[:, y : y + patch, x : x + patch] for y, x in corner])
    return X, places(corner, patch, sizes)


@dataclass
class PositionNet:
    """Patches to where they lie.

    net: a `context_prediction.Net`; parameters, state: its weights and statistics; prepare: what it
    sees of patches, a `minigrad.data.Preparation`.
    """

    net: cp.Net
    parameters: dict[str, Any]
    state: dict[str, Any]
    prepare: Preparation

    @property
    def patch(self) -> int:
        """The side of its patches in pixels."""
        return self.net.patch

    def __call__(self, patches: Any) -> Any:
        """(x, y) of patches (n, c, s, s), bytes or in [0, 1]: (n, 2), 0 to 1 over their image.

        Where colours are dropped green is left, without noise. Raises ValueError for other patches.
        """
        c, s = len(self.prepare.mean), self.patch
        if patches.ndim != 4 or not len(patches) or patches.shape[1:] != (c, s, s):
            raise ValueError(
                f"PositionNet: patches are (n, {c}, {s}, {s}), n at least 1, not {patches.shape}"
            )
        in_range("PositionNet", patches)
        options = {"net": self.net, "state": self.state, "training": False}
        some = (patches[i : i + CHUNK] for i in range(0, len(patches), CHUNK))
        found = [network(self.prepare(X), self.parameters, **options) for X in some]
        return array_module(patches).concatenate(found)


def fit(images, settings, *, rng, facts=None, **options):
    """Learn where in their images patches lie; returns (PositionNet, log).

    images, rng, facts, options: as for `context_training.fit`; settings: a `Settings`, of which
    gap, jitter and pixelation are of no use here.
    Raises ValueError for a net or a schedule of another name, a batch that leaves one patch alone
    in the last one, which has no variance, and as `PatchPairs` and `train` do.
    """
    for name, known in {"net": cp.NETS, "schedule": SCHEDULES}.items():
        if (found := getattr(settings, name)) not in known:
            raise ValueError(f"fit: {name} is one of {', '.join(known)}, not {found!r}")
    net = net_of(settings)
    data = Patches(images, net.patch, settings.per_image, settings.colours, settings.contrast)
    check_batches(len(data), settings, "patches")
    U = initial(rng, net, len(data.pairs.flat), settings.weights)
    U = map_leaves(array_module(data.pairs.flat).asarray, U)
    trained = PositionNet(net, U, {}, data.prepare)
    log = train(
        lambda U, X, T, rng: loss(U, X, T, net=net, state=trained.state),
        U,
        data,
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=SCHEDULES[settings.schedule](settings.rate),
        optimiser=Momentum(U, settings.momentum, settings.decay),
        state=trained.state,
        settings={**settings._asdict(), "position": True, **(facts or {})},
        **options,
    )
    return trained, log


def position_errors(net, images, side=SIDE):
    """Of each image the root mean square distance from the places of its patches: (m,), (m,).

    The first are the network's, the second those of chance, the centre always.
    net: patches (n, c, s, s) to (n, 2), with .patch, as a `PositionNet`; images: a sequence of
    (c, h_i, w_i), a patch at least; side: side^2 patches of each are taken, from a `grid`.
    Raises ValueError for smaller images.
    """
    errors, chance = np.empty((2, len(images)))
    for i, image in enumerate(images):
        X, T = grid(image, net.patch, side)
        errors[i], chance[i] = (rms(Z - T) for Z in (to_cpu(net(X)), 0.5))
    return errors, chance


def rms(E):
    """The root mean square length of rows."""
    return np.sqrt((E * E).sum(1).mean())


def of_best(errors, chance, share=BEST):
    """Means (error, chance) over the images with the least errors, a share of all, one at least.

    errors, chance: (m,), as of `position_errors`; share: a tenth, as in the paper.
    Raises ValueError if there is no image, or no share.

    >>> of_best(np.array([0.3, 0.1, 0.25]), np.array([0.4, 0.4, 0.4]), 0.3)
    (0.1, 0.4)
    """
    if not len(errors) or not 0 < share <= 1:
        raise ValueError(
            f"of_best: errors are of one image at least, and share is above 0 and at most 1, "
            f"not {np.shape(errors)} and {share}"
        )
    best = np.argsort(errors)[: int(np.ceil(share * len(errors)))]
    return float(errors[best].mean()), float(chance[best].mean())

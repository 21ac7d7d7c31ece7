"""Training a network of context prediction: from images of any size to features of patches.

`PRESETS` has the settings of a run of minutes on two cores, and the paper's own.

>>> rng = np.random.default_rng(0)
>>> images = [rng.integers(0, 256, (3, 80, 90), np.uint8) for _ in range(4)]
>>> quick = PRESETS["small"]._replace(per_image=10, epochs=1)
>>> net, log = fit(images, quick, rng=rng)
>>> net(images[0][None, :, :24, :24]).shape
(1, 128)
"""

from typing import NamedTuple

import numpy as np

from minigrad.backend import array_module
from minigrad.data import Layout, PatchPairs
from minigrad.learn import Momentum, constant, linear, train
from minigrad.tree import map_leaves

from . import context_prediction as cp
from .context_extractor import ContextNet

SCHEDULES = {"constant": constant, "linear": linear}


class Settings(NamedTuple):
    """How a network of context prediction is trained; the defaults are the paper's.

    net: a name in `context_prediction.NETS`; patch: the side of patches, None: the net's; gap,
    jitter: as of a `Layout`;
    colours, contrast, pixelation: as for `PatchPairs`; norm: with batch normalisation; weights:
    the first, as for `context_prediction.initial`; per_image:
    pairs of each image in an epoch; batch: pairs, each in both orders; epochs; rate: the first;
    schedule: "constant", or "linear", falling to 0; momentum; decay.
    Rate, batch and epochs are not in the paper, which trained for four weeks. The authors' program
    has a rate of 1e-5 of a loss summed over its batch, and momentum 0; ours is the mean over both
    orders of all pairs, so that the same steps are 1e-5 x 2 x batch, 0.01 for 512 pairs. The rate
    here is half of that, 1e-5 x pairs, and goes with the paper's momentum of .999, by which a
    gradient counts 1000 times in the long run: no source has the two together, and no figure in
    models/README.md comes from them.
    """

    net: str = "paper"
    patch: int | None = None
    gap: int = 48
    jitter: int = 7
    colours: str = "drop"
    contrast: str = "mean"
    pixelation: float = 1 / 3
    norm: bool = True
    weights: str = "he"
    per_image: int = 40
    batch: int = 512
    epochs: int = 20
    rate: float = 0.005
    schedule: str = "constant"
    momentum: float = 0.999
    decay: float = 0.0


PRESETS = {
    "small": Settings(
        net="small",
        gap=12,
        jitter=3,
        colours="project",
        per_image=150,
        batch=64,
        epochs=6,
        rate=0.02,
        schedule="linear",
        momentum=0.9,
        decay=5e-4,
    ),
    "paper": Settings(),
}


def fit(images, settings, *, rng, held_out=None, facts=None, **options):
    """Learn how patches of images lie to each other; returns (ContextNet, log).

    images: (m, c, h, w), or a sequence of (c, h_i, w_i), bytes or in [0, 1], on the device where is
    learned; settings: a `Settings`, as one of PRESETS; rng: a numpy Generator; held_out: other
    images, of which after each epoch the "held-out accuracy" of 250 pairs each is noted in the log,
    of patches that keep their detail; facts: what a resumed run must have as it was besides
    settings, as {"seed": 0}; options: as for `minigrad.learn.train`, as folder and resume.
    Raises ValueError for a net, weights or a schedule of another name, a batch that leaves one pair
    alone in the last one, which has no variance, and as `PatchPairs` and `train` do.
    """
    for name, known in {"net": cp.NETS, "schedule": SCHEDULES}.items():
        if (found := getattr(settings, name)) not in known:
            raise ValueError(f"fit: {name} is one of {', '.join(known)}, not {found!r}")
    net = net_of(settings)
    data = pairs_of(images, settings)
    check_batches(len(data), settings, "pairs")
    U = map_leaves(
        array_module(data.flat).asarray, cp.initial(rng, net, len(data.flat), settings.weights)
    )
    trained = ContextNet(net, U, {}, data.prepare)
    after_epoch = None
    if held_out is not None:
        judged = held_out_pairs(held_out, settings, data.prepare.mean).all()
        after_epoch = lambda: {"held-out accuracy": trained.accuracy(*judged)}

    log = train(
        lambda U, X1, X2, T, rng: cp.loss(U, X1, X2, T, net=net, state=trained.state),
        U,
        data,
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=SCHEDULES[settings.schedule](settings.rate),
        optimiser=Momentum(U, settings.momentum, settings.decay),
        state=trained.state,
        after_epoch=after_epoch,
        settings={**settings._asdict(), **(facts or {})},
        **options,
    )
    return trained, log


def check_batches(n, settings, kind):
    """ValueError if batch normalisation would have to take one alone of n "pairs" or "patches"."""
    batch = settings.batch
    if net_of(settings).norm and batch > 0 and (n % batch or batch) == 1:
        raise ValueError(
            f"fit: {n} {kind} in batches of {batch} leave one alone, which batch "
            "normalisation cannot take: another batch, or one less"
        )


def none_alone(settings, n):
    """Settings with a pair more of each of n images if the last batch would be of one pair.

    >>> none_alone(Settings(per_image=13, batch=64), 5).per_image  # 70 pairs, 65 would leave one
    14
    """
    alone = n * settings.per_image % settings.batch == 1
    return settings._replace(per_image=settings.per_image + alone)


def net_of(settings):
    """The `context_prediction.Net` that settings name."""
    net = cp.NETS[settings.net]
    net = net if settings.norm else net.without_norms()
    return net if settings.patch is None else net._replace(patch=settings.patch)


def pairs_of(images, settings, **options):
    """`PatchPairs` of images by settings; options replace theirs."""
    layout = Layout(net_of(settings).patch, settings.gap, settings.jitter)
    own = {name: getattr(settings, name) for name in ("colours", "contrast", "pixelation")}
    return PatchPairs(images, layout, **{"per_image": settings.per_image, **own, **options})


def held_out_pairs(images, settings, mean, per_image=250, seed=0):
    """`PatchPairs` drawn once, the same for every network: what accuracies are measured on."""
    rng = np.random.default_rng(seed)
    return pairs_of(images, settings, per_image=per_image, pixelation=0, mean=mean, rng=rng)

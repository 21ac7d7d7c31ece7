"""Fine-tuning a network for retrieval: siamese, through pooled maps, with positives that are known.

Images of a scene that show the same points are positives, images of other scenes that now look most
alike are negatives, found anew after each epoch. `PRESETS` has a run of a minute, and the paper's.

>>> from minigrad.data import scene_views
>>> rng = np.random.default_rng(0)
>>> photographs = [rng.integers(0, 256, (3, 60, 80), np.uint8) for _ in range(8)]
>>> made = scene_views(photographs, 4, rng, side=16)
>>> U = exemplar_cnn.initial(rng, 5, channels=3, side=16, code="4c5-4c5-8f")
>>> net = Extractor(U, "4c5-4c5-8f", mean=np.full((3, 16, 16), 0.5, np.float32))
>>> tuned, log = fit(net, made, PRESETS["small"]._replace(epochs=1), rng=rng)
>>> list(log[-1])[-2:]
['positives at', 'negatives at']

Source: Radenovic, Tolias and Chum, ECCV 2016, sections 3 and 4.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minigrad import take, to_cpu
from minigrad.backend import array_module
from minigrad.evaluate import mac, rmac
from minigrad.learn import Momentum, linear, steps, train
from minigrad.tree import map_leaves

from . import exemplar_cnn
from .contrastive_loss import contrastive
from .embedding_checks import check_option
from .exemplar_extractor import Extractor
from .image_descriptors import described

POOLINGS = {"MAC": mac, "R-MAC": rmac}
POSITIVES = "m1", "m2", "m3"
NEGATIVES = "N1", "N2", "random"
SCHEDULES = {"paper": lambda rate: steps(rate, at=(1 / 3, 2 / 3), factor=1 / 5), "linear": linear}


class Settings(NamedTuple):
    """How a network is fine-tuned; the defaults are those of the authors' program for MAC.

    pooling: "MAC" or "R-MAC"; positives, pool, shared, zoom: as for `matching`; negatives, number:
    as for `mined`; margin: of the contrastive loss; batch: tuples of a query, its positive and its
    negatives; epochs, in which each query with a positive comes once; rate: the first; schedule:
    "paper", a fifth of it from a third and a 25th from two thirds of the training on, or "linear",
    falling to 0; momentum; decay.
    Not as there: it mines three times in an epoch, and sums the loss where ours is a mean over
    pairs; pool, shared and zoom, which are not known, are ours.
    """

    pooling: str = "MAC"
    positives: str = "m3"
    pool: int = 5
    shared: float = 0.2
    zoom: float = 1.5
    negatives: str = "N2"
    number: int = 5
    margin: float = 0.7
    batch: int = 5
    epochs: int = 30
    rate: float = 0.001
    schedule: str = "paper"
    momentum: float = 0.9
    decay: float = 5e-4


PRESETS = {
    "small": Settings(epochs=3, rate=0.02, schedule="linear"),
    "paper": Settings(),
}


def fit(extractor, made, settings, *, rng, facts=None, **options):
    """Fine-tune the convolutions of a network for retrieval; returns (Extractor, log).

    extractor: an `Extractor`, which stays as it is; made: a `minigrad.data.SceneViews`, or an
    object with its images, scenes, centres, shared() and zooms(), which geometric verification may
    have found; settings: a `Settings`, as one of PRESETS; rng: a numpy Generator; facts: what a
    resumed run must have as it was besides settings, as {"seed": 0}; options: as for
    `minigrad.learn.train`, as folder and resume.
    Positives are found once, by the extractor's own descriptors where the rule asks for them,
    negatives before the first and after each epoch; the log then has how far away both are
    ("positives at", "negatives at": means of distances). Hidden units and output stay as they were:
    they were learned on other maps.
    Raises TypeError for another network, ValueError for options of another name, as `matching` and
    `mined` do, and if no query has a positive.
    """
    if not isinstance(extractor, Extractor):
        raise TypeError(f"fit: the network is an Extractor, not a {type(extractor).__name__}")
    for name, known in {"pooling": POOLINGS, "schedule": SCHEDULES}.items():
        check_option("fit", name, getattr(settings, name), known)
    pool = POOLINGS[settings.pooling]
    kept = {name: u for name, u in extractor.parameters.items() if not name.startswith("conv")}
    U = {
        name: map_leaves(np.copy, u) for name, u in extractor.parameters.items() if name not in kept
    }
    tuned = replace(extractor, parameters={**U, **kept})
    describe = lambda: to_cpu(described(tuned, made.images, pool))

    F = describe()
    positive = matching(
        made, settings.positives, F, rng, settings.pool, settings.shared, settings.zoom
    )
    queries = np.flatnonzero(positive >= 0)
    if not len(queries):
        raise ValueError(
            f"fit: by {settings.positives} none of {len(positive)} images has a positive"
        )

    def mine(F):
        return mined(F, made.scenes, settings.negatives, settings.number, rng)

    state = {"negatives": mine(F)}

    def objective(U, q, rng):
        others = np.column_stack([positive[q], state["negatives"][q]])
        rows = np.column_stack([q, others])
        X = tuned.prepared(made.images[rows.ravel()])
        Z = pool(exemplar_cnn.maps(X, U, tuned.code)[-1])
        number = np.arange(rows.size).reshape(rows.shape)
        t = np.zeros(others.shape)
        t[:, 0] = 1
        first, second = np.repeat(number[:, 0], others.shape[1]), number[:, 1:].ravel()
        move = array_module(X).asarray
        pairs = take(Z, move(first)), take(Z, move(second))
        return contrastive(*pairs, move(t.ravel()), settings.margin)

    def after_epoch():
        F = describe()
        state["negatives"][...] = mine(F)
        far = lambda other: float(np.linalg.norm(F[queries] - F[other], axis=-1).mean())
        return {
            "positives at": far(positive[queries]),
            "negatives at": far(state["negatives"][queries, 0]),
        }

    log = train(
        objective,
        U,
        (queries,),
        rng=rng,
        epochs=settings.epochs,
        batch=settings.batch,
        rate=SCHEDULES[settings.schedule](settings.rate),
        optimiser=Momentum(U, settings.momentum, settings.decay),
        state=state,
        after_epoch=after_epoch,
        settings={**settings._asdict(), **(facts or {})},
        **options,
    )
    return tuned, log


def matching(made, rule, F=None, rng=None, pool=5, shared=0.2, zoom=1.5):
    """The positive of each image, a matching one of its scene: (n,) numbers, -1: it has none.

    Of i's pool, the so many views of its scene whose windows are nearest (the paper: camera
    centres), rule takes
      "m1"  the one of the nearest descriptor F (n, d); whether it shows the same is not asked;
      "m2"  the one with most points in common, if there are any;
      "m3"  by rng, any one of the whole scene that shows at least a share (shared, 0.2) of i's
            points at a change of scale of at most zoom, 1.5: different enough, and verified.
    made: as for `fit`. The paper leaves the numbers open.
    Raises ValueError for another rule, one without what it needs, a pool below 1, and descriptors
    that do not fit or are not finite.
    Source: Radenovic, Tolias and Chum, ECCV 2016, section 4.1, equations 6 to 8.
    """
    check_option("matching", "rule", rule, POSITIVES)
    if (rule == "m1" and F is None) or (rule == "m3" and rng is None):
        raise ValueError(
            f"matching: {rule} needs {'descriptors, F' if rule == 'm1' else 'a generator, rng'}"
        )
    n, scenes = len(made.scenes), np.asarray(made.scenes)
    if pool < 1:
        raise ValueError(f"matching: pool is 1 or more, not {pool}")
    if rule == "m1" and (np.ndim(F) != 2 or len(F) != n or not np.isfinite(F).all()):
        raise ValueError(f"matching: descriptors are finite, ({n}, d), not {np.shape(F)}")
    mates = (scenes[:, None] == scenes) & ~np.eye(n, dtype=bool)
    common = made.shared()
    if rule == "m3":
        good = mates & (common >= shared) & (made.zooms() <= zoom)
        return np.array([rng.choice(np.flatnonzero(row)) if row.any() else -1 for row in good])
    apart = np.linalg.norm(made.centres[:, None] - made.centres, axis=-1)
    near = np.argsort(np.where(mates, apart, np.inf), 1, kind="stable")[:, :pool]
    there = np.take_along_axis(mates, near, 1)
    if rule == "m1":
        worth = np.array([-np.linalg.norm(F[j] - f, axis=1) for f, j in zip(F, near)])
    else:
        worth = np.take_along_axis(common, near, 1)
        there &= worth > 0
    worth = np.where(there, worth, -np.inf)
    best = np.take_along_axis(near, worth.argmax(1)[:, None], 1)[:, 0]
    return np.where(there.any(1), best, -1)


def mined(F, scenes, rule="N2", number=5, rng=None):
    """The negatives of each image, images of other scenes: (n, number), the most alike first.

    F: (n, d) descriptors of unit length; scenes: (n,) numbers; rule: "N1", the nearest of all;
    "N2", the nearest, one of a scene at most, so that they vary; "random", drawn by rng anew.
    Raises ValueError for another rule, descriptors that are not finite, "random" without rng, and
    where so many negatives are not to be had.
    Source: Radenovic, Tolias and Chum, ECCV 2016, section 4.1.

    >>> F = np.array([[1.0, 0.0], [0.8, 0.6], [0.96, 0.28], [0.0, 1.0]])
    >>> mined(F, np.array([0, 1, 1, 2]), "N1", 2)[0], mined(F, np.array([0, 1, 1, 2]), "N2", 2)[0]
    (array([2, 1]), array([2, 3]))
    """
    check_option("mined", "rule", rule, NEGATIVES)
    F, scenes = np.asarray(F), np.asarray(scenes)
    if F.ndim != 2 or scenes.shape != F.shape[:1] or not np.isfinite(F).all():
        raise ValueError(
            f"mined: descriptors are finite, (n, d), and scenes (n,), not {F.shape} and "
            f"{scenes.shape}"
        )
    if rule == "random" and rng is None:
        raise ValueError("mined: random negatives are drawn: give rng")
    _, scenes, counts = np.unique(scenes, return_inverse=True, return_counts=True)
    most = len(counts) - 1 if rule == "N2" else len(F) - counts.max(initial=0)
    if not 1 <= number <= most:
        raise ValueError(
            f"mined: by {rule} an image of {len(counts)} scenes has 1 to {most} negatives, "
            f"not {number}"
        )
    found = np.empty((len(F), number), np.int64)
    for i, f in enumerate(F):
        if rule == "random":
            found[i] = rng.choice(np.flatnonzero(scenes != scenes[i]), number, replace=False)
            continue
        order = np.argsort(-(F @ f), kind="stable")
        order = order[scenes[order] != scenes[i]]
        if rule == "N2":
            _, first = np.unique(scenes[order], return_index=True)
            order = order[np.sort(first)]
        found[i] = order[:number]
    return found


def largest_component(A, scenes):
    """Which images belong to their scene's largest connected component: (n,) bool.

    A: (n, n), what is not 0 joins two images that verification found to match; of other scenes
    nothing counts. Of equally large components the first one stays. So a collection by landmark is
    cleaned of what shows something else.
    Raises ValueError for shapes that do not fit.
    Source: Gordo et al., ECCV 2016, section 4.

    >>> A = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    >>> largest_component(A, np.zeros(3))
    array([ True,  True, False])
    """
    from scipy.sparse.csgraph import connected_components

    A, scenes = np.asarray(A), np.asarray(scenes)
    if scenes.ndim != 1 or A.shape != (len(scenes), len(scenes)):
        raise ValueError(
            f"largest_component: A is (n, n) and scenes (n,), not {A.shape} and {scenes.shape}"
        )
    _, part = connected_components((A != 0) & (scenes[:, None] == scenes), directed=False)
    size = np.bincount(part, minlength=1)
    kept = np.zeros(len(A), bool)
    for scene in np.unique(scenes):
        (own,) = np.nonzero(scenes == scene)
        kept[own] = part[own] == part[own][size[part[own]].argmax()]
    return kept

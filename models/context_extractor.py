"""A trained network of context prediction for use elsewhere: patches to features, in one file.

>>> rng = np.random.default_rng(0)
>>> patches = rng.integers(0, 256, (5, 3, 24, 24), np.uint8)
>>> net = untrained(patches, rng=rng)
>>> net(patches).shape, [maps.shape[1:] for maps in net.maps(patches)]
((5, 128), [(32, 12, 12), (64, 6, 6), (64, 6, 6)])
>>> net.positions(patches, patches).shape
(5, 8)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.data import Preparation
from minigrad.data.checks import in_range, white
from minigrad.learn import CheckpointError, save_checkpoint
from minigrad.learn.checkpoint import load_checkpoint, read_checkpoint
from minigrad.tree import map_leaves

from . import context_prediction as cp

CHUNK = 500  # patches at a time


@dataclass
class ContextNet:
    """Patches to the features of a tower, and pairs of them to how they lie.

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
        """fc6 (n, d), the features of patches (n, c, s, s), bytes or in [0, 1].

        Raises ValueError for other patches.
        """
        return self._chunks(patches, lambda X: cp.tower(X, self.parameters, **self._options))

    def maps(self, images: Any) -> list[Any]:
        """The maps behind each convolution, (n, k, h, w) each, of images of any one size."""
        self._check(images, False)
        return cp.maps(self.prepare(images), self.parameters, **self._options)

    def positions(self, first: Any, second: Any) -> Any:
        """Probabilities (n, 8) of where the second patches lie around the first ones.

        first, second: (n, c, s, s) each. Raises ValueError for other patches.
        """
        F, G = self(first), self(second)
        if len(F) != len(G):
            raise ValueError(
                f"ContextNet: each first patch has a second one, not {first.shape} and "
                f"{second.shape}"
            )
        xp = array_module(F)
        A = cp.fuse(xp.concatenate((F, G), 1), self.parameters, **self._options)
        E = xp.exp(A - A.max(1, keepdims=True))
        return E / E.sum(1, keepdims=True)

    def accuracy(self, X1: Any, X2: Any, T: Any) -> float:
        """The share of pairs whose label is named.  X1, X2, T: as of `PatchPairs.batch`."""
        xp, right = array_module(X1), 0
        for i in range(0, len(T), CHUNK):
            A, B = X1[i : i + CHUNK], X2[i : i + CHUNK]
            A = cp.network(A, B, self.parameters, **self._options)
            right += int(xp.count_nonzero(A.argmax(1) == T[i : i + CHUNK]))
        return right / len(T)

    def save(self, path: str | Path) -> None:
        """Write all of it to a safetensors file, whole or not at all."""
        arrays = {
            "parameters": self.parameters,
            "state": self.state,
            "mean": self.prepare.mean,
        }
        facts = {"context net": self.net, "colours": self.prepare[1:]}
        save_checkpoint(path, arrays, facts)

    @classmethod
    def load(cls, path: str | Path) -> "ContextNet":
        """The network that a file holds, in NumPy's arrays.

        Raises CheckpointError if there is none, it is damaged, or holds something else.
        """
        found, facts, _ = read_checkpoint(path)
        if "context net" not in facts:
            raise CheckpointError(f"{path}: a checkpoint, but not of a ContextNet")
        patch, convolutions, *rest, pair, norm = facts["context net"]
        layers = tuple(cp.Convolution(*layer) for layer in convolutions)
        net = cp.Net(patch, layers, *rest, tuple(pair), norm)
        channels = found["parameters['conv1'][0]"].shape[1]
        U: dict = cp.initial(np.random.default_rng(0), net, channels)
        state: dict = {}
        mean = np.zeros(channels, np.float32)
        load_checkpoint(path, {"parameters": U, "state": state, "mean": mean})
        return cls(net, U, state, Preparation(mean, *facts["colours"]))

    @property
    def _options(self):
        return {"net": self.net, "state": self.state, "training": False}

    def _check(self, images, square=True):
        shape = getattr(images, "shape", ())
        c, s = len(self.prepare.mean), self.patch
        if len(shape) != 4 or not shape[0] or shape[1] != c or (square and shape[2:] != (s, s)):
            found = shape if hasattr(images, "shape") else type(images).__name__
            wanted = f"(n, {c}, {s}, {s})" if square else f"(n, {c}, h, w)"
            raise ValueError(f"ContextNet: patches are {wanted}, n at least 1, not {found}")
        in_range("ContextNet", images)

    def _chunks(self, patches, function):
        self._check(patches)
        some = (patches[i : i + CHUNK] for i in range(0, len(patches), CHUNK))
        return array_module(patches).concatenate([function(self.prepare(X)) for X in some])


def untrained(patches, net=cp.SMALL, colours="drop", contrast="mean", *, rng):
    """A ContextNet with its first parameters: what learning has to beat.

    patches: (n, c, s, s), bytes or in [0, 1], of which mean and statistics are taken, two at least;
    net, colours, contrast: as for `context_training.Settings`; rng: a numpy Generator.
    Raises ValueError for patches of another side than the net's, or beyond [0, 1], and for colours
    or contrast of another name.
    """
    xp = array_module(patches)
    mean = patches.mean((0, 2, 3), dtype=float) / white(patches)
    prepare = Preparation(xp.asarray(mean, np.float32), colours, contrast)
    U = map_leaves(xp.asarray, cp.initial(rng, net, patches.shape[1]))
    found = ContextNet(net, U, {}, prepare)
    found._check(patches)
    X = prepare(patches)
    cp.network(X, X[::-1], U, net=net, state=found.state, momentum=1.0)
    return found

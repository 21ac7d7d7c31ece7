"""Descriptors of patches by a layer of a trained Exemplar-CNN, for descriptor matching.

>>> rng = np.random.default_rng(0)
>>> U = exemplar_cnn.initial(rng, 5, channels=3, side=32, code="4c5-4c5-8f")
>>> extractor = Extractor(U, "4c5-4c5-8f", mean=np.full((3, 32, 32), 0.5, np.float32))
>>> patches = rng.random((2, 3, 64, 64), np.float32)
>>> [ExemplarDescriptor(extractor, layer)(patches).shape for layer in (1, 2, 3)]
[(2, 64), (2, 64), (2, 128)]
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import affine, conv_pool, flatten, relu, slide
from minigrad.backend import array_module, to_cpu
from minigrad.data.checks import in_range
from minigrad.evaluate.patch_descriptors import LUMINANCE, pooled_maps

from . import exemplar_cnn
from .exemplar_cnn import ENTRIES, pooled
from .exemplar_extractor import Extractor


@dataclass(frozen=True, eq=False)
class ExemplarDescriptor:
    """Patches to the maps of one layer, max-pooled to cells x cells: (n, maps cells^2), float32.

    layer: 1 to the number of convolutions, their maps after relu and before their own pooling; one
    more, the hidden units slid over the last maps (64c5-128c5-256c5-512f: 4). The paper takes layer
    3 of that network, 4 of the one trained with blur. cells: 4, as SIFT has.
    Raises ValueError for another layer, and cells below 1.
    Source: Dosovitskiy et al., TPAMI 2016, section 5.1.
    """

    extractor: Extractor
    layer: int
    cells: int = 4

    def __post_init__(self):
        last = len(exemplar_cnn.architecture(self.extractor.code).convolutions) + 1
        if self.layer not in range(1, last + 1):
            raise ValueError(
                f"ExemplarDescriptor: layer is 1 to {last} for {self.extractor.code}, "
                f"not {self.layer}"
            )

    def __call__(self, patches: Any) -> np.ndarray:
        """Descriptors of patches (n, c, s, s), bytes or in [0, 1], in batches.

        Of three channels a network of one sees the luminance; of one, a network of three sees it
        three times. Raises ValueError for other patches, and for layer-to-be-slid maps smaller than
        those of training.
        """
        e = self.extractor
        if np.ndim(patches) == 4:
            in_range("ExemplarDescriptor", patches)
        first, stride, _ = exemplar_cnn.plan(e.parameters, e.code)[0]
        X = channels(patches, len(e.mean))
        many = max(1, ENTRIES * stride**2 // (len(first[0]) * X[0, 0].size)) if len(X) else 1
        parts = [
            pooled_maps(self.maps(e.prepared(X[i : i + many])), self.cells)
            for i in range(0, max(len(X), 1), many)
        ]
        return to_cpu(array_module(parts[0]).concatenate(parts))

    def maps(self, X: Any) -> Any:
        """The layer's maps (n, k, h, w) of prepared images."""
        U = self.extractor.parameters
        layers = exemplar_cnn.plan(U, self.extractor.code)
        for number, (u, stride, pool) in enumerate(layers, 1):
            A = conv_pool(X, u, 1, stride=stride, padding=u[0].shape[2] // 2)
            if number == self.layer:
                return A
            X = pooled(A, pool)
        trained = math.isqrt(len(U["hidden"][0]) // X.shape[1])
        if X.shape[2:] == (trained, trained):
            return relu(affine(flatten(X), U["hidden"]))[:, :, None, None]
        if min(X.shape[2:]) < trained:
            raise ValueError(
                f"ExemplarDescriptor: the patches are smaller than the images of training: their "
                f"last maps are {X.shape[2]} x {X.shape[3]}, those were {trained} x {trained}"
            )
        return relu(slide(X, U["hidden"], trained))


def channels(patches, wanted):
    """Patches (n, c, s, s) with 1 or 3 channels, made of 3 or 1 by luminance or by repetition."""
    c = patches.shape[1] if np.ndim(patches) == 4 else 0
    if c == wanted:
        return patches
    if (c, wanted) == (1, 3):
        return patches.repeat(3, 1)
    if (c, wanted) == (3, 1):
        xp = array_module(patches)
        weights = xp.asarray(LUMINANCE, np.float32)
        grey = xp.einsum("c,ncyx->nyx", weights, patches)[:, None]
        return xp.rint(grey).astype(np.uint8) if patches.dtype == np.uint8 else grey
    raise ValueError(
        f"ExemplarDescriptor: patches are (n, {wanted}, s, s), or of 1 or 3 channels, "
        f"not {np.shape(patches)}"
    )

"""Views of images as data for training, made when they are asked for.

>>> X = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), np.uint8)
>>> data = Views(X, Augmentation())
>>> Z, index = data.batch(np.array([7, 2]), np.random.default_rng(1))
>>> Z.shape, index
((4, 3, 32, 32), array([7, 2]))
"""

from typing import Any

import numpy as np

from ...backend import array_module
from ..checks import in_range
from .augmentation import Augmentation


class Views:
    """Images, each changed anew whenever it is asked for; data of `minigrad.learn.train`.

    images: (n, c, h, w) of bytes, or of floats in [0, 1]; on a GPU all is made there, with the same
    changes. augmentation: what is done to them; views: of each image in a batch, drawn
    independently, 2 by default.
    Raises ValueError without images or views, and for floats outside [0, 1] or not finite.
    """

    def __init__(self, images: Any, augmentation: Augmentation, views: int = 2):
        in_range("Views", images)
        if not len(images) or views < 1:
            raise ValueError(
                f"Views: images are (n, c, h, w), n and views at least 1, not {images.shape} "
                f"and {views}"
            )
        self.images, self.augmentation, self.views = images, augmentation, views

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        """Views X (views m, c, *size), batch-last in memory, and the images' numbers (m,).

        Rows are [view 1 of all; view 2 of all; ...]. chosen: (m,), which images.
        """
        index = np.tile(chosen, self.views)
        changes = self.augmentation.draw(len(index), self.images.shape[2:], rng)
        X = self.augmentation.apply(self.images, changes, index, "last")
        return X, array_module(X).asarray(chosen)

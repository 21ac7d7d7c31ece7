"""Batches of some classes with several samples each, as mining triplets by labels wants them.

>>> class Numbers:
...     def __len__(self):
...         return 100
...     def batch(self, chosen, rng):
...         return chosen, chosen
>>> data = ClassBatches(Numbers(), np.arange(100) // 10)
>>> X, y = data.batch(np.arange(12), np.random.default_rng(0))
>>> (y == X // 10).all(), np.unique(y, return_counts=True)[1]  # 3 classes, 4 samples each
(np.True_, array([4, 4, 4]))
"""

from typing import Any

import numpy as np

from minigrad.backend import array_module

from .embedding_checks import check_labels


class ClassBatches:
    """Data whose batches hold k samples of each of P classes, drawn at random, and their labels.

    data: with len(data) and data.batch(chosen, rng), as `Views` of one view; labels: (n,), NumPy's;
    k: 4 by default. A batch of m has P = m // k classes. Of fewer classes it has more than k, of a
    class with fewer samples all.
    Raises ValueError if there is not one label for each sample.
    Source: Hermans, Beyer and Leibe, arXiv 1703.07737, section 2.
    """

    def __init__(self, data: Any, labels: np.ndarray, k: int = 4):
        check_labels("ClassBatches", labels, len(data))
        self.data, self.labels, self.k = data, labels, k
        self.members = [np.flatnonzero(labels == c) for c in np.unique(labels)]

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        """As many samples as are chosen, or a few less; which, is drawn here."""
        P = min(max(1, len(chosen) // self.k), len(self.members))
        classes = rng.choice(len(self.members), P, replace=False)
        each = len(chosen) // P
        index = np.concatenate([rng.permutation(self.members[c])[:each] for c in classes])
        X, _ = self.data.batch(index, rng)
        return X, array_module(X).asarray(self.labels[index])

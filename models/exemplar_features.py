"""Exemplar-CNN as a scikit-learn transformer; this module needs scikit-learn.

>>> from sklearn.datasets import load_digits
>>> from minigrad.models.exemplar_training import PRESETS
>>> digits = load_digits().data[:30] / 16
>>> quick = PRESETS["small"]._replace(code="4c5-4c5-8f", versions=5, epochs=1)
>>> ExemplarFeatures((1, 8, 8), quick, random_state=0).fit_transform(digits).shape
(30, 40)
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .exemplar_training import PRESETS, Settings, fit

SAMPLE = 1000  # images at most that the norms of the blocks are of


class ExemplarFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of images, learned from images without labels.

    Images are (n, c, h, w), or rows (n, c h w) of image_shape = (c, h, w); bytes, or numbers in
    [0, 1]. Those to fit are seeds, square; those to transform may be larger, and the hidden units
    then have more values (`Extractor`): what stands behind them is fitted on images of one size.
    settings: a name in `exemplar_training.PRESETS`, "small", or a `Settings`; of more images than
    its seeds, so many are drawn. pooling: as for `exemplar_cnn.features`;
    random_state: as everywhere in scikit-learn. A layer's features are divided by their
    root-mean-square norm on the images to fit.
    Fitted: extractor_, an `Extractor` to save; log_, of the training, with validation errors.
    Raises ValueError for what is no such images, as `exemplar_cnn.initial` does, and for a name
    that is no preset.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] | None = None,
        settings: str | Settings = "small",
        pooling: str = "quadrants",
        random_state: Any = None,
    ):
        self.image_shape, self.settings = image_shape, settings
        self.pooling, self.random_state = pooling, random_state

    def fit(self, X: Any, y: Any = None) -> "ExemplarFeatures":
        """Learn features from images X; y is ignored."""
        images = self._images(validate_data(self, X, allow_nd=True, ensure_min_samples=2))
        settings = self.settings
        if isinstance(settings, str):
            if settings not in PRESETS:
                raise ValueError(
                    f"ExemplarFeatures: settings are {', '.join(PRESETS)}, not {settings!r}"
                )
            settings = PRESETS[settings]
        rng = np.random.default_rng(check_random_state(self.random_state).randint(1 << 31))
        seeds = images[rng.permutation(len(images))[: settings.seeds]]
        white = 255 if seeds.dtype == np.uint8 else 1
        seeds = (seeds / white).astype(np.float32)
        self.extractor_, self.log_ = fit(seeds, settings, rng=rng, progress=False)
        blocks = self.extractor_(images[:SAMPLE], self.pooling)
        norms = [np.sqrt((block**2).sum(1).mean()) for block in blocks]
        self.norms_ = [norm if norm > 0 else norm.dtype.type(1) for norm in norms]
        self._n_features_out = sum(block.shape[1] for block in blocks)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The features of images, (n, values of all layers side by side)."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, reset=False)
        blocks = self.extractor_(self._images(X), self.pooling)
        return np.concatenate([b / norm for b, norm in zip(blocks, self.norms_)], 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever the images are
        return tags

    def _images(self, X):
        """Images (n, c, h, w) in [0, 1], or bytes."""
        if X.ndim == 2 and self.image_shape and X.shape[1] == np.prod(self.image_shape):
            X = X.reshape(len(X), *self.image_shape)
        if X.ndim != 4:
            raise ValueError(
                f"ExemplarFeatures: images are (n, c, h, w), or rows of image_shape, "
                f"not {X.shape} and {self.image_shape}"
            )
        if X.dtype != np.uint8 and (X.min() < 0 or X.max() > 1):
            raise ValueError(
                f"ExemplarFeatures: images are bytes or in [0, 1], "
                f"these go from {X.min():g} to {X.max():g}"
            )
        return X

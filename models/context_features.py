"""Context prediction as a scikit-learn transformer; this module needs scikit-learn.

>>> photographs = np.random.default_rng(0).integers(0, 256, (4, 3, 70, 70), np.uint8)
>>> quick = PRESETS["small"]._replace(per_image=10, epochs=1)
>>> ContextFeatures(settings=quick, random_state=0).fit_transform(photographs).shape
(4, 1152)
"""

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from minigrad.data.checks import in_range

from .context_pooling import features
from .context_training import PRESETS, Settings, fit

SAMPLE = 1000  # images at most that the norms of the blocks are of


class ContextFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Features of images, learned by telling how two patches of an image lie to each other.

    Images are (n, c, h, w), or rows (n, c h w) of image_shape = (c, h, w); bytes, or numbers in
    [0, 1]. Those to transform may be of another size than those to fit, a patch at least; what
    stands behind them is fitted on images of one size.
    settings: a name in `context_training.PRESETS`, "small", or a `Settings`; images that are not of
    three channels keep their colours, with a warning where a `Settings` says otherwise. Two
    patches, their gap and their jitter must fit into an image: 66 pixels a side for "small", 60
    with a gap of 8 and a jitter of 2.
    pooling: as for `exemplar_cnn.features`; random_state: as everywhere in scikit-learn. A layer's
    features are divided by their root-mean-square norm on the images to fit.
    Fitted: net_, a `ContextNet` to save; log_, of the training.
    Raises ValueError for what is no such images, images too small for a pair, and for a name that
    is no preset.
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

    def fit(self, X: Any, y: Any = None) -> "ContextFeatures":
        """Learn features from images X; y is ignored."""
        images = self._images(validate_data(self, X, allow_nd=True, ensure_min_samples=2))
        settings = self.settings
        if isinstance(settings, str):
            if settings not in PRESETS:
                raise ValueError(
                    f"ContextFeatures: settings are {', '.join(PRESETS)}, not {settings!r}"
                )
            settings = PRESETS[settings]
        if images.shape[1] != 3 and settings.colours != "keep":
            if isinstance(self.settings, Settings):
                warnings.warn(
                    f"ContextFeatures: images of {images.shape[1]} channels keep their colours, "
                    f'as with Settings(colours="keep"): {settings.colours!r} takes three channels',
                    stacklevel=2,
                )
            settings = settings._replace(colours="keep")
        rng = np.random.default_rng(check_random_state(self.random_state).randint(1 << 31))
        self.net_, self.log_ = fit(images, settings, rng=rng, progress=False)
        blocks = features(self.net_, images[:SAMPLE], self.pooling)
        norms = [np.sqrt((block**2).sum(1).mean()) for block in blocks]
        self.norms_ = [norm if norm > 0 else norm.dtype.type(1) for norm in norms]
        self._n_features_out = sum(block.shape[1] for block in blocks)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The features of images, (n, values of all layers side by side)."""
        check_is_fitted(self)
        X = validate_data(self, X, allow_nd=True, reset=False)
        blocks = features(self.net_, self._images(X), self.pooling)
        return np.concatenate([b / norm for b, norm in zip(blocks, self.norms_)], 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # features are float32, whatever the images are
        return tags

    def _images(self, X):
        """Images (n, c, h, w), bytes or in [0, 1]."""
        if X.ndim == 2 and self.image_shape and X.shape[1] == np.prod(self.image_shape):
            X = X.reshape(len(X), *self.image_shape)
        if X.ndim != 4:
            raise ValueError(
                f"ContextFeatures: images are (n, c, h, w), or rows of image_shape, "
                f"not {X.shape} and {self.image_shape}"
            )
        if X.dtype != np.uint8:
            X = X.astype(np.float32)
        in_range("ContextFeatures", X)
        return X

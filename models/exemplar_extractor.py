"""A trained Exemplar-CNN for use elsewhere: images to features, in one file.

>>> rng = np.random.default_rng(0)
>>> U = exemplar_cnn.initial(rng, 5, channels=3, side=32, code="4c5-4c5-8f")
>>> extractor = Extractor(U, "4c5-4c5-8f", mean=np.full((3, 32, 32), 0.5, np.float32))
>>> photographs = rng.integers(0, 256, (2, 3, 96, 64), np.uint8)
>>> [block.shape for block in extractor(photographs)]
[(2, 16), (2, 16), (2, 32)]
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import array_module
from minigrad.learn import CheckpointError, save_checkpoint
from minigrad.learn.checkpoint import read_checkpoint
from minigrad.version import VERSION

from . import exemplar_cnn

LIGHTEST = 2.0  # what was interpolated may leave [0, 1] a little; what goes to 255 is a mistake


@dataclass(frozen=True, eq=False)
class Extractor:
    """Images to what the layers of a trained network say of them.

    parameters, code: as of `exemplar_cnn.initial`; mean: (c, s, s) of the surrogates in [0, 1],
    subtracted from each image, or from images of another size its mean colour; scale: what the
    network sees is scale (image - mean), 1.
    """

    parameters: dict[str, Any]
    code: str
    mean: Any
    scale: float = 1.0

    def __call__(self, images: Any, pooling: str = "quadrants", mean: Any = None) -> list[Any]:
        """Features of each layer, (n, values of the pooling times maps), in batches.

        images: (n, c, h, w) of any size from the training's on, of one size in a call, bytes or in
        [0, 1]; pooling: as for `exemplar_cnn.features`; mean: another one, (c, h, w), as of the
        images (the paper's way). Hidden units have one value each where images are about as large
        as in training (for 64c5-64c5-128f below 36 x 36), those of the pooling where they are
        larger.
        Raises ValueError for other images.
        """
        self.check(images)
        prepare = lambda X: self.prepared(X, mean)
        return exemplar_cnn.features(images, self.parameters, self.code, pooling, prepare)

    def check(self, images: Any) -> None:
        """ValueError unless these are images that it takes."""
        if getattr(images, "ndim", 0) != 4 or not len(images) or images.shape[1] != len(self.mean):
            found = np.shape(images) if hasattr(images, "shape") else type(images).__name__
            raise ValueError(
                f"Extractor: images are an array (n, {len(self.mean)}, h, w), n at least 1, "
                f"not {found}"
            )
        if images.dtype != np.uint8 and not images.max() <= LIGHTEST:
            raise ValueError(
                f"Extractor: images are bytes (uint8) or in [0, 1], not up to {images.max():g}"
            )

    def prepared(self, images: Any, mean: Any = None) -> Any:
        """What the network sees of images, float32."""
        xp = array_module(self.mean)
        X, mean = xp.asarray(images), xp.asarray(self.mean if mean is None else mean, np.float32)
        if X.shape[1:] != mean.shape:
            mean = mean.mean((1, 2), keepdims=True)
        white = xp.float32(255 if X.dtype == np.uint8 else 1)
        return (X.astype(np.float32, copy=False) / white - mean) * xp.float32(self.scale)

    def save(self, path: str | Path) -> None:
        """Write all of it to a safetensors file, whole or not at all."""
        arrays = {"parameters": self.parameters, "mean": self.mean}
        save_checkpoint(path, arrays, {"extractor": self.code, "scale": self.scale})

    @classmethod
    def load(cls, path: str | Path) -> "Extractor":
        """The extractor that a file holds.

        Raises CheckpointError if there is none, it is damaged, or holds something else.
        """
        found, facts, outlines = read_checkpoint(path)
        if "extractor" not in facts:
            raise CheckpointError(f"{path}: a checkpoint, but not of an Extractor")
        U = {
            name: tuple(found[f"parameters[{name!r}][{i}]"] for i in range(2))
            for name, _ in outlines["parameters"]
        }
        return cls(U, facts["extractor"], found["mean"], facts["scale"])


def save_features(path: str | Path, blocks: list[Any], **facts: Any) -> None:
    """Write blocks of features and facts about them to a safetensors file, whole or not at all.

    facts: what JSON can hold, arrays too, as code="64c5-64c5-128f", pooling="quadrants",
    mean=extractor.mean; the version of minigrad is noted besides.
    """
    save_checkpoint(path, {"features": blocks}, {"features of": {"version": VERSION, **facts}})


def load_features(path: str | Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The blocks and the facts that `save_features` wrote.  Raises CheckpointError as `load`."""
    found, facts, _ = read_checkpoint(path)
    if "features of" not in facts:
        raise CheckpointError(f"{path}: a checkpoint, but not of features")
    return [found[f"features[{i}]"] for i in range(len(found))], facts["features of"]

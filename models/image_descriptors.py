"""Descriptors of whole images by a network of any kind: its last maps pooled; and neural codes.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> U = exemplar_cnn.initial(rng, 5, channels=3, side=32, code="4c5-4c5-8f")
>>> net = Extractor(U, "4c5-4c5-8f", mean=np.full((3, 32, 32), 0.5, np.float32))
>>> images = rng.integers(0, 256, (2, 3, 64, 48), np.uint8)
>>> last_maps(net, images).shape, neural_codes(net, images).shape
((2, 4, 16, 12), (2, 8))
>>> bool((described(net, images, mac) == mac(last_maps(net, images))).all())
True
"""

import functools
from typing import Any

import numpy as np

from minigrad import affine, flatten, normalize, relu
from minigrad.backend import array_module
from minigrad.data import Augmentation, Changes
from minigrad.evaluate import mac
from minigrad.evaluate.neighbours import check_finite

from . import exemplar_cnn, resnet
from .context_extractor import ContextNet
from .embedding_training import Embedder, check_images
from .exemplar_extractor import Extractor

CHUNK = 100  # images at a time


def last_maps(network: Any, images: Any, layer: int = -1) -> Any:
    """The maps behind a convolution of a network, (n, k, h', w'), none below 0.

    network: an `Extractor`, a `ContextNet`, an `Embedder` (which sees images of its own size; of a
    resnet its last maps alone), or of any other network a function that makes such maps of images;
    images: (n, c, h, w), bytes or in [0, 1], of any one size; layer: which convolution, the last,
    -1; of a resnet and of a function there is one.
    Raises TypeError for another network, ValueError as the network does, for another layer, and for
    a function that makes no maps.
    """
    if isinstance(network, Extractor):
        network.check(images)
        X = network.prepared(images)
        found = exemplar_cnn.maps(X, network.parameters, network.code)
    elif isinstance(network, ContextNet):
        found = network.maps(images)
    elif isinstance(network, Embedder):
        check_images("last_maps", images, 1, network.channels)
        X = network.settings.augmentation.apply(images, Changes(), order="last")
        if network.settings.network != "resnet18":
            found = exemplar_cnn.maps(X, network.parameters, network.settings.network)
        else:
            found = [resnet.maps(X, network.parameters, state=network.state, training=False)]
    elif callable(network):
        found = [network(images)]
        if np.ndim(found[0]) != 4 or len(found[0]) != len(images):
            raise ValueError(
                f"last_maps: a function makes maps ({len(images)}, k, h, w) of images "
                f"{images.shape}, not {np.shape(found[0])}"
            )
    else:
        raise TypeError(
            "last_maps: a network is an Extractor, a ContextNet, an Embedder or a function of "
            f"images, not a {type(network).__name__}"
        )
    if not -len(found) <= layer < len(found):
        raise ValueError(
            f"last_maps: layer is {-len(found)} to {len(found) - 1}, as of a list, not {layer}"
        )
    return found[layer]


def described(network: Any, images: Any, pool: Any = mac, layer: int = -1) -> Any:
    """Z = pool(last_maps(network, images, layer)): (n, k), some images at a time.

    pool: `mac`, `rmac`, `spoc`, `crow`, or another function of maps; the others as for `last_maps`.
    Raises ValueError that names an image whose descriptor is not finite.
    """
    return _in_chunks(lambda X: pool(last_maps(network, X, layer)), images, "described")


def neural_codes(network: Any, images: Any) -> Any:
    """Z = F / |F|, F what the fully connected layer says of an image: (n, d).

    Images are resampled to the size that the network was trained on, as the layer wants it. F: an
    `Extractor`'s hidden units, a `ContextNet`'s fc6, an `Embedder`'s embedding.
    network: one of these; of another, `normalize(F)` is the code; images: as for `last_maps`.
    Raises TypeError for another network, and ValueError that names an image whose code is not
    finite.
    Source: Babenko et al., ECCV 2014, section 2.
    """
    if isinstance(network, Extractor):
        code = functools.partial(_hidden, network)
    elif isinstance(network, ContextNet):
        code = lambda X: normalize(network(_resampled(X, 2 * (network.patch,))))
    elif isinstance(network, Embedder):
        code = network
    else:
        raise TypeError(
            "neural_codes: a network is an Extractor, a ContextNet or an Embedder, not a "
            f"{type(network).__name__}"
        )
    return _in_chunks(code, images, "neural_codes")


def _hidden(network, X):
    A = last_maps(network, _resampled(X, network.mean.shape[1:]))
    return normalize(relu(affine(flatten(A), network.parameters["hidden"])))


def _resampled(images, sides):
    """Images (n, c, *sides): what is of another shape is squeezed, as for networks of one size."""
    if images.shape[2:] == tuple(sides):
        return images
    return Augmentation(size=tuple(sides), mean=None, std=None).apply(images, Changes())


def _in_chunks(function, images, name):
    found = [function(images[i : i + CHUNK]) for i in range(0, max(1, len(images)), CHUNK)]
    F = array_module(found[0]).concatenate(found)
    check_finite(name, F, "the descriptor of image")
    return F

"""Context prediction: a network that learns features by telling how two patches lie to each other.

    patch 1 -> tower ->\\
                         fc7 - fc8 - fc9 -> which of eight places patch 2 has around patch 1
    patch 2 -> tower ->/

Both towers are the same function with the same weights, up to fc6, the features of one patch; what
follows sees both (late fusion). Networks are described by a `Net`: PAPER of 96 x 96, SMALL
and TINY of 24 x 24 for two cores.
Source: Doersch, Gupta and Efros, ICCV 2015, section 3 and figure 3; sizes: the authors' program.

>>> U, state = initial(np.random.default_rng(0)), {}
>>> X1, X2 = np.random.default_rng(1).standard_normal((2, 5, 3, 24, 24), np.float32)
>>> network(X1, X2, U, state=state).shape
(5, 8)
>>> sorted(state)
['conv1', 'conv2', 'conv3', 'fc6', 'fc7']
"""

from typing import NamedTuple

import numpy as np

from minigrad import (
    affine,
    batchnorm_relu,
    block,
    concatenate,
    conv,
    conv_pool,
    entropy,
    flatten,
    lrn,
    maxpool,
    relu,
)
from minigrad.backend import array_module
from minigrad.learn import gaussian, he

PLACES = 8
WEIGHTS = ("he", "gaussian")


class Convolution(NamedTuple):
    """So many maps by filters of size x size, padded by half; then, in this order:

    norm: batch normalisation; relu; pool: maxima of 3 x 3 in steps of 2, the last may stick out
    (Caffe's rule); lrn: local response normalisation.
    """

    maps: int
    size: int
    stride: int = 1
    norm: bool = False
    pool: bool = False
    lrn: bool = False


class Net(NamedTuple):
    """The layers of a network.

    patch: the side of patches; convolutions: of the tower; embedding: units of fc6, which ends it;
    pair: units of the layers that see both patches, fc7 on; norm: batch normalisation of fc6 and
    fc7, without scale and shift as everywhere here.
    """

    patch: int
    convolutions: tuple[Convolution, ...]
    embedding: int
    pair: tuple[int, ...]
    norm: bool = True

    def without_norms(self) -> "Net":
        """The same network without batch normalisation: from small first weights ("gaussian") it
        does not learn, as the paper saw; from He's the small one does.
        """
        plain = tuple(layer._replace(norm=False) for layer in self.convolutions)
        return self._replace(convolutions=plain, norm=False)


# figure 3 says 384 maps and stride 2 for the second convolution; program and count: 256, 1;
# the paper says that LRN follows AlexNet, whose k is 2; the program is Caffe's: k = 1, alpha / size
PAPER = Net(
    96,
    (
        Convolution(96, 11, 4, pool=True, lrn=True),
        Convolution(256, 5, pool=True, lrn=True),
        Convolution(384, 3, norm=True),
        Convolution(384, 3, norm=True),
        Convolution(256, 3, norm=True, pool=True),
    ),
    4096,
    (4096, 4096),
)
SMALL = Net(
    24,
    (
        Convolution(32, 5, norm=True, pool=True),
        Convolution(64, 3, norm=True, pool=True),
        Convolution(64, 3, norm=True),
    ),
    128,
    (128,),
)
TINY = Net(
    24,
    (Convolution(16, 5, norm=True, pool=True), Convolution(32, 3, norm=True, pool=True)),
    64,
    (64,),
)
NETS = {"paper": PAPER, "small": SMALL, "tiny": TINY}


def shapes(net, channels=3):
    """The shapes of weights and bias of each layer by name.  Arguments and errors as `initial`.

    >>> sum(np.prod(W) + np.prod(b) for W, b in shapes(PAPER).values())
    np.int64(63561096)
    >>> shapes(PAPER)["fc7"]
    ((8192, 4096), (4096,))
    """
    sizes, c, side = {}, channels, net.patch
    for i, layer in enumerate(net.convolutions, 1):
        sizes[f"conv{i}"] = (layer.maps, c, layer.size, layer.size), (layer.maps,)
        c, side = layer.maps, (side - 1) // layer.stride + 1
        side = side // 2 if layer.pool else side
    if side < 1:
        raise ValueError(f"context_prediction: patches of {net.patch} leave nothing after pooling")
    widths = (c * side**2, 2 * net.embedding, *net.pair)
    for i, d in enumerate(widths, 6):
        k = (net.embedding, *net.pair, PLACES)[i - 6]
        sizes[f"fc{i}"] = (d, k), (k,)
    return sizes


def initial(rng, net=SMALL, channels=3, weights="he"):
    """First parameters: {"conv1": (W, b), ..., "fc6": (W, b), ..., "fc9": (W, b)}, biases 0.

    rng: a numpy Generator; net: a `Net`, SMALL; channels: of the patches, 3; weights: "he", He's,
    which the last layer, that no relu follows, has with half the variance; "gaussian", of deviation
    0.01 in all layers, as AlexNet began and most in the paper's time.
    Raises ValueError for patches of which pooling leaves nothing, and other weights.

    >>> [name for name in initial(np.random.default_rng(0))]
    ['conv1', 'conv2', 'conv3', 'fc6', 'fc7', 'fc8']
    """
    if weights not in WEIGHTS:
        raise ValueError(f"context_prediction: weights are {' or '.join(WEIGHTS)}, not {weights!r}")
    sizes = shapes(net, channels)
    last = list(sizes)[-1]

    def drawn(name, shape):
        return gaussian(shape, rng) if weights == "gaussian" else he(shape, rng, 2 - (name == last))

    return {name: (drawn(name, W), np.zeros(b, np.float32)) for name, (W, b) in sizes.items()}


def maps(X, U, net=SMALL, **options):
    """The maps behind each convolution, as the next one gets them.  Options as for `tower`."""
    Z = [X]
    for i, layer in enumerate(net.convolutions, 1):
        name, sliding = f"conv{i}", {"stride": layer.stride, "padding": layer.size // 2}
        if layer.norm:
            A = normed(conv(Z[-1], U[name], **sliding), name, **options)
        else:
            A = conv_pool(Z[-1], U[name], 1, **sliding)
        if layer.pool:
            A = maxpool(A, 3, 2, ceil=True)
        Z.append(lrn(A, k=1.0, form="caffe") if layer.lrn else A)
    return Z[1:]


def normed(A, name, state=None, **options):
    """relu of A normalised without scale and shift; the statistics are those in state[name]."""
    own = None if state is None else state.setdefault(name, {})
    return batchnorm_relu(A, None, state=own, **options)


@block
def tower(X, U, *, net=SMALL, **options):
    """fc6, the features of patches: Z (n, d).

    X: (n, c, s, s) for the net's side s; U: parameters as from `initial`; options: state, training
    and momentum of `batchnorm`, state being a dict with one dict for each layer that is normalised.
    """
    A = affine(flatten(maps(X, U, net, **options)[-1]), U["fc6"])
    return normed(A, "fc6", **options) if net.norm else relu(A)


@block
def fuse(Z, U, *, net=SMALL, **options):
    """Logits (n, 8) of how two patches lie, by their features side by side.

    Z: (n, 2 d), rows [features of patch 1, features of patch 2]; U, options: as for `tower`.
    """
    last = 7 + len(net.pair)
    for i in range(7, last):
        A = affine(Z, U[f"fc{i}"])
        Z = normed(A, "fc7", **options) if net.norm and i == 7 else relu(A)
    return affine(Z, U[f"fc{last}"])


@block
def network(X1, X2, U, **options):
    """Logits (n, 8): how patch 2 lies to patch 1.  X1, X2: (n, c, s, s); U, options: as `tower`."""
    F, G = tower(X1, U, **options), tower(X2, U, **options)
    return fuse(concatenate((F, G), 1), U, **options)


@block
def loss(U, X1, X2, T, *, rng=None, **options):
    """Average cross-entropy of both orders of each pair: label T, and 7 - T where they are swapped.

    U, options: as for `tower`; X1, X2: (n, c, s, s); T: (n,), 0 to 7; rng: the training loop's,
    nothing is drawn. Features are computed once for both orders.
    Raises ValueError for other labels.
    Source: the authors' program, for both orders.
    """
    wrong = T[(T < 0) | (T >= PLACES)]  # before 7 - T is of the mistake
    if len(wrong):
        raise ValueError(f"context_prediction: labels are 0 to {PLACES - 1}, not {wrong[0]}")
    F, G = tower(X1, U, **options), tower(X2, U, **options)
    both = concatenate((concatenate((F, G), 1), concatenate((G, F), 1)))
    return entropy(fuse(both, U, **options), array_module(T).concatenate((T, 7 - T)))

"""What a unit sees: its receptive field, the patches it answers most, what in them it answers to.

The convolutions of a network as a list of layers, of LeNet-5 for example, with U its parameters:
[Filters(*U["conv1"], padding=2), Pool(2), Filters(*U["conv2"]), Pool(2)].

>>> layers = [Filters(np.array([[[[0.0, 1.0]]]])), Pool(2)]  # one filter: a pixel's right neighbour
>>> X = np.zeros((2, 1, 4, 5))
>>> X[1, 0, 3, 2] = 7
>>> A = feature_maps(X, layers)
>>> images, places = strongest(A, 0, k=1)
>>> images, places, receptive_field(layers)
(array([1]), array([[1, 0]]), Field(size=(2, 3), step=(2, 2), start=(0, 0)))
>>> cut(X[images], places, receptive_field(layers))
array([[[[0., 0., 0.],
         [0., 0., 7.]]]])
"""

from typing import NamedTuple

import numpy as np

from ..kernels.windows import border, pair
from ..nodes import conv, deconv, maxpool, maxpool_switches, relu, upsample
from .neighbours import check_finite

RULES = ("deconvnet", "guided", "gradient")


class Filters(NamedTuple):
    """A layer relu(W * X + b): W (k, c / groups, r, s), b (k,) or None, options as in `conv`."""

    W: np.ndarray
    b: np.ndarray | None = None
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def window(self):
        """Side, stride and padding of its window."""
        return self.W.shape[2:], self.stride, self.padding

    def maps(self, X):
        """The maps (n, k, h', w') that it makes of X (n, c, h, w)."""
        return relu(conv(X, (self.W, self.b), self.stride, self.padding, groups=self.groups))

    def back(self, X, Z, S, rule):
        """A signal S at its maps Z, sent back to X, what they were made of."""
        if rule != "deconvnet":
            S = S * (Z > 0)
        if rule != "gradient":
            S = relu(S)
        options = {"groups": self.groups, "size": X.shape[2:]}
        return deconv(S, (self.W, None), self.stride, self.padding, **options)


class Pool(NamedTuple):
    """A layer of maxima, with the options of `maxpool`."""

    size: int
    stride: int | None = None
    padding: int = 0
    ceil: bool = False

    def window(self):
        """Side, stride and padding of its window."""
        return self.size, self.size if self.stride is None else self.stride, self.padding

    def maps(self, X):
        """The maps (n, c, h', w') that it makes of X (n, c, h, w)."""
        return maxpool(X, *self)

    def back(self, X, Z, S, rule):
        """A signal S at its maps Z, sent back to where in X the maxima were found."""
        return upsample(S, size=X.shape[2:], switches=maxpool_switches(X, *self))


class Field(NamedTuple):
    """The unit at (y, x) sees size pixels from start + step (y, x) on; each (vertical, horizontal).

    Below 0, and behind the image, it sees the padding.
    """

    size: tuple[int, int]
    step: tuple[int, int]
    start: tuple[int, int]


def feature_maps(X, layers):
    """The maps (n, k, h', w') behind the last of the layers.  X: (n, c, h, w)."""
    for layer in layers:
        X = layer.maps(X)
    return X


def receptive_field(layers):
    """What a unit behind the last of the layers sees: a Field.

    Along each axis, layer by layer from size = step = 1 and start = 0: with a window of k, stride s
    and padding p in front, size += (k - 1) step, start -= p step, then step *= s.
    Raises ValueError for a padding that is not given in numbers.

    >>> five = np.zeros((6, 1, 5, 5))
    >>> receptive_field([Filters(five, padding=2), Pool(2), Filters(five), Pool(2)])  # LeNet-5's
    Field(size=(16, 16), step=(4, 4), start=(-2, -2))
    """
    size, step, start = [1, 1], [1, 1], [0, 0]
    for layer in layers:
        window, stride, padding = layer.window()
        if isinstance(padding, str):
            raise ValueError(f"receptive_field: a padding is given in numbers, not {padding!r}")
        window, stride = (pair("receptive_field", "window", n) for n in (window, stride))
        for axis, (before, _) in enumerate(border("receptive_field", padding)):
            size[axis] += (window[axis] - 1) * step[axis]
            start[axis] -= before * step[axis]
            step[axis] *= stride[axis]
    return Field(tuple(size), tuple(step), tuple(start))


def strongest(A, unit, k=9):
    """Where a map answers most: images (k,) and places (k, 2) in the map, strongest first.

    A: (n, c, h', w') maps; unit: which of the c; k: 9. Of each image only its strongest place
    counts, as neighbours would show one thing again and again. Of equals the first.
    Raises ValueError if there are fewer than k images, no such map, or values are not finite.
    Source: Zeiler and Fergus, ECCV 2014, figure 2.
    """
    n, _, _, w = A.shape
    if not 1 <= k <= n:
        raise ValueError(f"strongest: k is 1 to {n} for {n} images, not {k}")
    check_unit("strongest", A, unit)
    maps = A[:, unit].reshape(n, -1)
    check_finite("strongest", maps, "map of image")
    images = np.argsort(-maps.max(1), kind="stable")[:k]
    places = maps[images].argmax(1)
    return images, np.stack([places // w, places % w], 1)


def check_unit(name, A, unit):
    if not 0 <= unit < A.shape[1]:
        raise ValueError(f"{name}: the maps are 0 to {A.shape[1] - 1}, there is no {unit}")


def cut(X, places, field, outside=0.0):
    """What the unit at one place of each image sees: (n, c, *field.size).

    X: (n, c, h, w); places: (n, 2) in the maps, as from `strongest`; field: as `receptive_field`
    gives it; outside: what stands where it looks beyond the image, 0, as padding has it.
    Raises ValueError unless there is one place for each image.
    """
    n, _, h, w = X.shape
    if np.shape(places) != (n, 2):
        raise ValueError(f"cut: {n} images want places ({n}, 2), not {np.shape(places)}")
    top, left = (np.asarray(field.start) + np.asarray(field.step) * places).T
    y = (top[:, None] + np.arange(field.size[0]))[:, :, None]
    x = (left[:, None] + np.arange(field.size[1]))[:, None, :]
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    P = X[np.arange(n)[:, None, None], :, y.clip(0, h - 1), x.clip(0, w - 1)]  # (n, r, s, c)
    return np.where(inside[:, None], np.moveaxis(P, 3, 1), X.dtype.type(outside))


def only(A, unit, places):
    """The maps A with all responses set to 0 but that of a unit at one place of each image.

    A: (n, c, h', w'); unit: a map; places: (n, 2). Raises ValueError if there is no such map.
    Source: Zeiler and Fergus, ECCV 2014, section 2.1.
    """
    check_unit("only", A, unit)
    S, at = np.zeros_like(A), (np.arange(len(A)), unit, *np.transpose(places))
    S[at] = A[at]
    return S


def to_image(X, layers, S, rule="deconvnet"):
    """A signal at the last maps, sent back to the pixels: (n, c, h, w).

    X: (n, c, h, w) images; S: like their last maps, as from `only`, or the gradient of a score by
    them. Every rule sends it back through the pooling to where the maximum was found (switches) and
    through the transposed filters; they differ at the relu Z = max(A, 0) between:
    "deconvnet": S becomes max(S, 0); "gradient": S (Z > 0), the gradient of sum(S maps) by the
    image; "guided": max(S, 0) (Z > 0), both.
    Raises ValueError for another rule, and if S is not shaped like the last maps.
    Source: Zeiler and Fergus, ECCV 2014, section 2.1; guided: Springenberg et al., ICLR 2015
    workshop, section 3.4.

    >>> X, layers = np.array([[[[2.0, 3.0]]]]), [Filters(np.array([[[[1.0, -1.0]]]]), np.ones(1))]
    >>> S = np.array([[[[5.0]]]])
    >>> to_image(X, layers, S), to_image(X, layers, S, "guided")
    (array([[[[ 5., -5.]]]]), array([[[[0., 0.]]]]))
    """
    if rule not in RULES:
        raise ValueError(f"to_image: rule is one of {', '.join(RULES)}, not {rule!r}")
    steps = []
    for layer in layers:
        Z = layer.maps(X)
        steps.append((layer, X, Z))
        X = Z
    if S.shape != X.shape:
        raise ValueError(f"to_image: the last maps are {X.shape}, and so is S, not {S.shape}")
    for layer, X, Z in reversed(steps):
        S = layer.back(X, Z, S, rule)
    return S

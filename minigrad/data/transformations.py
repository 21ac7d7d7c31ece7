"""Exemplar-CNN's transformations of many images at once, each by parameters of its own.

    translation, scale, rotation    one affine map: where each pixel is looked up, once
    blur                            a Gaussian, if wanted
    contrast 1                      a factor for each principal component of the colours
    contrast 2                      v^power factor + offset, of saturation and of value
    colour                          something added to the hue

Images are transformed about their own centre, 0 outside (`transform`), or are patches cut out of
larger ones (`patches`). Where images shrink, a pixel is a mean of those it stands for.
What is done (`minigrad.data.parameters`) is a named tuple of arrays: keep it and transform again,
take some rows of it, or replace what shall not be done by None.

>>> rng = np.random.default_rng(0)
>>> photographs = rng.random((2, 3, 96, 96), np.float32)
>>> places = Places(index=np.array([0, 0, 1]), centre=np.full((3, 2), 47.5))
>>> parameters = draw_within(places, (96, 96), rng)
>>> colours = principal_colours(photographs)
>>> patches(photographs, places, parameters, colours=colours).shape
(3, 3, 32, 32)
>>> same_colours = parameters._replace(components=None, saturation=None, value=None, hue=None)
>>> patches(photographs, places, same_colours).shape
(3, 3, 32, 32)

Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.
"""

from typing import Any, NamedTuple

import numpy as np

from ..backend import array_module, to_cpu
from ..kernels.colours import hsv, raised, rgb
from ..kernels.memory import empty
from ..kernels.order import empty_images
from ..kernels.parallel import each
from ..kernels.resampling import bilinear, gaussian, separable
from .checks import as_many, exist, ordered, pair, valued, white
from .parameters import Parameters, Ranges, draw, rows

GPU_CHUNK = 1 << 24  # pixels at a time on a GPU, which wants many
CHUNK = 1 << 17  # pixels at a time: fewer make threads wait for each other, more leave the cache


class Places(NamedTuple):
    """Where n patches lie in their sources.

    index: (n,), the source's number; centre: (n, 2) as (down, right), pixel centres are whole
    numbers; window: (n,), sides in source pixels, or None: as many as the patch has.
    """

    index: Any
    centre: Any
    window: Any = None


class Colours(NamedTuple):
    """mean: (3,); directions: (3, 3), a principal component in each column, the strongest first;
    deviations: (3,), along them, which AlexNet's colours need and surrogates do not.
    """

    mean: Any
    directions: Any
    deviations: Any = None


def draw_within(places, image, rng, ranges=Ranges(), size=32, tries=50):
    """Parameters whose windows lie inside their sources, where some are found.

    image: (h, w) of the sources, or (n, 2), of each place's; size: of the patches, as for
    `patches`. What sticks out is drawn anew, up to so many tries; `inside` tells which windows
    still do. (The paper does not say what lies outside; its authors' program leaves such patches
    out, and classes get fewer of them.)
    """
    p, again = draw(len(places.index), rng, ranges), np.arange(len(places.index))
    image = np.broadcast_to(image, (len(again), 2))
    for _ in range(tries - 1):
        within = inside(rows(places, again), rows(p, again), image[again], size)
        again = again[~within]
        if not len(again):
            break
        for old, new in zip(p, draw(len(again), rng, ranges)):
            if new is not None:
                old[again] = new
    return p


def inside(places, parameters, image, size=32):
    """True where the whole window lies inside its source: (n,).

    Its outermost pixels, to be exact. image: (h, w) of the sources, or (n, 2), of each place's.

    >>> places = Places([0, 0], [[15.5, 15.5], [15.5, 15.0]])
    >>> inside(places, Parameters(), (32, 32))
    array([ True, False])
    """
    sides = pair(size)
    _, cosine, sine, shift = _map(places, parameters, sides, np.dtype(float))
    down, right = (np.array(sides) - 1) / 2
    turns = abs(np.stack([[cosine, sine], [sine, cosine]])).transpose(2, 0, 1)
    reach = turns @ [down, right]  # of the corners
    centre = np.asarray(places.centre) + shift
    return (reach <= np.minimum(centre, np.array(image) - 1 - centre)).all(1)


def principal_colours(images):
    """The principal components of all pixels' colours.  images: (n, 3, h, w) as for `patches`.

    >>> greys = np.linspace(0, 1, 16).reshape(1, 1, 4, 4) * np.array([1, 1, 0]).reshape(3, 1, 1)
    >>> abs(principal_colours(greys).directions[:, 0]).round(6)
    array([0.707107, 0.707107, 0.      ])
    """
    images = to_cpu(images)
    valued("principal_colours", images)
    if images.shape[1] != 3:
        raise ValueError(f"principal_colours: images are (n, 3, h, w), not {images.shape}")
    total, squares = np.zeros((3, 1)), np.zeros((3, 3))
    for image in images:
        R = image.reshape(3, -1).astype(float)
        total += R.sum(1, keepdims=True)
        squares += R @ R.T
    pixels = images.size // 3
    mean = total / pixels
    variances, directions = np.linalg.eigh(squares / pixels - mean @ mean.T)  # strongest last
    deviations = np.sqrt(variances[::-1].clip(0))
    return Colours(mean[:, 0] / white(images), directions[:, ::-1], deviations / white(images))


def transform(X, parameters, colours=None, index=None, order="first"):
    """The images warped, then their contrast and colours changed.  X: (n, c, h, w) in [0, 1].

    With three channels all parameters apply, and values are clipped to [0, 1]; colours:
    principal_colours of all images, needed for the components. With others only the affine map,
    blur, and value do, for all channels alike: see `contrast`. Made smaller than 2/3, a pixel is a
    mean as for `patches`. index: (m,), which images to transform, the same ones as often
    as wanted; by default each once. order: "first" or "last", where the batch stands in memory; a
    first convolution wants it last. Z: (m, c, h, w). What is done to images on a GPU is done there;
    parameters, colours and index are NumPy's all the same, as they are drawn, and go there.
    Raises ValueError if the numbers of images and parameters differ, or colours are missing.
    """
    sides = h, w = X.shape[2:]
    index = np.arange(len(X)) if index is None else index
    if len(index) < len(X):  # a batch of many: no border for all of them
        exist("transform", index, X)
        X, index = X[array_module(X).asarray(index)], np.arange(len(index))
    middle = Places(index, np.full((len(index), 2), [(h - 1) / 2, (w - 1) / 2]))
    P = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))

    def on_the_border(y, side):  # of zeros: one pixel further, all is the same
        np.clip(y, -1, side, out=y)
        y += 1

    return _transformed(
        "transform", P, on_the_border, sides, middle, parameters, sides, colours, order
    )


def patches(sources, places, parameters, size=32, colours=None, order="first"):
    """Patches of larger images, moved, scaled and turned about their places, then recoloured.

    sources: (m, c, h, w), finite, in [0, 1], or of bytes, which become so; places: of n windows;
    parameters: of n; size: of the patches, a number or (h, w); colours, order: as for `transform`,
    which also says what applies to which channels. Z: (n, c, *size), bilinear; where f > 1.5 pixels
    of the source come to one of the patch, the mean of round(f)^2 points in it. What lies outside a
    source is its mirror image. Threads as set by `threads` share the patches, 2^17 pixels at a time
    (128 patches of 32 x 32: make several batches at once); results do not depend on their number.
    Sources that are not contiguous are copied.
    Raises ValueError if a place has no source, numbers differ, or colours are missing.
    """

    def mirrored(y, side):
        np.abs(y, out=y)
        np.minimum(y, 2 * (side - 1) - y, out=y)
        np.clip(y, 0, side - 1, out=y)

    sides, X = pair(size), array_module(sources).ascontiguousarray(sources)
    image = X.shape[2:]
    return _transformed("patches", X, mirrored, image, places, parameters, sides, colours, order)


def _transformed(name, P, fold, image, places, parameters, sides, colours, order):
    """What `transform` and `patches` share.

    P: images, with a border or none; fold: moves coordinates in an image (h, w) into P, in place.
    """
    n, c, (h, w) = len(places.index), P.shape[1], sides
    _agree(name, P, places, parameters, colours, order)
    kind = P.dtype if P.dtype.kind == "f" else np.dtype(np.float32)
    xp = array_module(P)
    Z = empty_images((n, c, h, w), kind, xp, order)
    many = max(1, (CHUNK if xp is np else GPU_CHUNK) // (h * w))

    def some(first):
        chunk = slice(first, first + many)
        here, p = rows(places, chunk), rows(parameters, chunk)
        R = looked_up(here, p)
        if white(P) != 1:
            R *= kind.type(1 / white(P))
        if p.blur is not None:
            G = [xp.asarray(gaussian(p.blur, side, kind)) for side in sides]
            R = separable(R.reshape(c, -1, h, w), *G).reshape(R.shape)
        if order == "first":
            recolour(R, p, Z[chunk].reshape(-1, c, h * w).swapaxes(0, 1))
        else:
            # longer than a power of two: else a pixel of all images meets in the same cache lines
            A = empty((c, R.shape[1], h * w + 16), kind, xp)[..., : h * w]
            recolour(R, p, A)
            Z[chunk] = A.swapaxes(0, 1).reshape(-1, c, h, w)

    def looked_up(here, p):
        """The affine maps: (c, n, h w)."""
        per_side = np.rint(1 / _map(here, p, sides, kind)[0]).clip(1).astype(int)
        numbers = np.unique(per_side)
        if len(numbers) == 1:
            return mean_of(numbers[0], here, p)
        R = empty((c, len(per_side), h * w), kind, xp)
        for k in numbers:
            (alike,) = np.nonzero(per_side == k)
            R[:, xp.asarray(alike)] = mean_of(k, rows(here, alike), rows(p, alike))
        return R

    def mean_of(k, here, p):
        """The mean of k x k points spread over each pixel: (c, n, h w)."""
        R = empty((c, len(here.index), h * w), kind, xp)
        B = R if k == 1 else empty(R.shape, kind, xp)
        for number, part in enumerate(np.ndindex(k, k)):
            y, x = _coordinates(here, p, sides, kind, xp, (np.array(part) + 0.5) / k - 0.5)
            for s, side in ((y, image[0]), (x, image[1])):
                fold(s, side)
            bilinear(P, xp.asarray(here.index), y, x, B if number else R)
            if number:
                R += B
        if k > 1:
            R *= kind.type(1 / k**2)
        return R

    def recolour(R, p, A):
        if c == 3:
            _recolour(R, p, colours, A)
        elif p.value is None:
            A[...] = R
        else:
            value = xp.asarray(p.value).T
            A[...] = contrast(R[..., None].swapaxes(0, 1), *value)[..., 0].swapaxes(0, 1)

    each(some, range(0, n, many))
    return Z


def _stretched(R, share):
    """Values moved so far towards those where the least of an image is 0, the greatest 1."""
    low = R.min((0, 2))
    span = np.maximum(R.max((0, 2)) - low, np.finfo(R.dtype).tiny)
    factor = 1 + share * (1 / span - 1)
    R *= factor[:, None]
    R -= (share * low / span)[:, None]


def _recolour(R, p, colours, A):
    """Contrast 1, contrast 2 and colour: A from R, which is changed.  (3, n, q), in [0, 1]."""
    xp = array_module(R)
    if p.components is not None:
        mean, V, _ = colours
        M = (V * p.components[:, None]) @ V.T
        rest = mean - M @ mean
        B = empty(R.shape, R.dtype, xp)
        xp.matmul(xp.asarray(M, R.dtype), R.swapaxes(0, 1), out=B.swapaxes(0, 1))
        B += xp.asarray(rest.T, R.dtype)[..., None]  # mean + M (R - mean)
        R = B
    if p.stretch is not None:
        _stretched(R, xp.asarray(p.stretch, R.dtype))
    if p.components is not None or p.stretch is not None:
        np.clip(R, 0, 1, out=R)
    if p.value is None and p.saturation is None and p.hue is None:
        A[...] = R
        return
    H, S, V = hsv(R)
    for plane, change in ((V, p.value), (S, p.saturation)):
        if change is not None:
            raised(plane, *xp.asarray(change, R.dtype).T)
    if p.hue is not None:
        H += xp.asarray(6 * p.hue, R.dtype)[:, None]
    rgb(H, S, V, A)


def _coordinates(places, parameters, sides, kind, xp, within=(0, 0)):
    """Where in its source each pixel of each patch is looked up: (y, x), each (n, h w).

    (y, x)(q) = (R(-angle) q + shift sides) / zoom + centre, q from the centre of the patch; within:
    how far from the middle of a pixel, (down, right).
    """
    zoom, cosine, sine, shift = map(xp.asarray, _map(places, parameters, sides, kind))
    down, right = xp.meshgrid(
        *(
            xp.arange(side, dtype=kind) - kind.type((side - 1) / 2 - off)
            for side, off in zip(sides, within)
        ),
        indexing="ij",
    )
    centre = xp.asarray(places.centre, kind)
    coordinates = []
    for axis, (a, b) in enumerate(((cosine, sine), (-sine, cosine))):
        s, t = (empty((len(zoom), down.size), kind, xp) for _ in range(2))
        np.multiply(a[:, None], down.ravel(), out=s)
        s += np.multiply(b[:, None], right.ravel(), out=t)
        s += centre[:, axis, None]
        s += shift[:, axis, None]
        coordinates.append(s)
    return coordinates


def _map(places, parameters, sides, kind):
    """zoom, cos(angle) / zoom, sin(angle) / zoom: (n,), and shift in pixels of the source: (n, 2).

    zoom: pixels of the patch per pixel of the source, scale sides / window.
    """
    n = len(places.index)
    shift, scale, angle = (
        np.full(shape, rest, kind) if v is None else np.asarray(v)
        for v, shape, rest in zip(parameters[:3], ((n, 2), n, n), (0, 1, 0))
    )
    zoom = scale.astype(kind)
    if places.window is not None:
        zoom = zoom * (sides[0] / np.asarray(places.window)).astype(kind)
    cosine, sine = (f(angle).astype(kind) / zoom for f in (np.cos, np.sin))
    return zoom, cosine, sine, shift.astype(kind) * np.array(sides, kind) / zoom[:, None]


def warp(X, shift, scale, angle):
    """Images moved, scaled and turned about their centre, resampled once, bilinear, 0 outside.

    Z(q) = X((R(-angle) q + shift side) / scale), q from the centre: what a window sees that is
    turned, 1 / scale as large and moved by shift of its own side.  X, Z: (n, c, h, w); shift:
    (n, 2) as (down, right); scale, angle (radians; the content turns counter-clockwise): (n,).
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.

    >>> X = np.zeros((1, 1, 3, 3)); X[0, 0, 0, 1] = 1
    >>> warp(X, np.zeros((1, 2)), np.ones(1), np.full(1, np.pi / 2))[0, 0].round(6)
    array([[0., 0., 0.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """
    return transform(X, Parameters(shift, scale, angle))


def resized(images, factor):
    """Images enlarged or shrunk, bilinear; shrunk, a pixel is the mean of what it covers.

    images: (n, c, h, w), of floats or bytes, which they stay; factor: of both sides, which become
    round(factor h) and round(factor w). (The paper enlarges CIFAR-10 twice.)

    >>> resized(np.array([[[[0, 4, 8, 8]]]], np.float32), 2)[0, 0, 0]
    array([0., 1., 3., 5., 7., 8., 8., 8.], dtype=float32)
    """
    (h, w), n = images.shape[2:], len(images)
    sides = round(factor * h), round(factor * w)
    P = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    middle = np.full((n, 2), [(h + 1) / 2, (w + 1) / 2])
    places = Places(np.arange(n), middle, np.full(n, sides[0] / factor))
    Z = patches(P, places, Parameters(), sides)
    return Z if images.dtype.kind == "f" else np.rint(255 * Z).astype(np.uint8)


def contrast(X, power, factor, offset):
    """Z = X^power factor + offset, for each image.  X, Z: (n, c, h, w) in [0, 1]; others: (n,).

    Not clipped: a shift of all values is part of the variation.
    """
    power, factor, offset = (v[:, None, None, None] for v in (power, factor, offset))
    return X**power * factor + offset


def _agree(name, P, places, parameters, colours, order):
    """ValueError, as a sentence, if what `transform` and `patches` get does not fit together."""
    valued(name, P)
    n = len(places.index)
    as_many(name, n, parameters)
    for field, values in zip(Places._fields, places):
        if values is not None and len(values) != n:
            raise ValueError(f"{name}: {n} places, but {len(values)} of {field}")
    exist(name, places.index, P)
    if P.shape[1] == 3 and parameters.components is not None and colours is None:
        raise ValueError(
            f"{name}: the components of parameters are factors of principal colours: "
            "give colours=principal_colours(images), or parameters._replace(components=None)"
        )
    ordered(name, order)

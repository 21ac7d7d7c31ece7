"""Faults of a lens, planted: what tells where in the image a patch lies, whatever it shows.

>>> X = np.full((1, 3, 5, 5), 0.5)
>>> vignette(X, 0.4)[0, 0].round(2)
array([[0.3 , 0.38, 0.4 , 0.38, 0.3 ],
       [0.38, 0.45, 0.48, 0.45, 0.38],
       [0.4 , 0.48, 0.5 , 0.48, 0.4 ],
       [0.38, 0.45, 0.48, 0.45, 0.38],
       [0.3 , 0.38, 0.4 , 0.38, 0.3 ]])

Source: Doersch, Gupta and Efros, ICCV 2015 (context prediction), section 3.1, which names chromatic
aberration; their images had it by themselves.
"""

import numpy as np

from ..backend import array_module

GREEN = 1


def aberration(images, share):
    """Images whose green channel is shrunk by a share about the centre of the image.

    Z_1(q) = X_1(c + (q - c) / (1 - share)), bilinear, c the centre; red and blue stay. At a
    distance d from the centre green is moved by share d towards it: 0.01 moves it by 3 pixels in
    the corners of 500 x 375. What would lie beyond the border is the pixel at the border.
    images: (..., 3, h, w), bytes or floats, which they stay; share: [0, 1), 0.005 to 0.01 as in
    lenses; 0: the images themselves, exactly.
    Raises ValueError for images without three channels, and other shares.
    Source: section 3.1.

    >>> X = np.arange(5.0) * np.ones((1, 3, 5, 1))
    >>> aberration(X, 0.2)[0, :, 0]
    array([[0. , 1. , 2. , 3. , 4. ],
           [0. , 0.75, 2. , 3.25, 4. ],
           [0. , 1. , 2. , 3. , 4. ]])
    """
    checked("aberration", images)
    if images.shape[-3] != 3:
        raise ValueError(
            f"aberration: images are (..., 3, h, w), red, green and blue, not {images.shape}"
        )
    if not 0 <= share < 1:
        raise ValueError(f"aberration: share is from 0 to below 1, not {share!r}")
    xp, Z = array_module(images), images.copy("K")
    green = images[..., GREEN, :, :]
    for axis in (-2, -1):
        green = between(green, share, axis, xp)
    Z[..., GREEN, :, :] = like(green, images, xp)
    return Z


def vignette(images, strength):
    """Images whose brightness falls from the centre outwards: Z = X (1 - strength (d / D)^2).

    d: a pixel's distance from the centre, D: that of the pixels in the corners.
    images: (..., c, h, w), bytes or floats, which they stay; strength: [0, 1), by how much corners
    lose brightness; 0: the images themselves, exactly.
    Raises ValueError for other strengths: with 1 corners would be black.

    >>> vignette(np.full((1, 1, 1, 3), 200, np.uint8), 0.25)
    array([[[[150, 200, 150]]]], dtype=uint8)
    """
    checked("vignette", images)
    if not 0 <= strength < 1:
        raise ValueError(
            f"vignette: strength is from 0 to below 1, with which corners are black, not "
            f"{strength!r}"
        )
    y, x = (np.arange(side) - (side - 1) / 2 for side in images.shape[-2:])
    d = (y * y)[:, None] + x * x
    left = 1 - strength * d / (d[0, 0] or 1)
    xp = array_module(images)
    return like(images * xp.asarray(left, accurate(images)), images, xp)


def between(X, share, axis, xp):
    """X along an axis at c + (i - c) / (1 - share), linear, at most at its ends."""
    side = X.shape[axis]
    c = (side - 1) / 2
    place = np.clip(c + (np.arange(side) - c) / (1 - share), 0, side - 1)
    first = place.astype(int)
    second = np.minimum(first + 1, side - 1)
    shape = (-1, 1) if axis == -2 else (-1,)
    f = xp.asarray((place - first).reshape(shape), accurate(X))
    A, B = (X.take(xp.asarray(i), axis) for i in (first, second))
    return A * (1 - f) + B * f


def accurate(X):
    """The dtype in which images are computed: their own, of bytes float32."""
    return np.float32 if X.dtype == np.uint8 else X.dtype


def like(Z, X, xp):
    """Z in the dtype of X, bytes rounded."""
    return xp.rint(Z).astype(np.uint8) if X.dtype == np.uint8 else Z


def checked(name, X):
    """ValueError unless X are images of bytes or floats."""
    if X.ndim < 3 or not X.size or not (X.dtype.kind == "f" or X.dtype == np.uint8):
        raise ValueError(
            f"{name}: images are (..., c, h, w), of floats or bytes, not {X.shape} {X.dtype}"
        )

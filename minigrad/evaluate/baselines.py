"""Features that no one has learned, which learned ones must beat: pixels, and HOG."""

import numpy as np


def pixels(images):
    """The images themselves as features, (n, c h w) in float32; bytes become [0, 1].

    >>> pixels(np.full((2, 3, 4, 4), 255, np.uint8)).shape
    (2, 48)
    """
    flat = images.reshape(len(images), -1)
    return flat / np.float32(255) if images.dtype == np.uint8 else flat.astype(np.float32)


def hog(images, cell=8, block=2, orientations=9):
    """Histograms of oriented gradients, by scikit-image: (n, d) in float32.

    images: (n, c, h, w), of bytes or in [0, 1]; with several channels each pixel takes the gradient
    of the one where it is largest. cell: side of the cells in pixels; block: how many cells along a
    side are normalised together (L2-Hys), 2; orientations: bins of 180 degrees, 9, as in the
    source. d = ((h / cell - block + 1) block)^2 orientations for a square image. Cells of 8 are the
    source's; on held-out training images of CIFAR-10 smaller and larger ones were no better.
    Raises ValueError if an image is smaller than a block.
    Source: Dalal and Triggs, CVPR 2005.

    >>> hog(np.zeros((2, 3, 32, 32), np.uint8)).shape
    (2, 324)
    """
    from skimage.feature import hog as histograms

    if min(images.shape[2:]) < cell * block:
        h, w = images.shape[2:]
        raise ValueError(
            f"hog: a block has {block} x {block} cells of {cell} x {cell} pixels, "
            f"an image only {h} x {w}"
        )
    white = 255 if images.dtype == np.uint8 else 1
    return np.stack(
        [
            histograms(
                image.transpose(1, 2, 0) / np.float32(white),
                orientations,
                (cell, cell),
                (block, block),
                channel_axis=-1,
            )
            for image in images
        ]
    ).astype(np.float32)

"""Random crops as torchvision's RandomResizedCrop draws them, and images resampled from them.

>>> boxes(2, (32, 32), np.random.default_rng(0))
array([[ 1,  2, 31, 24],
       [ 2,  0, 28, 31]])
"""

import numpy as np

from ...backend import array_module
from ...kernels.memory import empty
from ...kernels.resampling import antialiased, separable
from ..checks import white

TRIES = 10  # to draw a crop that fits
RULES = ("torchvision", "torchvision 0.2.1")


def boxes(n, image, rng, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3), rule="torchvision"):
    """Random crops of images of sides (h, w): whole numbers (n, 4), (top, left, height, width).

    scale, ratio, rule: as of `Augmentation`. What does not fit is drawn again, which makes large
    areas rarer than uniform.
    """
    H, W = image
    old = rule == "torchvision 0.2.1"
    area = H * W * rng.uniform(*scale, (n, TRIES))
    r = rng.uniform(*ratio, (n, TRIES)) if old else np.exp(rng.uniform(*np.log(ratio), (n, TRIES)))
    w, h = np.rint(np.sqrt(area * r)), np.rint(np.sqrt(area / r))
    if old:
        turned = rng.random((n, TRIES)) < 0.5
        w, h = np.where(turned, h, w), np.where(turned, w, h)
    fits = (w > 0) & (w <= W) & (h > 0) & (h <= H)
    first = np.arange(n), fits.argmax(1)
    h, w, found = h[first], w[first], fits[first]
    if old:
        central = min(H, W), min(H, W)
    else:  # as much of the image as has an allowed shape
        central = min(H, np.rint(W / ratio[0])), min(W, np.rint(H * ratio[1]))
    h, w = (np.where(found, side, rest).astype(int) for side, rest in zip((h, w), central))
    top, left = (np.where(found, rng.integers(0, room + 1), room // 2) for room in (H - h, W - w))
    return np.stack([top, left, h, w], 1)


def check_boxes(box, image):
    """ValueError unless each box lies in an image of sides (h, w)."""
    corner, sides = box[:, :2], box[:, 2:]
    outside = ((corner < 0) | (sides < 1) | (corner + sides > image)).any(1)
    if outside.any():
        i = int(outside.argmax())
        raise ValueError(
            f"apply: box {i} is (top, left, height, width) = {tuple(box[i].tolist())}, "
            f"which does not lie in an image of {image[0]} x {image[1]}"
        )


def resampled(X, index, p, sides, kind):
    """Images in [0, 1], cropped, flipped, brought to a size: (c, n, *sides)."""
    xp = array_module(X)
    n, (c, *image) = len(index), X.shape[1:]
    R = empty((c, n, *image), kind, xp)
    np.multiply(X[xp.asarray(index)].swapaxes(0, 1), kind.type(1 / white(X)), out=R)
    if sides == tuple(image) and p.box is p.flip is p.upside_down is None:
        return R
    box = np.tile([0, 0, *image], (n, 1)) if p.box is None else p.box
    matrices = []
    for axis, turned in enumerate((p.upside_down, p.flip)):
        start, length = box[:, axis], box[:, 2 + axis]
        G = antialiased(start, length, sides[axis], image[axis], kind, xp)
        if turned is not None:
            which = xp.asarray(np.nonzero(turned)[0])
            G[which] = G[which, ::-1]
        matrices.append(G)
    return separable(R, *matrices)

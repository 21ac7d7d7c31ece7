"""Where in an image the evidence for a class lies: from inside the network, and from outside."""

import numpy as np

from ..kernels.windows import sliding


def class_maps(F, W):
    """M_c(y, x) = sum_k w_kc f_k(y, x), what each place adds to the score of each class.

    F: (n, k, h, w), the last maps of a network that sums or averages each map and then has one
    affine layer (W, b); W: (k, classes); M: (n, classes, h, w).
    The sum of M_c over a map that is summed (the mean, if it is averaged) is the logit of c less
    its bias b_c, which belongs to no place.
    Raises ValueError if there is not one weight for each map and class.
    Source: Zhou et al., CVPR 2016, section 2, equations 1 and 2.

    >>> F = np.array([[[[1.0, 0.0], [0.0, 3.0]]]])
    >>> class_maps(F, np.array([[2.0, -1.0]]))[0, 0]
    array([[2., 0.],
           [0., 6.]])
    """
    if F.ndim != 4 or W.ndim != 2 or len(W) != F.shape[1]:
        raise ValueError(
            f"class_maps: maps are (n, k, h, w) and weights (k, classes), "
            f"not {F.shape} and {W.shape}"
        )
    return np.moveaxis(np.tensordot(F, W, (1, 0)), 3, 1)


def occlusion(score, X, size, stride=1, value=0.0):
    """How much of a score is lost where a square is covered: (n, h', w').

    D(y, x) = score(X) - score(X with the square at stride (y, x) set to a value).
    score: a function from images to (n,) numbers, as the logits of their classes; X: (n, c, h, w);
    size, stride: of the square, numbers or (vertical, horizontal), stride 1; value: of what is
    covered, 0, or (c,) of each channel. It asks for the score h' w' + 1 times.
    Raises ValueError if the square does not fit into the images, or scores are not (n,).
    Source: Zeiler and Fergus, ECCV 2014, section 4.2; they show the score, here is what it lost.

    >>> X = np.array([[[[0.0, 0.0, 5.0]]]])
    >>> occlusion(lambda X: X.sum((1, 2, 3)), X, 1)
    array([[[0., 0., 5.]]])
    """
    g = sliding("occlusion", X.shape[2:], size, stride)
    whole = score(X)
    if np.shape(whole) != (len(X),):
        raise ValueError(
            f"occlusion: a score is one number for each of {len(X)} images, ({len(X)},), "
            f"not {np.shape(whole)}"
        )
    D = np.empty((len(X), *g.out), np.result_type(whole))
    for y, x in np.ndindex(g.out):
        top, left = y * g.stride[0], x * g.stride[1]
        covered = X.copy()
        square = covered[:, :, top : top + g.size[0], left : left + g.size[1]]
        square[...] = np.reshape(value, (-1, 1, 1))
        D[:, y, x] = whole - score(covered)
    return D

"""Max pooling. Write `maxpool`; hand in this file."""


def maxpool(X, size, stride):
    """Z = the greatest entry of each window of X.

    Z[n, c, i, j] = max over y, x < size of X[n, c, i stride + y, j stride + x]

    X: (n, c, h, w), images; size, stride: whole numbers; windows that would stick out are left out
    Z: (n, c, h', w') with h' = (h - size) // stride + 1 and w' alike

    Return Z and a function `back(dZ, dX)`, which adds to dX with +=. The greatest entry of a window
    gets all of its gradient. If several are equally great, choose one, or let them share.

    You may write the pair `maxpool_forward(X, size, stride)`, which returns (Z, cache), and
    `maxpool_backward(dZ, cache)`, which returns dX, instead.
    """
    raise NotImplementedError

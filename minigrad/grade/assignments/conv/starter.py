"""Convolution by im2col. Write `conv`; hand in this file."""


def conv(X, U, stride, padding):
    """Z = X convolved with the filters W, plus b.

    Z[n, k, i, j] = b[k] + sum over c, y, x of
                    W[k, c, y, x] P[n, c, i stride + y, j stride + x],
    where P is X with `padding` rows and columns of zeros on each of its four sides.
    The filters are not turned round.

    X: (n, c, h, w), images; U = (W, b) with W: (k, c, r, s), filters, and b: (k,)
    stride, padding: whole numbers
    Z: (n, k, h', w') with h' = (h + 2 padding - r) // stride + 1 and w' alike

    Return Z and a function `back(dZ, dX, dU)` with dU = (dW, db), which adds to all three with +=.

    You may write the pair `conv_forward(X, W, b, stride, padding)`, which returns (Z, cache), and
    `conv_backward(dZ, cache)`, which returns (dX, dW, db), instead.
    """
    raise NotImplementedError

"""Weight decay, addition, and an array that is used twice: write the functions below.

Each returns its value and a function `back`. back adds, with +=, to the gradients that it gets:
there may be something in them already.

You may write a pair, as decay_forward and decay_backward, instead. The parts of a tuple are then
arguments of their own: `decay_forward(W1, W2, W3, rate)` returns (R, cache), and
`decay_backward(dR, cache)` returns (dW1, dW2, dW3).
"""


def decay(W, rate):
    """R = rate / 2 * (||W1||^2 + ||W2||^2 + ||W3||^2), with the squares of all entries.

    W = (W1, W2, W3), arrays of any shape; rate: the slide's lambda; R: a number.

    Return R and `back(dR, dW)` with dW = (dW1, dW2, dW3).
    """
    raise NotImplementedError


def add(X):
    """S = X1 + X2 + X3.

    X = (X1, X2, X3), arrays of one shape, which may be () as that of a loss; S: of this shape.

    Return S and `back(dS, dX)` with dX = (dX1, dX2, dX3).
    """
    raise NotImplementedError


def loss(W, X, T, rate):
    """L = ||X W - T||^2 / (2 N) + rate / 2 * ||W||^2, with the squares of all entries.

    W: (D, K), X: (N, D), T: (N, K); rate: a number; L: a number.

    Return L and `back(dL, dW)`. X and T hold data and get no gradient.
    """
    raise NotImplementedError

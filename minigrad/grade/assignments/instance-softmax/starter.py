"""Instance softmax. Write `normalize` and `instance_softmax`; hand in this file.

You may write each as a pair, such as `normalize_forward(X)`, which returns (F, cache), and
`normalize_backward(dF, cache)`, which returns dX, instead.
"""


def normalize(X):
    """F = X / ||X||, every row by its own length.

    X, F: (n, d). A row of zeros stays zero, and gets gradient 0.

    Return F and a function `back(dF, dX)`, which adds to dX with +=.
    The length of a row depends on each of its entries.
    """
    raise NotImplementedError


def instance_softmax(F, tau):
    """J = -1/n sum over i of [ ln P(i' | i) + sum over j other than i, i' of ln(1 - P(j | i)) ].

    P(j | i) = exp(F_i F_j / tau) / sum over k other than i of exp(F_i F_k / tau)

    The two views of an image should be alike, and those of different images should not.

    F: (n, d) with n = 2 m, rows of length 1: the first views of m images, then their second views
       in the same order; i' is the other view of i
    tau: the temperature, a number; J: a number

    Return J and a function `back(dJ, dF)`, which adds to dF with +=.
    F stands on both sides of each product F_i F_j.
    """
    raise NotImplementedError

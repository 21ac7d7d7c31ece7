"""Instance softmax. Write `normalize` and `instance_softmax`; hand in this file."""


def normalize(X):
    """F = X / ||X||, every row by its own length.

    X, F: (n, d). A row of zeros stays zero, and gets gradient 0.

    back(dF, dX) adds to dX with +=. Every row's length depends on all entries of the row.
    """
    raise NotImplementedError


def instance_softmax(F, tau):
    """J = -1/n sum over i of [ ln P(i' | i) + sum over j other than i, i' of ln(1 - P(j | i)) ].

    P(j | i) = exp(F_i F_j / tau) / sum over k other than i of exp(F_i F_k / tau)

    The two views of an image should be alike, and those of different images should not.

    F: (n, d) with n = 2 m, rows of length 1: the first views of m images, then their second views
       in the same order; i' is the other view of i
    tau: the temperature, a number; J: a number

    back(dJ, dF) adds to dF with +=. F stands on both sides of each product F_i F_j.
    """
    raise NotImplementedError

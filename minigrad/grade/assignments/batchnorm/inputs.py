"""Arguments at which `batchnorm` is checked; the numbers are others when it is graded.

The means are near 0: where they are large, right formulas differ in their last digits.
"""


def drawn(rng, N, D):
    """X, (gamma, beta); the columns of X have spreads of their own."""
    X = rng.normal(size=(N, D)) * rng.uniform(0.3, 2, D) + rng.normal(size=D)
    return X, (rng.uniform(0.5, 2, D) * rng.choice([-1, 1], D), rng.normal(size=D))


def batchnorm_inputs(rng):
    for (N, D), eps in (((6, 4), 1e-2), ((4, 4), 1e-3)):
        yield *drawn(rng, N, D), eps


def batchnorm_edges(rng):
    X, U = drawn(rng, 5, 3)
    X[:, 1] = 0
    yield "a column of zeros", (X, U, 1e-3)
    yield "a batch of one", (*drawn(rng, 1, 3), 1e-3)
    yield "one column", (*drawn(rng, 4, 1), 1e-3)

"""What the losses of embeddings refuse, in sentences that name the culprit.

>>> check_alike("triplet", A=np.ones((2, 3)), P=np.ones((2, 4)))
Traceback (most recent call last):
ValueError: triplet: embeddings are (n, d), all of one shape, not A (2, 3), P (2, 4)
"""

import numpy as np


def check_alike(loss, **embeddings):
    """Raise ValueError unless all are (n, d) of one shape, and finite."""
    shapes = {X.shape for X in embeddings.values()}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        given = ", ".join(f"{name} {X.shape}" for name, X in embeddings.items())
        alike = ", all of one shape" if len(embeddings) > 1 else ""
        raise ValueError(f"{loss}: embeddings are (n, d){alike}, not {given}")
    check_finite(loss, **embeddings)


def check_finite(loss, **embeddings):
    """Raise ValueError if a row holds NaN or infinity."""
    for name, X in embeddings.items():
        finite = np.isfinite(X).all(1)
        if not finite.all():
            raise ValueError(
                f"{loss}: row {int(finite.argmin())} of {name} {X.shape} is not finite: what made "
                "it has diverged: lower the rate, and see `minigrad.learn.watch`"
            )


def check_filled(loss, **embeddings):
    """Raise ValueError if one of them has no rows."""
    for name, X in embeddings.items():
        if not len(X):
            raise ValueError(f"{loss}: {name} {X.shape} is empty: one row at least is wanted")


def check_labels(loss, y, n, classes=None, name="y"):
    """Raise ValueError unless y is (n,) whole numbers, from 0 to classes - 1 if these are given."""
    if y.shape != (n,) or y.dtype.kind not in "iu":
        raise ValueError(f"{loss}: {name} is ({n},), whole numbers, not {y.shape} of {y.dtype}")
    if classes is not None and n and not (y.min() >= 0 and y.max() < classes):
        wrong = y.min() if y.min() < 0 else y.max()
        raise ValueError(f"{loss}: {name} holds {wrong}, and there are rows 0 to {classes - 1}")


def check_option(loss, name, option, choices):
    """Raise ValueError unless an option is one of the choices."""
    if option not in choices:
        raise ValueError(f"{loss}: {name} is {' or '.join(choices)}, not {option!r}")


def check_positive(loss, name, number):
    """Raise ValueError unless a number is above 0 and finite."""
    if isinstance(number, str) or not 0 < number < np.inf:
        raise ValueError(f"{loss}: {name} is above 0, not {number}")

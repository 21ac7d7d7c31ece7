from functools import partial

import numpy as np


class Activation:
    """Value and slope as functions of A; the slope at 0 is the mean of both sides."""

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def __call__(self, A, *rest):
        print(f"forward {A.shape}")
        return np.asfortranarray(self.value(A, *rest)), partial(self.back, (A.copy(), *rest))

    def back(self, kept, dZ, dA):
        print("back")
        np.add(dA, dZ * self.slope(*kept), out=dA)
        return dA


def logistic(A):
    return np.exp(-np.logaddexp(0, -A))


relu = Activation(lambda A: A * (A > 0), lambda A: np.heaviside(A, 0.5))
leaky_relu = Activation(
    lambda A, s: A * np.where(A > 0, 1, s), lambda A, s: s + (1 - s) * np.heaviside(A, 0.5)
)
sigmoid = Activation(logistic, lambda A: logistic(A) * logistic(-A))
tanh = Activation(np.tanh, lambda A: 1 - np.tanh(A) ** 2)

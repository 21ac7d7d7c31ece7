from functools import partial

import numpy as np


def gradients(X, gamma, m, s, dZ, dX, dU):
    N = len(X)
    sums, dots = dZ.sum(axis=0), np.einsum("nd,nd->d", X, dZ) - m * dZ.sum(axis=0)
    dU[0] += dots / s
    dU[1] += sums
    np.add(dX, gamma / s * (dZ - sums / N - (X - m) * dots / s**2 / N), out=dX)
    return dX, dU


def batchnorm(X, U, eps=1e-5):
    print(f"batch of {len(X)}")
    gamma, beta = U
    m = np.einsum("nd->d", X) / len(X)
    s = ((X**2).mean(axis=0) - m**2 + eps) ** 0.5
    Z = np.asfortranarray(X * (gamma / s) + (beta - m * gamma / s))
    return Z, partial(gradients, X, gamma, m, s)

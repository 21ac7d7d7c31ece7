"""The right answer: statistics of the batch, one mean and variance a column."""

import numpy as np


def batchnorm(X, U, eps):
    gamma, beta = U
    N = len(X)
    C = X - X.mean(0)
    V = (C * C).sum(0) / N
    S = np.sqrt(V + eps)
    H = C / S
    Z = gamma * H + beta

    def back(dZ, dX, dU):
        dgamma, dbeta = dU
        dH = gamma * dZ
        dX += (dH - dH.mean(0) - H * (H * dH).mean(0)) / S
        dgamma += (dZ * H).sum(0)
        dbeta += dZ.sum(0)

    return Z, back

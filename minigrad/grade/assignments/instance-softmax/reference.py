"""Instance softmax: features of unit length, and the loss that tells each image from all others."""

import numpy as np


def normalize(X):
    norm = np.sqrt((X * X).sum(1, keepdims=True))
    norm[norm == 0] = np.inf
    F = X / norm

    def back(dF, dX):
        dX += (dF - F * (F * dF).sum(1, keepdims=True)) / norm

    return F, back


def instance_softmax(F, tau):
    n = len(F)
    i = np.arange(n)
    other = (i + n // 2) % n
    S = F @ F.T / tau
    S[i, i] = -np.inf
    S -= S.max(1, keepdims=True)
    log_P = S - np.log(np.exp(S).sum(1, keepdims=True))
    P = np.exp(log_P)
    Q = P.copy()
    Q[i, other] = 0
    J = -(log_P[i, other].sum() + np.log1p(-Q).sum()) / n

    def back(dJ, dF):
        R = Q / (1 - Q)
        dS = P - P * R.sum(1, keepdims=True) + R
        dS[i, other] -= 1
        dS *= dJ / n
        dF += (dS + dS.T) @ F / tau

    return J, back

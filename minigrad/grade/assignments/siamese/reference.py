"""The losses of a siamese architecture, on pairs and on triplets of outputs."""

import numpy as np


def contrastive(F, G, t, margin):
    n = len(F)
    E = F - G
    D = np.sqrt((E * E).sum(1))
    H = np.maximum(margin - D, 0)
    L = (t * D**2 + (1 - t) * H**2).sum() / n

    def back(dL, dF, dG):
        slope = H / np.where(D > 0, D, np.inf)
        dE = dL / n * 2 * (t - (1 - t) * slope)[:, None] * E
        dF += dE
        dG -= dE

    return L, back


def triplet(A, P, N, margin):
    n = len(A)
    Dp = ((A - P) ** 2).sum(1)
    Dn = ((A - N) ** 2).sum(1)
    cost = np.maximum(Dp - Dn + margin, 0)
    L = cost.sum() / n

    def back(dL, dA, dP, dN):
        w = dL / n * (cost > 0)[:, None]
        dA += w * 2 * (N - P)
        dP += w * 2 * (P - A)
        dN += w * 2 * (A - N)

    return L, back

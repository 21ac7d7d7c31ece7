"""Losses made of smaller functions, each with a back of its own."""

import numpy as np

from minigrad import needed, node


class Distance:
    """Squared distances of rows, and their gradients."""

    def __init__(self, A, B):
        self.E = np.subtract(A, B, order="F")
        self.value = (self.E**2) @ np.ones(A.shape[1])

    def back(self, dD, dA, dB):
        dE = 2 * self.E * dD.reshape(-1, 1)
        if needed(dA):
            dA += dE
        if needed(dB):
            dB -= dE


@node
def contrastive(F, G, t, margin):
    S = Distance(F, G)
    D = np.sqrt(S.value)
    near = (t == 0) & (margin > D) & (D != 0)
    coincide = (t == 0) & (D == 0)
    L = (
        S.value[t == 1].sum() + ((margin - D[near]) ** 2).sum() + margin**2 * coincide.sum()
    ) / len(t)

    def back(dL, dF, dG):
        dS = np.array(t)
        dS[near] = 1 - margin / D[near]
        S.back(dL / len(t) * dS, dF, dG)

    return L, back


@node
def triplet(A, P, N, margin):
    near, far = Distance(A, P), Distance(A, N)
    active = near.value + margin > far.value
    L = ((near.value - far.value + margin) * active).mean()

    def back(dL, dA, dP, dN):
        near.back(dL * active / len(A), dA, dP)
        far.back(-dL * active / len(A), dA, dN)

    return L, back

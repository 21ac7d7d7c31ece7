"""One pair after the other, and `>=` at the kinks; prints on the way."""

import math
import sys

import numpy as np


def contrastive(F, G, t, margin):
    L = 0.0
    for f, g, similar in zip(F, G, t):
        D = math.dist(f, g)
        L += D * D if similar else max(margin - D, 0) ** 2
    sys.stdout.write(f"contrastive {L}\n")

    def back(dL, dF, dG):
        for i, similar in enumerate(t):
            D = math.dist(F[i], G[i])
            if similar:
                pull = 2.0
            elif D == 0 or margin < D:
                continue
            else:
                pull = 2 - 2 * margin / D
            dF[i] += pull * dL * (F[i] - G[i]) / len(t)
            dG[i] += pull * dL * (G[i] - F[i]) / len(t)

    return L / len(t), back


def triplet(A, P, N, margin):
    costs = [sum((a - p) ** 2) - sum((a - n) ** 2) + margin for a, p, n in zip(A, P, N)]
    counted = [i for i, cost in enumerate(costs) if cost >= 0]

    def back(dL, *gradients):
        dA, dP, dN, *_ = gradients
        for i in counted:
            step = 2 * float(dL) / len(A)
            dA[i] += step * (N[i] - P[i])
            dP[i] += step * (P[i] - A[i])
            dN[i] += step * (A[i] - N[i])

    return np.array(sum(costs[i] for i in counted) / len(A)), back

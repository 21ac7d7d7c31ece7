"""Forward and backward apart; distances by einsum and norm, gradients chosen by a mask."""

import numpy as np


def contrastive_forward(F, G, t, margin):
    D = np.linalg.norm(F - G, axis=1)
    far = np.clip(margin - D, 0, None)
    return np.mean(np.where(t == 1, np.square(D), np.square(far))), (F, G, t, margin, D)


def contrastive_backward(dL, cache):
    F, G, t, margin, D = cache
    direction = np.divide(F - G, D[:, None], out=np.zeros(F.shape), where=D[:, None] != 0)
    near = (t != 1) & (margin > D)
    dD = 2 * D * (t == 1) - 2 * (margin - D) * near
    dF = dL * dD[:, None] * direction / D.size
    return dF, -dF


def triplet_forward(A, P, N, margin):
    E = np.stack([A - P, A - N])
    Dp, Dn = np.einsum("knd,knd->kn", E, E)
    active = Dp - Dn > -margin
    return np.dot(active, Dp - Dn + margin) / len(A), (E, active)


def triplet_backward(dL, cache):
    (Ep, En), active = cache
    w = 2 * dL * active[:, None] / len(active)
    return w * (Ep - En), -w * Ep, w * En

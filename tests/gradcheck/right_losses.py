"""Right softmaxes, losses and normalisations of unusual form, saturated and at their kinks."""

import numpy as np
from gradcheck.catalogue import Right, rights

RIGHT: list[Right] = []
right = rights(RIGHT)


def logits(sd):
    return lambda rng: (rng.normal(0, sd, (5, 4)),)


def labelled(sd):
    return lambda rng: (rng.normal(0, sd, (5, 4)), rng.integers(0, 4, 5))


@right(logits(1))
@right(logits(8), name="saturated_softmax")
def softmax_by_full_jacobian(A):
    E = np.exp(A - A.max(1, keepdims=True))
    Y = E / E.sum(1, keepdims=True)

    def back(dY, dA):
        for n, y in enumerate(Y):
            dA[n] += (np.diag(y) - np.outer(y, y)) @ dY[n]

    return Y, back


@right(logits(1))
def softmax_by_stacked_jacobians(A):
    E = np.exp(A - A.max(axis=1)[:, None])
    Y = E / E.sum(axis=1)[:, None]
    J = np.einsum("nk,kl->nkl", Y, np.eye(A.shape[1])) - Y[:, :, None] * Y[:, None, :]

    def back(dY, dA):
        dA += np.einsum("nkl,nl->nk", J, dY)

    return Y, back


@right(logits(2))
def log_softmax_in_place_on_its_own(A):
    Z = A - A.max(1, keepdims=True)
    Z -= np.log(np.exp(Z).sum(1, keepdims=True))

    def back(dZ, dA):
        g = np.exp(Z)
        g *= -dZ.sum(1, keepdims=True)
        g += dZ
        dA += g

    return Z, back


@right(labelled(2))
@right(labelled(8), name="saturated_entropy")
def entropy_of_labels(A, t):
    n = len(t)
    S = A - A.max(1, keepdims=True)
    Z = S - np.log(np.exp(S).sum(1, keepdims=True))

    def back(dD, dA, dt):
        Y = np.exp(Z)
        Y[np.arange(n), t] -= 1
        Y *= dD / n
        dA += Y

    return -Z[np.arange(n), t].mean(), back


@right(lambda rng: (rng.normal(size=(5, 4)), rng.dirichlet(np.ones(4), 5)))
def entropy_of_soft_targets(A, T):
    m = A.max(1, keepdims=True)
    L = m + np.log(np.exp(A - m).sum(1, keepdims=True))

    def back(dD, dA, dT):
        s = T.sum(1, keepdims=True)
        dA += dD * (s * np.exp(A - L) - T) / len(A)
        dT += dD * (L - A) / len(A)

    return float(np.sum(T * (L - A)) / len(A)), back


@right(lambda rng: ((rng.normal(size=(3, 4)), [rng.normal(size=4), None]), 0.3))
def decay_of_a_nest(W, rate):
    w, (v, _) = W

    def back(dR, dW, drate):
        dw, (dv, _) = dW
        dw += dR * rate * w
        dv += dR * rate * v

    return rate / 2 * (np.vdot(w, w) + v @ v), back


@right(lambda rng: (np.r_[rng.normal(size=5), 1, 1, -1], np.array([1, -1] * 4)))
def hinge_at_its_margin(s, t):
    H = 1 - t * s

    def back(dD, ds):
        ds -= dD * t * (H >= 0) / len(s)

    return np.maximum(H, 0).mean(), back


@right(lambda rng: (np.r_[rng.normal(0, 2, 6), 1, -1],))
def huber_at_its_joint(e):
    def back(dD, de):
        de += dD * np.clip(e, -1, 1)

    return np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5).sum(), back


@right(lambda rng: (rng.normal(1, 2, (5, 3)), (rng.uniform(1, 2, 3), rng.normal(size=3))))
def batchnorm_with_all_terms(X, U, eps=1e-5):
    gamma, beta = U
    n = len(X)
    xmu = X - X.sum(0) / n
    var = (xmu**2).sum(0) / n
    istd = (var + eps) ** -0.5
    H = xmu * istd

    def back(dY, dX, dU):
        dgamma, dbeta = dU
        dbeta += dY.sum(0)
        dgamma += (dY * H).sum(0)
        dH = dY * gamma
        dvar = (dH * xmu).sum(0) * -0.5 * istd**3
        dmu = -(dH * istd).sum(0) + dvar * -2 * xmu.sum(0) / n
        dX += dH * istd + dvar * 2 * xmu / n + dmu / n

    return gamma * H + beta, back


@right(lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=3)))
def bias_before_batchnorm(X, b):
    A = X + b
    s = A.std(0)
    H = (A - A.mean(0)) / s

    def back(dH, dX, db):
        g = (dH - dH.mean(0) - H * (dH * H).mean(0)) / s
        dX += g
        db += g.sum(0)

    return H, back


@right(lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)))
def layer_norm(X, gamma, beta):
    mu, s = X.mean(-1, keepdims=True), np.sqrt(X.var(-1, keepdims=True) + 1e-5)
    H = (X - mu) / s

    def back(dY, dX, dgamma, dbeta):
        g = dY * gamma
        dX += (g - g.mean(-1, keepdims=True) - H * (g * H).mean(-1, keepdims=True)) / s
        dgamma += (dY * H).sum(0)
        dbeta += dY.sum(0)

    return gamma * H + beta, back


@right(logits(1e-6), name="unit_length_of_tiny_rows")
@right(logits(1))
def unit_length_by_projection(X):
    R = np.linalg.norm(X, axis=1)
    F = X / R[:, None]

    def back(dF, dX):
        for n, f in enumerate(F):
            dX[n] += (np.eye(len(f)) - np.outer(f, f)) @ dF[n] / R[n]

    return F, back


def directions(rng, n, k):
    U = rng.normal(size=(n, k))
    return U / np.linalg.norm(U, axis=1, keepdims=True)


def pairs(rng):
    """Similar and dissimilar pairs near and far; the fourth is equal, and similar."""
    F = rng.normal(size=(4, 3))
    d = np.c_[[0.8, 0.5, 1.5, 0.0]]
    return F, F + d * directions(rng, 4, 3), np.array([1, 0, 0, 1])


@right(pairs)
def contrastive_with_margin_mask(F, G, t, margin=1.0):
    E = F - G
    d = np.linalg.norm(E, axis=1)
    inside = (t == 0) & (d < margin)
    D = np.where(t == 1, d**2, np.where(inside, (margin - d) ** 2, 0)).mean()

    def back(dD, dF, dG):
        s = np.where(t == 1, 2, 0) - inside * 2 * (margin - d) / np.where(d > 0, d, 1)
        g = dD / len(t) * s[:, None] * E
        dF += g
        dG -= g

    return D, back


@right(lambda rng: tuple(rng.normal(size=(3, 4, 2))))
def triplet_by_active_rows(A, P, N, margin=0.5):
    h = margin + ((A - P) ** 2).sum(1) - ((A - N) ** 2).sum(1)
    (active,) = np.nonzero(h > 0)

    def back(dD, dA, dP, dN):
        for i in active:
            dA[i] += 2 * dD * (N[i] - P[i])
            dP[i] += 2 * dD * (P[i] - A[i])
            dN[i] += 2 * dD * (A[i] - N[i])

    return np.sum(h[active]), back


@right(lambda rng: (rng.normal(size=(4, 3)), 0.5))
@right(lambda rng: (rng.normal(size=(4, 3)), 0.1), name="instance_softmax_at_0.1")
def instance_softmax_with_temperature(X, tau):
    n = len(X)
    R = np.sqrt((X**2).sum(1, keepdims=True))
    F = X / R
    S = F @ F.T / tau
    off = ~np.eye(n, dtype=bool)
    partner = (np.arange(n) + n // 2) % n
    m = S.max(1, keepdims=True)
    E = np.exp(S - m) * off
    L = np.log(E.sum(1)) + m[:, 0] - S[np.arange(n), partner]

    def back(dD, dX):
        dS = E / E.sum(1, keepdims=True)
        dS[np.arange(n), partner] -= 1
        dS *= dD / (n * tau)
        dF = dS @ F + dS.T @ F
        dX += (dF - F * (F * dF).sum(1, keepdims=True)) / R

    return L.mean(), back


def batchnorm_forward(x, gamma, beta, bn_param):
    mean, std = x.mean(axis=0), np.sqrt(x.var(axis=0) + bn_param["eps"])
    xhat = (x - mean) / std
    return gamma * xhat + beta, (xhat, gamma, std)


def batchnorm_backward(dout, cache):
    xhat, gamma, std = cache
    n = len(dout)
    dgamma, dbeta = (dout * xhat).sum(axis=0), dout.sum(axis=0)
    dx = gamma / (n * std) * (n * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def batch(rng):
    mode = {"mode": "train", "eps": 1e-5}
    return rng.normal(size=(5, 3)), rng.uniform(1, 2, 3), rng.normal(size=3), mode


right(batch, name="pair_batchnorm")((batchnorm_forward, batchnorm_backward))

import numpy as np


def decay_forward(*args):
    *W, rate = args
    return rate / 2 * sum(np.vdot(w, w) for w in W), args


def decay_backward(dR, cache):
    *W, rate = cache
    return [dR * rate * w for w in W]


def add_forward(X1, X2, X3):
    return X1 + X2 + X3, None


def add_backward(dS, cache):
    return dS, dS, dS


def loss_forward(W, X, T, rate):
    E = X @ W - T
    return 0.5 * np.mean(np.sum(E**2, axis=1)) + 0.5 * rate * np.sum(W**2), (W, X, E, rate)


def loss_backward(dL, cache):
    W, X, E, rate = cache
    return np.asfortranarray(dL * (X.T @ E / len(X) + rate * W))

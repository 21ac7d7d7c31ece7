import math

import numpy as np


def decay(W, rate):
    squares = [math.fsum(x * x for x in w.ravel().tolist()) for w in reversed(W)]

    def back(dR, dW):
        for w, dw in reversed(list(zip(W, dW))):
            np.add(dw, np.multiply(w, rate * float(dR)), out=dw)

    return rate * math.fsum(squares) / 2, back


def add(X):
    return np.sum(np.stack(X), axis=0), lambda dS, dX: [dx.__iadd__(dS) for dx in dX]


def loss(W, X, T, rate):
    def half_square(E):
        def back(dZ, dE):
            dE += dZ * E

        return np.vdot(E, E) / 2, back

    E = X @ W - T
    D, D_back = half_square(E)
    R, R_back = decay((W,), rate)
    L, L_back = add((np.array(D / len(X)), np.array(R), np.array(0.0)))

    def back(dL, dW):
        shares = [np.zeros(()) for _ in range(3)]
        L_back(dL, shares)
        dE = np.zeros_like(E)
        R_back(shares[1], (dW,))
        D_back(shares[0] / len(X), dE)
        dW += X.T @ dE

    return L, back

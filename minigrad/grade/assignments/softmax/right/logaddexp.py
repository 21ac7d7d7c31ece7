from functools import partial

import numpy as np


def loss(targets, A, T):
    print("targets", T.shape)
    T = targets(A, T)
    L = A - np.logaddexp.reduce(A, axis=1, keepdims=True)

    def back(dD, dA):
        np.add(dA, np.exp(L) * (dD / len(A)), out=dA)
        dA -= T * (dD / len(A))
        return dA

    return np.array(-np.vdot(T, L) / len(A)), back


entropy = partial(loss, lambda A, T: (T[:, None] == np.arange(A.shape[1])) * 1.0)
soft_entropy = partial(loss, lambda A, T: T)

"""The right answers: the average cross-entropy, as on the slide, with ln Y computed directly."""

import numpy as np


def log_softmax(A):
    S = A - A.max(1, keepdims=True)  # exp overflows beyond 709
    return S - np.log(np.exp(S).sum(1, keepdims=True))


def entropy(A, T):
    N, K = A.shape
    H = np.eye(K)[T]
    L = log_softmax(A)
    Y = np.exp(L)
    D = -(H * L).sum() / N

    def back(dD, dA):
        dA += dD * (Y - H) / N

    return D, back


def soft_entropy(A, T):
    M = len(A)
    L = log_softmax(A)
    Y = np.exp(L)
    D = -(T * L).sum() / M

    def back(dD, dA):
        dA += dD * (Y - T) / M

    return D, back

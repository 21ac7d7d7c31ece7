import numpy as np

from minigrad import node


@node
def relu(A):
    Z = A.copy()
    Z[Z < 0] = 0
    positive = A > 0

    def back(dZ, dA):
        dA += np.where(positive, dZ, 0)

    return Z, back


@node
def leaky_relu(A, slope=0.01):
    S = np.ones_like(A)
    S[A <= 0] = slope

    def back(dZ, dA):
        dA += S * dZ

    return S * A, back


@node
def sigmoid(A):
    E = np.exp(-np.abs(A))
    Z = np.where(A > 0, 1, E) / (1 + E)

    def back(dZ, dA):
        dA += dZ * E / (1 + E) ** 2

    return Z, back


@node
def tanh(A):
    E = np.exp(-2 * np.abs(A))

    def back(dZ, dA):
        dA += dZ * 4 * E / (1 + E) ** 2

    return np.sign(A) * (1 - E) / (1 + E), back

"""The right answers: one slope per entry, times the incoming gradient."""

import numpy as np


def relu(A):
    Z = np.maximum(A, 0)

    def back(dZ, dA):
        dA += dZ * (Z > 0)

    return Z, back


def leaky_relu(A, slope):
    Z = np.where(A > 0, A, slope * A)

    def back(dZ, dA):
        dA += dZ * np.where(A > 0, 1, slope)

    return Z, back


def sigmoid(A):
    with np.errstate(over="ignore"):  # exp(1000) is inf, and 1 / inf the right 0
        Z = 1 / (1 + np.exp(-A))

    def back(dZ, dA):
        dA += dZ * Z * (1 - Z)

    return Z, back


def tanh(A):
    Z = np.tanh(A)

    def back(dZ, dA):
        dA += dZ * (1 - Z * Z)

    return Z, back

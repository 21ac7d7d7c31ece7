# verdict: CRASH
# level: none
# stage: dX dW db
"""Ends by a signal: reads from address 0."""

import ctypes


def affine(X, U):
    W, b = U
    return X @ W + b, lambda dA, dX, dU: ctypes.string_at(0)

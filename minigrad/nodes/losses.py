"""Losses: how far the output is from the target, as one number.

>>> import numpy as np
>>> round(float(entropy(np.zeros((2, 10)), np.array([3, 7]))), 4)  # ln 10
2.3026
"""

import numpy as np

from ..backend import array_module
from ..engine import node
from ..tree import leaves


@node
def entropy(A, T):
    """D = -(1/n) sum_n sum_k T_nk ln Y_nk with Y = softmax(A), the average cross-entropy.

    A: (n, k) logits; T: (n,) integer labels below k, or (n, k) targets, soft ones too; D: ().
    The gradient is (s Y - T) / n, s the sum of a target's row (1 for a distribution).
    Raises ValueError if T does not fit A, or a label is out of range.
    Source: lecture, automatic differentiation.

    >>> float(entropy(np.array([[0.0, 1e4]]), np.array([1])))
    0.0
    """
    T = targets(A, T)
    n = len(A)
    S = A - A.max(1, keepdims=True)  # exp overflows beyond 709 in float64, 88 in float32
    E = np.exp(S)
    s = E.sum(1, keepdims=True)
    Y = E / s
    D = np.vdot(T, np.log(s) - S) / n  # ln Y = S - ln s, finite where Y is 0

    def back(dD, dA):
        dA += (T.sum(1, keepdims=True) * Y - T) * (dD / n)

    return D, back


def targets(A, T):
    """T as (n, k) targets of A's dtype: labels one-hot, targets as they are."""
    T = array_module(A).asarray(T) if isinstance(T, (list, tuple)) else T
    if A.ndim != 2 or not A.size:
        raise ValueError(f"entropy: A holds logits (n, k), at least one row of them, not {A.shape}")
    if T.shape == A.shape:
        return T if T.dtype == A.dtype else T.astype(A.dtype)
    if T.shape != A.shape[:1]:
        raise ValueError(
            f"entropy: A is {A.shape}, so T is {A.shape[:1]} or {A.shape}, not {T.shape}"
        )
    if T.dtype.kind not in "iu":
        raise ValueError(f"entropy: labels (n,) are integers, not {T.dtype}")
    if not (T.min() >= 0 and T.max() < A.shape[1]):
        wrong = T.min() if T.min() < 0 else T.max()
        raise ValueError(
            f"entropy: label {wrong} is out of range: A {A.shape} has classes 0 to {A.shape[1] - 1}"
        )
    return (T[:, None] == array_module(A).arange(A.shape[1])).astype(A.dtype)


@node
def decay(W, rate=1e-4):
    """R = (rate / 2) sum of all squared entries of the tree W.  W: a nest of arrays; R: ().

    Give it the weights only, as the slides do, not the biases; rate: 1e-4 by default.
    Source: lecture, automatic differentiation.

    >>> round(float(decay((np.ones((2, 3)), np.ones(2)), 0.1)), 6)
    0.4
    """
    R, W = 0.0, leaves(W)
    for w in W:
        R += np.vdot(w, w)
    R *= rate / 2

    def back(dR, dW):
        s = dR * rate
        for w, dw in zip(W, leaves(dW)):
            dw += s * w

    return R, back


@node
def squared_error(A, T):
    """D = (1/n) sum over samples of ||A_n - T_n||^2.  A, T: (n, ...) alike; D: ().

    Raises ValueError if the shapes differ or are empty.

    >>> float(squared_error(np.zeros((2, 3)), np.ones((2, 3))))
    3.0
    """
    if A.shape != T.shape or not A.size:
        raise ValueError(
            f"squared_error: A is {A.shape}, T {T.shape}: they must be alike, not empty"
        )
    n = len(A)
    E = A - T
    D = (E * E).sum() / n

    def back(dD, dA, dT):
        dA += dD * 2 * E / n
        dT -= dD * 2 * E / n

    return D, back

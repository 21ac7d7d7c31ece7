# verdict: MEMORY
# level: basic
# stage: shapes forward dX dW db
"""Doubles an array until there is no more memory, and uses all of it."""

import numpy as np


def affine(X, U):
    hoard = np.ones(1 << 20)
    while True:
        hoard = np.concatenate([hoard, hoard])

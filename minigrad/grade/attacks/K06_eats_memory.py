# verdict: MEMORY
# level: basic
# stage: shapes forward dX dW db
"""Takes memory until there is no more, and uses it."""

import numpy as np

hoard = []


def affine(X, U):
    while True:
        hoard.append(np.ones(1 << 21))

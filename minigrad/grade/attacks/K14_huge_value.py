# verdict: MEMORY
# level: basic
# stage: forward dX dW db
"""Returns a value of 8 GiB that takes 8 bytes until it is copied."""

import numpy as np


def affine(X, U):
    return np.broadcast_to(0.0, (1 << 15, 1 << 15)), lambda dA, dX, dU: None

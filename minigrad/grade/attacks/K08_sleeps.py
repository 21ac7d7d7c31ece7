# verdict: TIMEOUT
# level: none
# stage: shapes forward dX dW db
"""Sleeps, which takes no time of the processor."""

import time


def affine(X, U):
    time.sleep(1e6)

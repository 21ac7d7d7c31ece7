# verdict: FAIL
# level: none
# stage: dX dW db
"""Writes a gigabyte to stdout and stderr."""

import contextlib
import os

line = b"x" * 1023 + b"\n"
block = line * 1024
with contextlib.suppress(OSError):
    for _ in range(512):
        os.write(1, block)
        os.write(2, block)


def affine(X, U):
    W, b = U
    return X @ W + b, lambda dA, dX, dU: None

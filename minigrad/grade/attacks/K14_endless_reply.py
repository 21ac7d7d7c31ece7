# verdict: PROTOCOL CRASH TIMEOUT
# level: none
# stage: forward dX dW db
"""Announces a reply of 4 GiB on every descriptor and sends until somebody stops it."""

import os
import struct


def affine(X, U):
    announced = struct.pack("<IBH", (1 << 32) - 1, 3, 1)
    alive = list(range(256))
    block = announced + b"x" * (1 << 16)
    while alive:
        for descriptor in list(alive):
            try:
                os.write(descriptor, block)
            except OSError:
                alive.remove(descriptor)
    os._exit(0)

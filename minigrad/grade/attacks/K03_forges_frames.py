# verdict: PROTOCOL FAIL CRASH
# level: none
# stage: dX dW db
"""Writes frames of its own on every descriptor, before the runner can, then leaves."""

import contextlib
import os
import struct

arrays = b"".join(struct.pack("<BBI8d", 0, 1, 8, *[1.0] * 8) for _ in range(3))
frames = b"".join(struct.pack("<IBH", len(arrays), kind, 3) + arrays for kind in range(8))


def affine(X, U):
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            os.write(descriptor, frames * 8)
    os._exit(0)

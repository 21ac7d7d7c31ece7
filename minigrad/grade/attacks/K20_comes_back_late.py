# verdict: FAIL PROTOCOL
# level: none
# stage: dX dW db
"""Leaves things to do for later: at exit, in __del__, in a thread, and by an alarm."""

import atexit
import contextlib
import os
import signal
import struct
import threading
import time


def forge(*args):
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            os.write(descriptor, struct.pack("<IBH", 0, 3, 0) * 99)


class Last:
    def __del__(self):
        forge()
        time.sleep(1e6)


def late():
    time.sleep(0.05)
    while True:
        forge()


atexit.register(forge)
last = Last()
threading.Thread(target=late).start()
signal.signal(signal.SIGALRM, forge)
with contextlib.suppress(OSError):
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def affine(X, U):
    W, b = U
    return X @ W + b, lambda dA, dX, dU: None

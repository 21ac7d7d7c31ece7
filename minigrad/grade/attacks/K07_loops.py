# verdict: TIMEOUT
# level: none
# stage: shapes forward dX dW db
"""Computes for ever, deaf to signals and to exceptions."""

import contextlib
import signal

for number in signal.valid_signals():
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)


def affine(X, U):
    while True:
        with contextlib.suppress(BaseException):
            while True:
                pass

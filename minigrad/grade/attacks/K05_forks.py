# verdict: FAIL
# level: basic
# stage: dX dW db
"""Forks, by every door that there is, daemons in sessions of their own that fork again and stay."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

libc = ctypes.CDLL(None)
CLONE, CLONE3 = 56, 435
won = False


def stay(deeper=2):
    os.setsid()
    if deeper and os.fork() == 0:
        stay(deeper - 1)
    time.sleep(60)
    os._exit(0)


for _ in range(20):
    with contextlib.suppress(OSError):
        if os.fork() == 0:
            stay()
        won = True
wanted = (ctypes.c_uint64 * 8)(0, 0, 0, 0, signal.SIGCHLD)
for call in ((CLONE, signal.SIGCHLD, 0, 0, 0, 0), (CLONE3, wanted, 64)):
    child = libc.syscall(*call)
    if child == 0:
        stay()
    won = won or child > 0
with contextlib.suppress(OSError):
    subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    won = True
with contextlib.suppress(OSError):
    os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    won = True


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

# verdict: FAIL
# level: basic
# stage: dX dW db
"""Writes files wherever a file can be, and fills the disk with them."""

import os

NAME, MIB = "minigrad-K16", 1 << 20
home = os.path.expanduser("~")
places = [
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run",
    "/run/lock",
    home,
    ".",
    "/",
    os.environ.get("TMPDIR"),
]
won = []
for place in filter(None, places):
    path = os.path.join(place, NAME)
    for make in (
        lambda: open(path, "wb").write(bytes(8 * MIB)),
        lambda: os.mkdir(f"{path}-folder"),
        lambda: os.symlink("/etc/passwd", f"{path}-link"),
        lambda: os.mkfifo(f"{path}-pipe"),
    ):
        try:
            make()
            won.append(path)
        except OSError:
            pass
for path in ("/proc/self/oom_score_adj", "/proc/self/comm", home, "/tmp"):
    for change in (
        lambda: os.truncate(path, 0),
        lambda: os.chmod(path, os.stat(path).st_mode & 0o7777),
        lambda: os.utime(path),
    ):
        try:
            change()
            won.append(path)
        except OSError:
            pass
try:
    os.write(os.memfd_create(NAME), bytes(MIB))
    won.append("memory")
except OSError:
    pass


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

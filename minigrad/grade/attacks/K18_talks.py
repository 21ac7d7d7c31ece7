# verdict: FAIL
# level: basic
# stage: dX dW db
"""Opens connections, listens, and sends datagrams: to this machine, away, and by name."""

import socket

won = []
for family, address in (
    (socket.AF_INET, ("127.0.0.1", 22)),
    (socket.AF_INET, ("192.0.2.1", 443)),
    (socket.AF_INET6, ("::1", 22)),
    (socket.AF_UNIX, "/run/systemd/notify"),
    (socket.AF_UNIX, "\0minigrad"),
):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as door:
                won.append(address)
                door.settimeout(0.2)
                door.connect(address)
                door.send(b"the answers")
        except OSError:
            pass
try:
    socket.create_server(("127.0.0.1", 0)).close()
    won.append("a server")
except OSError:
    pass
try:
    socket.socketpair()
    won.append("a pair")
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

# verdict: FAIL
# level: none
# stage: dX dW db
"""Gives the right gradients the first time that it is asked, and half of them afterwards."""

asked = 0


def affine(X, U):
    W, b = U

    def back(dA, dX, dU):
        global asked
        asked += 1
        part = 1 if asked == 1 else 0.5
        dW, db = dU
        dX += part * dA @ W.T
        dW += part * X.T @ dA
        db += part * dA.sum(0)

    return X @ W + b, back

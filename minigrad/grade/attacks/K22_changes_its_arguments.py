# verdict: FAIL
# level: none
# stage: forward dX dW db
"""Changes what it is given until its wrong answers are right: all are zero, X and dA too."""


def affine(X, U):
    W, b = U
    A = X @ W + b
    for array in (X, W, b):
        array[...] = 0

    def back(dA, dX, dU):
        dA[...] = 0
        for array in (dX, *dU):
            array[...] = 0

    return A, back

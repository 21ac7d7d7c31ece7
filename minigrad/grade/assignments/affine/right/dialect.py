import numpy as np

from minigrad import needed, node


@node
def affine(X, U):
    print("forward", X.shape)
    W, b = U
    A = np.c_[X, np.ones(len(X))] @ np.r_[W, b[None]]

    def back(dA, dX, dU):
        print("back", dA.shape)
        dU[0] += X.T @ dA
        dU[1] += np.ones(len(X)) @ dA
        if needed(dX):
            dX += dA @ W.T
        return "done"

    return A, back

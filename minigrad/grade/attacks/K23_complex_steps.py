# verdict: FLAGGED
# level: none
# stage:
"""Takes complex steps, which are exact: the imaginary part of the forward at x + ih, over h."""

import numpy as np

H = 1e-30


def affine(X, U):
    W, b = U

    def back(dA, dX, dU):
        arrays = [a.astype(complex) for a in (X, W, b)]
        for array, d in zip(arrays, (dX, *dU)):
            for i in np.ndindex(d.shape):
                array[i] += 1j * H
                d[i] += (dA * affine(arrays[0], arrays[1:])[0].imag).sum() / H
                array[i] = array[i].real

    return X @ W + b, back

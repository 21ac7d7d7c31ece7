"""Normalisation of features.

>>> import numpy as np
>>> normalize(np.array([[3.0, 4.0]]))
array([[0.6, 0.8]])
"""

import numpy as np

from ..engine import node


@node
def normalize(X, axis=1):
    """Z = X / ||X||, unit length along the axis.  X, Z: (n, d), or any shape that has the axis.

    A zero vector stays zero, and so does its gradient.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    N = np.sqrt((X * X).sum(axis, keepdims=True))
    N[N == 0] = np.inf  # 0 / inf = 0, for the value and for the gradient
    Z = X / N

    def back(dZ, dX):
        dX += (dZ - Z * (dZ * Z).sum(axis, keepdims=True)) / N

    return Z, back

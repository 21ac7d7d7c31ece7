"""What stands on top of a network: for an embedding, the rows of its output made unit vectors.

>>> import numpy as np
>>> from minigrad import affine
>>> embedding = unit_rows(affine)
>>> embedding(np.array([[3.0, 0.0]]), (np.eye(2), np.array([0.0, 4.0])))
array([[0.6, 0.8]])
"""

from minigrad import block, normalize


def unit_rows(network):
    """The embedding that ends where a network ends: F = normalize(network(X, U, ...)).

    F: (n, d), for the d outputs of the network, whose linear last layer is the head. On unit rows
    ||f - g||^2 = 2 - 2 f . g, so that distances and cosines rank alike; a row of zeros stays zero.
    Source: Ye, Zhang, Yuen and Chang, CVPR 2019, section 3.
    """

    @block
    def embedding(X, U, **options):
        """Unit rows (n, d): those of the network, whose arguments and options these are."""
        return normalize(network(X, U, **options))

    return embedding

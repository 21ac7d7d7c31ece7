"""The network of DrLIM: two convolutions, pooled once between them, from digits to the plane.

It is trained by the contrastive loss, so that neighbours come to lie close together; the plane has
no unit rows, `embedding` is for the sphere.
The paper has no word on the pooling, on which maps the second convolution sees and on what is
between the layers: here means over 2 x 2, all maps, and relu.
Source: Hadsell, Chopra and LeCun, CVPR 2006, section 3.1.

>>> U = initial(np.random.default_rng(0))
>>> network(np.zeros((2, 1, 28, 28), np.float32), U).shape
(2, 2)
"""

import numpy as np

from minigrad import affine, avgpool, block, conv_pool, conv_pool_simple, flatten
from minigrad.learn import he

from .heads import unit_rows


def initial(rng, dimensions=2, channels=1):
    """First parameters: He's weights, biases 0.

    rng: a numpy Generator; dimensions: of the output, 2; channels: of the images, 1.
    """
    shapes = {"conv1": (15, channels, 6, 6), "conv2": (30, 15, 9, 9)}
    U = {name: (he(shape, rng), np.zeros(shape[0], np.float32)) for name, shape in shapes.items()}
    U["output"] = he((30 * 3 * 3, dimensions), rng, gain=1.0), np.zeros(dimensions, np.float32)
    return U


@block
def network(X, U, *, fused=True):
    """Points (n, dimensions).

    X: (n, c, 28, 28); U: parameters as from `initial`; fused: False takes plain nodes for the same
    numbers.
    """
    layer = conv_pool if fused else conv_pool_simple
    Z = avgpool(layer(X, U["conv1"], 1), 2)
    Z = layer(Z, U["conv2"], 1)
    return affine(flatten(Z), U["output"])


embedding = unit_rows(network)

"""Activation functions: write the four functions below, forward and back.

Each returns its value Z and a function `back(dZ, dA)`. dZ is the gradient of Z. back adds to dA,
with +=, what arrives there. A, Z, dZ and dA are arrays of any one shape.

You may write a pair `relu_forward(A)`, which returns (Z, cache), and `relu_backward(dZ, cache)`,
which returns dA, instead; likewise for the other three.
"""


def relu(A):
    """Z = max(0, A) for each entry."""
    raise NotImplementedError


def leaky_relu(A, slope):
    """Z = A where A > 0, and slope * A elsewhere.  slope: a number from 0 to 1."""
    raise NotImplementedError


def sigmoid(A):
    """Z = 1 / (1 + exp(-A)) for each entry."""
    raise NotImplementedError


def tanh(A):
    """Z = (exp(A) - exp(-A)) / (exp(A) + exp(-A)) for each entry.  NumPy has np.tanh."""
    raise NotImplementedError

"""The average cross-entropy of a softmax: write both functions below, forward and back.

Each returns its value D and a function `back(dD, dA)`. dD is the gradient of D, a number. back
adds to dA, with +=, what arrives there. T holds data and gets no gradient.

You may write a pair `entropy_forward(A, T)`, which returns (D, cache), and
`entropy_backward(dD, cache)`, which returns dA, instead; likewise for soft_entropy.
"""


def entropy(A, T):
    """D = -(1/N) sum over n of ln y_nk, where k = T[n] is the class of sample n.

    y_nk = exp(a_nk) / sum over j of exp(a_nj), the softmax of row n.

    A: (N, K) activations, T: (N,) whole numbers from 0 to K - 1; D: a number.
    """
    raise NotImplementedError


def soft_entropy(A, T):
    """D = -(1/N) sum over n and k of t_nk ln y_nk, with the softmax y_nk as above.

    A: (N, K) activations, T: (N, K) targets; each row of T sums to 1; D: a number.
    """
    raise NotImplementedError

import numpy as np

from minigrad import node


class Loss:
    """The chain rule in full: through the logarithm's share and the softmax's Jacobian."""

    def __init__(self, A, T):
        self.T = T
        S = A - A.max()
        if (np.exp(S).sum(1) < 1e-200).any():
            S = A - A.max(1, keepdims=True)
        self.Y = np.exp(S) / np.exp(S).sum(1, keepdims=True)
        self.L = S - np.log(np.exp(S).sum(1, keepdims=True))

    def value(self):
        return float(sum(-t @ l for t, l in zip(self.T, self.L)) / len(self.T))

    def back(self, dD, dA):
        for n, (y, t) in enumerate(zip(self.Y, self.T)):
            J = np.eye(len(y)) - y[None, :]
            dA[n] += -dD / len(self.T) * (t @ J)


@node
def soft_entropy(A, T):
    loss = Loss(A, T)
    return loss.value(), loss.back


@node
def entropy(A, T):
    one_hot = np.zeros_like(A)
    one_hot[np.arange(len(T)), T] = 1
    loss = Loss(A, one_hot)
    return loss.value(), loss.back

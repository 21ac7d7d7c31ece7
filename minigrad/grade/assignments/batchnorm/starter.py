"""Batch normalisation in training: write the function below, forward and back."""


def batchnorm(X, U, eps):
    """Z = gamma * H + beta with H = (X - mean) / sqrt(variance + eps), and U = (gamma, beta).

    mean and variance are those of each column of X over the batch; the variance is the mean of
    the squared differences from the mean (so it has 1/N, not 1/(N - 1)).

    X: (N, D), gamma and beta: (D,); eps: a small number; Z: (N, D).

    Return Z and a function `back(dZ, dX, dU)` with dU = (dgamma, dbeta). dZ is the gradient of Z.
    back adds to dX, dgamma and dbeta, with +=, what arrives there.

    You may write the pair `batchnorm_forward(X, gamma, beta, eps)`, which returns (Z, cache), and
    `batchnorm_backward(dZ, cache)`, which returns (dX, dgamma, dbeta), instead.
    """
    raise NotImplementedError

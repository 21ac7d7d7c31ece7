"""The affine layer: write the function below, forward and back."""


def affine(X, U):
    """A = X W + b with U = (W, b): each row of X is a sample, and each gets the same b.

    X: (N, D), W: (D, K), b: (K,); A: (N, K).

    Return A and a function `back(dA, dX, dU)` with dU = (dW, db). dA is the gradient of A.
    back adds to dX, dW and db, with +=, what arrives there. Each has the shape of its array.

    You may write the pair `affine_forward(X, W, b)`, which returns (A, cache), and
    `affine_backward(dA, cache)`, which returns (dX, dW, db), instead.
    """
    raise NotImplementedError

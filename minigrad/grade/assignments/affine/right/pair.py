import numpy as np


def affine_forward(X, W, b):
    return np.dot(X, W) + b, (X, W)


def affine_backward(dA, cache):
    X, W = cache
    return np.dot(dA, W.T), np.dot(X.T, dA), np.sum(dA, axis=0)

"""Right convolutions and poolings: by loops, im2col and einsum; strides, padding, ties."""

import numpy as np
from gradcheck.catalogue import Right, rights
from numpy.lib.stride_tricks import sliding_window_view

RIGHT: list[Right] = []
right = rights(RIGHT)


def images(rng):
    return rng.normal(size=(2, 1, 4, 4)), rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2)


def coloured(rng):
    return rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(3, 2, 2, 2)), rng.normal(size=3)


@right(images)
def conv_by_loops_with_stride(X, W, b, stride=2):
    k, c, r, s = W.shape
    n, _, h, w = X.shape
    Z = np.zeros((n, k, (h - r) // stride + 1, (w - s) // stride + 1))
    for m, f, i, j in np.ndindex(Z.shape):
        y, x = i * stride, j * stride
        Z[m, f, i, j] = (X[m, :, y : y + r, x : x + s] * W[f]).sum() + b[f]

    def back(dZ, dX, dW, db):
        for m, f, i, j in np.ndindex(Z.shape):
            y, x, g = i * stride, j * stride, dZ[m, f, i, j]
            dW[f] += g * X[m, :, y : y + r, x : x + s]
            dX[m, :, y : y + r, x : x + s] += g * W[f]
            db[f] += g

    return Z, back


@right(coloured)
@right(images, name="conv_by_im2col_grey")
def conv_by_im2col_with_padding(X, W, b, pad=1):
    n, c, h, w = X.shape
    k, _, r, s = W.shape
    P = np.pad(X, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    y = np.arange(h + 2 * pad - r + 1)[:, None, None, None] + np.arange(r)[:, None]
    x = np.arange(w + 2 * pad - s + 1)[:, None, None] + np.arange(s)
    cols = P[:, :, y, x].transpose(0, 2, 3, 1, 4, 5)
    out = cols.shape[:3]
    cols = cols.reshape(-1, c * r * s)
    F = W.reshape(k, -1)
    Z = (cols @ F.T + b).reshape(*out, k).transpose(0, 3, 1, 2)

    def back(dZ, dX, dW, db):
        D = dZ.transpose(0, 2, 3, 1).reshape(-1, k)
        dW += (D.T @ cols).reshape(W.shape)
        db += D.sum(0)
        dcols = (D @ F).reshape(*out, c, r, s).transpose(0, 3, 1, 2, 4, 5)
        dP = np.zeros_like(P)
        np.add.at(dP, np.s_[:, :, y, x], dcols)
        dX += dP[:, :, pad : pad + h, pad : pad + w]

    return Z, back


@right(coloured)
def conv_by_einsum(X, W, b):
    V = sliding_window_view(X, W.shape[2:], axis=(2, 3))

    def back(dZ, dX, dW, db):
        dW += np.einsum("nchwrs,nkhw->kcrs", V, dZ)
        db += np.einsum("nkhw->k", dZ)
        D = np.pad(dZ, ((0, 0), (0, 0), (1, 1), (1, 1)))
        D = sliding_window_view(D, W.shape[2:], axis=(2, 3))
        dX += np.einsum("nkhwrs,kcrs->nchw", D, W[:, :, ::-1, ::-1])

    return np.einsum("nchwrs,kcrs->nkhw", V, W) + b[:, None, None], back


@right(lambda rng: (rng.normal(size=9), rng.normal(size=3)))
def filtered_signal(x, w):
    def back(dz, dx, dw):
        dx += np.convolve(dz, w)
        dw += np.correlate(x, dz, "valid")

    return np.correlate(x, w, "valid"), back


def tied(rng):
    X = rng.integers(0, 3, (2, 1, 4, 4)).astype(float)
    X[0, 0, 0, :2] = 3
    return (X,)


def generic(rng):
    return (rng.normal(size=(2, 1, 4, 4)),)


@right(tied)
@right(generic, name="maxpool_without_ties")
def maxpool_of_the_first_winner(X):
    n, c, h, w = X.shape
    B = X.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(n, c, h // 2, w // 2, 4)
    winner = B.argmax(-1)[..., None]

    def back(dZ, dX):
        D = np.zeros(B.shape)
        np.put_along_axis(D, winner, dZ[..., None], -1)
        dX += D.reshape(n, c, h // 2, w // 2, 2, 2).swapaxes(3, 4).reshape(X.shape)

    return B.max(-1), back


@right(tied)
def maxpool_that_shares(X):
    n, c, h, w = X.shape
    B = X.reshape(n, c, h // 2, 2, w // 2, 2)
    Z = B.max((3, 5), keepdims=True)
    M = Z == B

    def back(dZ, dX):
        share = dZ[:, :, :, None, :, None] / M.sum((3, 5), keepdims=True)
        dX += (M * share).reshape(X.shape)

    return Z[:, :, :, 0, :, 0], back


@right(tied)
def maxpool_of_the_last_winner_by_loops(X):
    Z = np.full((2, 1, 3, 3), -np.inf)
    winner = {}
    for n, i, j in np.ndindex(2, 3, 3):
        for y, x in np.ndindex(2, 2):
            if X[n, 0, i + y, j + x] >= Z[n, 0, i, j]:
                Z[n, 0, i, j] = X[n, 0, i + y, j + x]
                winner[n, i, j] = n, 0, i + y, j + x

    def back(dZ, dX):
        for (n, i, j), place in winner.items():
            dX[place] += dZ[n, 0, i, j]

    return Z, back


@right(generic)
def avgpool_that_overlaps(X):
    def back(dZ, dX):
        for i, j in np.ndindex(2, 2):
            dX[:, :, i : i + 3, j : j + 3] += dZ / 4

    return sliding_window_view(X, (2, 2), axis=(2, 3)).mean((4, 5)), back


@right(generic)
def global_average(X):
    def back(dZ, dX):
        dX += (dZ / X[0, 0].size)[:, :, None, None]

    return X.mean(axis=(2, 3)), back


@right(lambda rng: (rng.normal(size=(2, 1, 2, 3)),))
def upsampling_by_repetition(X):
    def back(dZ, dX):
        dX += dZ.reshape(2, 1, 2, 2, 3, 2).sum((3, 5))

    return X.repeat(2, 2).repeat(2, 3), back


def conv_forward(x, w, b, conv_param):
    pad, stride = conv_param["pad"], conv_param["stride"]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    V = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwrs,kcrs->nkhw", V, w) + b[:, None, None]
    return out, (xp, V, w, conv_param)


def conv_backward(dout, cache):
    xp, V, w, conv_param = cache
    pad, stride = conv_param["pad"], conv_param["stride"]
    dxp = np.zeros_like(xp)
    for i, j in np.ndindex(dout.shape[2:]):
        y, x = i * stride, j * stride
        dxp[:, :, y : y + w.shape[2], x : x + w.shape[3]] += np.tensordot(dout[:, :, i, j], w, 1)
    dw = np.einsum("nchwrs,nkhw->kcrs", V, dout)
    return dxp[:, :, pad:-pad, pad:-pad], dw, dout.sum(axis=(0, 2, 3))


right(lambda rng: (*images(rng), {"stride": 2, "pad": 1}), name="pair_conv")(
    (conv_forward, conv_backward)
)

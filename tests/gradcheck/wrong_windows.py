"""Convolutions and pooling with one mistake each."""

import numpy as np
from gradcheck.catalogue import Case, wrongs
from numpy.lib.stride_tricks import sliding_window_view

WRONG: list[Case] = []
wrong = wrongs(WRONG)


def images(rng):
    return rng.normal(size=(2, 2, 3, 3)), rng.normal(size=(3, 2, 2, 2)), rng.normal(size=3)


def padded_images(rng):
    return rng.normal(size=(2, 1, 3, 3)), rng.normal(size=(2, 1, 3, 3)), rng.normal(size=2)


def strided_images(rng):
    return rng.normal(size=(2, 1, 4, 4)), rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2)


def pooled_images(rng):
    return (rng.normal(size=(2, 1, 4, 4)),)


def windows(X, size):
    """Windows (n, c, h', w', r, s) of images, a view."""
    return sliding_window_view(X, size, axis=(2, 3))


def correlate(X, W):
    return np.einsum("nchwrs,kcrs->nkhw", windows(X, W.shape[2:]), W)


def input_gradient(W, dZ):
    """dZ padded by the filter less one, correlated with the filter turned by 180 degrees."""
    r, s = W.shape[2:]
    D = np.pad(dZ, ((0, 0), (0, 0), (r - 1, r - 1), (s - 1, s - 1)))
    return correlate(D, W[:, :, ::-1, ::-1].swapaxes(0, 1))


def weights_gradient(X, dZ):
    size = X.shape[2] - dZ.shape[2] + 1, X.shape[3] - dZ.shape[3] + 1
    return np.einsum("nchwrs,nkhw->kcrs", windows(X, size), dZ)


@wrong(34, "rotated", images)
def conv_dw_rotated(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(X, dZ)[:, :, ::-1, ::-1]
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(34, "rotated", images)
def conv_dx_by_unrotated_filter(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        D = np.pad(dZ, ((0, 0), (0, 0), (1, 1), (1, 1)))
        dX += np.einsum("nkhwrs,kcrs->nchw", windows(D, (2, 2)), W)
        dW += weights_gradient(X, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(35, "counted once", images)
def conv_patches_assigned(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        G = np.zeros_like(X)
        for i in range(Z.shape[2]):
            for j in range(Z.shape[3]):
                G[:, :, i : i + 2, j : j + 2] = np.tensordot(dZ[:, :, i, j], W, 1)
        dX += G
        dW += weights_gradient(X, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(36, "counted once", images)
def conv_col2im_by_fancy_index(X, W, b):
    n, c, h, w = X.shape
    index = windows(np.arange(X[0].size).reshape(1, c, h, w), W.shape[2:])[0]
    index = index.transpose(1, 2, 0, 3, 4).reshape(-1, W[0].size)
    cols = X.reshape(n, -1)[:, index]
    F = W.reshape(len(W), -1)
    Z = (cols @ F.T + b).transpose(0, 2, 1).reshape(n, len(W), h - 1, w - 1)

    def back(dZ, dX, dW, db):
        D = dZ.reshape(n, len(W), -1).transpose(0, 2, 1)
        G = np.zeros((n, X[0].size))
        G[:, index] += D @ F
        dX += G.reshape(X.shape)
        dW += np.tensordot(D, cols, ((0, 1), (0, 1))).reshape(W.shape)
        db += D.sum((0, 1))

    return Z, back


def padded(X):
    return np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))


@wrong(37, "shape", padded_images)
def conv_padding_left_on(X, W, b):
    P = padded(X)
    Z = correlate(P, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(P, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(37, "border", padded_images)
def conv_padding_cut_twice(X, W, b):
    P = padded(X)
    Z = correlate(P, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        inside = input_gradient(W, dZ)[:, :, 1:-1, 1:-1]
        dX[:, :, 1:-1, 1:-1] += inside[:, :, 1:-1, 1:-1]
        dW += weights_gradient(P, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(37, ("misplaced", "border"), padded_images)
def conv_padding_cut_on_one_side(X, W, b):
    P = padded(X)
    Z = correlate(P, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)[:, :, 2:, 2:]
        dW += weights_gradient(P, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(0, ("border", "summand missing"), lambda rng: (rng.normal(size=8), rng.normal(size=3)))
def filter_loop_stops_early(x, w):
    n, r = len(x), len(w)
    z = np.array([x[i : i + r] @ w for i in range(n - r + 1)])

    def back(dz, dx, dw):
        for i in range(n - r):
            dx[i : i + r] += dz[i] * w
        for i in range(n - r + 1):
            dw += dz[i] * x[i : i + r]

    return z, back


@wrong(38, "misplaced", strided_images)
def conv_stride_not_in_back(X, W, b, stride=2):
    Z = correlate(X, W)[:, :, ::stride, ::stride] + b[:, None, None]

    def back(dZ, dX, dW, db):
        for i in range(Z.shape[2]):
            for j in range(Z.shape[3]):
                window = np.s_[:, :, i * stride : i * stride + 2, j * stride : j * stride + 2]
                dX[:, :, i : i + 2, j : j + 2] += np.tensordot(dZ[:, :, i, j], W, 1)
                dW += np.tensordot(dZ[:, :, i, j], X[window], ((0,), (0,)))
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(38, ("shape", "exception"), strided_images)
def conv_stride_forgotten(X, W, b):
    Z = correlate(X, W)[:, :, ::2, ::2] + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(X, dZ)
        db += dZ.sum((0, 2, 3))

    return Z, back


@wrong(39, "misplaced", images)
def conv_dw_reshaped_untransposed(X, W, b):
    Z = correlate(X, W) + b[:, None, None]
    k = len(W)

    def back(dZ, dX, dW, db):
        cols = windows(X, (2, 2)).transpose(0, 2, 3, 1, 4, 5).reshape(-1, W[0].size)
        D = dZ.transpose(0, 2, 3, 1).reshape(-1, k)
        dW += (cols.T @ D).reshape(W.shape)
        db += D.sum(0)
        dX += input_gradient(W, dZ)

    return Z, back


@wrong(39, ("misplaced", "wrong operand", "exception"), images)
def conv_channels_and_space_swapped(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        cols = windows(X, (2, 2)).transpose(0, 2, 3, 1, 4, 5).reshape(-1, W[0].size)
        dW += (dZ.reshape(len(W), -1) @ cols).reshape(W.shape)
        db += dZ.sum((0, 2, 3))
        dX += input_gradient(W, dZ)

    return Z, back


@wrong(40, "factor", images)
def conv_db_averages_space(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(X, dZ)
        db += dZ.mean(axis=(2, 3)).sum(axis=0)

    return Z, back


@wrong(40, ("shape", "exception"), images)
def conv_db_sums_samples_only(X, W, b):
    Z = correlate(X, W) + b.reshape(1, -1, 1, 1)

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(X, dZ)
        db += dZ.sum(0)

    return Z, back


@wrong(40, "batch sum missing", images)
def conv_db_first_image(X, W, b):
    Z = correlate(X, W) + b[:, None, None]

    def back(dZ, dX, dW, db):
        dX += input_gradient(W, dZ)
        dW += weights_gradient(X, dZ)
        db += dZ[0].sum((1, 2))

    return Z, back


def blocks(X):
    """2 x 2 blocks (n, c, h / 2, w / 2, 4)."""
    n, c, h, w = X.shape
    B = X.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4)
    return B.reshape(n, c, h // 2, w // 2, 4)


def unblocks(B):
    n, c, h, w, _ = B.shape
    return B.reshape(n, c, h, w, 2, 2).swapaxes(3, 4).reshape(n, c, 2 * h, 2 * w)


def enlarged(Z):
    return Z.repeat(2, axis=2).repeat(2, axis=3)


def tied_images(rng):
    X = rng.integers(0, 3, (2, 1, 4, 4)).astype(float)
    X[0, 0, 0, :2] = 3
    return (X,)


@wrong(41, "ties", tied_images)
def maxpool_pays_all_maxima(X):
    Z = blocks(X).max(-1)

    def back(dZ, dX):
        dX += enlarged(dZ) * (enlarged(Z) == X)

    return Z, back


@wrong(42, ("mask missing", "broadcast", "misplaced"), pooled_images)
def maxpool_with_average_gradient(X):
    Z = blocks(X).max(-1)

    def back(dZ, dX):
        dX += enlarged(dZ) / 4

    return Z, back


@wrong(42, ("mask missing", "broadcast", "misplaced"), pooled_images)
def maxpool_without_mask(X):
    Z = X.reshape(2, 1, 2, 2, 2, 2).max(axis=(3, 5))

    def back(dZ, dX):
        dX += np.kron(dZ, np.ones((2, 2)))

    return Z, back


@wrong(43, "misplaced", pooled_images)
def maxpool_argmax_of_all(X):
    Z = blocks(X).max(-1)

    def back(dZ, dX):
        D = np.zeros_like(blocks(X))
        for i in np.ndindex(Z.shape):
            D[(*i, blocks(X).argmax() % 4)] = dZ[i]
        dX += unblocks(D)

    return Z, back


@wrong(0, "misplaced", pooled_images)
def maxpool_pays_the_least(X):
    B = blocks(X)
    winner = B.argmin(-1)

    def back(dZ, dX):
        D = np.zeros_like(B)
        np.put_along_axis(D, winner[..., None], dZ[..., None], -1)
        dX += unblocks(D)

    return B.max(-1), back


@wrong(0, "counted once", lambda rng: (rng.normal(size=(3, 6)),))
def maxpool_overlapping_assigned(X):
    P = sliding_window_view(X, 3, 1)
    winner = P.argmax(-1) + np.arange(4)

    def back(dZ, dX):
        G = np.zeros_like(X)
        for n, i in np.ndindex(winner.shape):
            G[n, winner[n, i]] = dZ[n, i]
        dX += G

    return P.max(-1), back


@wrong(0, "factor", pooled_images)
def avgpool_not_divided(X):
    Z = blocks(X).mean(-1)

    def back(dZ, dX):
        dX += enlarged(dZ)

    return Z, back


def conv_forward(x, w, b):
    return correlate(x, w) + b[:, None, None], (x, w)


def conv_backward_rotated(dout, cache):
    x, w = cache
    return (
        input_gradient(w, dout),
        np.rot90(weights_gradient(x, dout), 2, (2, 3)),
        dout.sum((0, 2, 3)),
    )


wrong(34, "rotated", images, name="pair_conv_rotated")((conv_forward, conv_backward_rotated))

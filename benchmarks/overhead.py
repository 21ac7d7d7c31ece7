"""What the engine costs: the same training step by hand, with minigrad, and with its peers.

    python -m benchmarks.overhead [--rounds N] [--quick]

A step is: forward, average cross-entropy with one-hot targets + weight decay, backward, in-place
update. Steps follow each other as in training, 200 of the small network in a turn. Every variant is
a generator that starts from the same weights and yields a loss per step; nothing is timed before
their losses agree. They run on one thread, in turns, in shuffled order.
"""

import argparse
import functools
import os
import platform
import random
import statistics
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_limits

from minigrad import affine, block, decay, entropy, neg, relu, value_and_grad, var
from minigrad import sum as total
from minigrad.nodes import add
from minigrad.tree import Unwanted

RATE = 0.01
DECAY = 1e-4
TOLERANCE = 1e-9  # between losses after AGREE steps: float64 rounding leaves about 1e-15
AGREE = 20
CHAIN = 100_000
RUNS = 3


def problem(d, h, k, n):
    """X: (n, d), one-hot T: (n, k) and the weights ((W1, b1), (W2, b2)) of a d-h-k network."""
    rng = np.random.default_rng(0)
    X, T = rng.standard_normal((n, d)), np.eye(k)[rng.integers(k, size=n)]
    W1 = rng.standard_normal((d, h)) * (2 / d) ** 0.5
    W2 = rng.standard_normal((h, k)) * (2 / h) ** 0.5
    return X, T, ((W1, np.zeros(h)), (W2, np.zeros(k)))


def by_hand(X, T, U):
    """The base: every array is made once and overwritten in each step."""
    (W1, b1), (W2, b2) = U
    n = len(X)
    Z, dZ = np.empty((2, n, len(b1)))
    A, Y = np.empty((2, *T.shape))
    positive, s = np.empty(Z.shape, bool), np.empty((n, 1))
    dW1, db1, dW2, db2, R1, R2 = [np.empty_like(w) for w in (W1, b1, W2, b2, W1, W2)]
    while True:
        np.matmul(X, W1, Z)
        Z += b1
        np.maximum(Z, 0, out=Z)
        np.matmul(Z, W2, A)
        A += b2
        A -= A.max(1, s, keepdims=True)
        np.exp(A, Y)
        Y.sum(1, None, s, keepdims=True)
        D = (np.log(s).sum() - np.vdot(T, A)) / n
        L = D + DECAY / 2 * (np.vdot(W1, W1) + np.vdot(W2, W2))
        Y /= s
        Y -= T
        Y /= n
        np.matmul(Z.T, Y, dW2)
        Y.sum(0, None, db2)
        np.matmul(Y, W2.T, dZ)
        dZ *= np.greater(Z, 0, positive)
        np.matmul(X.T, dZ, dW1)
        dZ.sum(0, None, db1)
        dW1 += np.multiply(W1, DECAY, R1)
        dW2 += np.multiply(W2, DECAY, R2)
        for w, dw in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
            dw *= RATE
            w -= dw
        yield L


def by_hand_new_arrays(X, T, U):
    """As most people write it: products and sums make new arrays, the rest works in place."""
    (W1, b1), (W2, b2) = U
    n = len(X)
    while True:
        Z = X @ W1
        Z += b1
        np.maximum(Z, 0, out=Z)
        A = Z @ W2
        A += b2
        A -= A.max(1, keepdims=True)
        Y = np.exp(A)
        s = Y.sum(1, keepdims=True)
        D = (np.log(s).sum() - np.vdot(T, A)) / n
        L = D + DECAY / 2 * (np.vdot(W1, W1) + np.vdot(W2, W2))
        Y /= s
        Y -= T
        Y /= n
        dZ = Y @ W2.T
        dZ *= Z > 0
        dW1 = X.T @ dZ
        dW2 = Z.T @ Y
        dW1 += DECAY * W1
        dW2 += DECAY * W2
        for w, dw in ((W1, dW1), (b1, dZ.sum(0)), (W2, dW2), (b2, Y.sum(0))):
            dw *= RATE
            w -= dw
        yield L


def no_engine(X, T, U):
    """The bodies of the nodes, called in order by hand: the floor of anything built on them."""
    U1, U2 = U
    weights = (*U1, *U2)
    unwanted = Unwanted(X)
    while True:
        A, A_back = affine.plain(X, U1)
        Z, Z_back = relu.plain(A)
        B, B_back = affine.plain(Z, U2)
        D, D_back = entropy.plain(B, T)
        R, R_back = decay.plain((U1[0], U2[0]), DECAY)
        L, L_back = add.plain((D, R))
        dA, dZ, dB = np.zeros(A.shape), np.zeros(Z.shape), np.zeros(B.shape)
        dW1, db1, dW2, db2 = gradients = [np.zeros(w.shape) for w in weights]
        dL, dD, dR = np.ones(()), np.zeros(()), np.zeros(())
        L_back(dL, (dD, dR))
        R_back(dR, (dW1, dW2))
        D_back(dD, dB)
        B_back(dB, dZ, (dW2, db2))
        Z_back(dZ, dA)
        A_back(dA, unwanted, (dW1, db1))
        for w, dw in zip(weights, gradients):
            dw *= RATE
            w -= dw
        yield L


def minigrad(X, T, U):
    U1, U2 = var(U)
    while True:
        A = affine(relu(affine(X, U1)), U2)
        L = entropy(A, T) + decay((U1[0], U2[0]), DECAY)
        L.backward()
        for w in (*U1, *U2):
            w.grad *= RATE
            w.value -= w.grad
        yield L.value


@block
def model(X, U):
    U1, U2 = U
    return affine(relu(affine(X, U1)), U2)


@block
def loss(A, T, W):
    return entropy(A, T) + decay(W, DECAY)


def minigrad_blocks(X, T, U):
    U1, U2 = var(U)
    while True:
        L = loss(model(X, (U1, U2)), T, (U1[0], U2[0]))
        L.backward()
        for w in (*U1, *U2):
            w.grad *= RATE
            w.value -= w.grad
        yield L.value


def minigrad_value_and_grad(X, T, U):
    def objective(U, X, T):
        U1, U2 = U
        A = affine(relu(affine(X, U1)), U2)
        return entropy(A, T) + decay((U1[0], U2[0]), DECAY)

    step = value_and_grad(objective)
    while True:
        L, dU = step(U, X, T)
        for u, du in zip(U, dU):
            for w, dw in zip(u, du):
                dw *= RATE
                w -= dw
        yield L


def pytorch(X, T, U):
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    X, T = torch.from_numpy(X), torch.from_numpy(T)
    W1, b1, W2, b2 = weights = [torch.from_numpy(w).requires_grad_() for u in U for w in u]
    while True:
        A = torch.addmm(b2, torch.addmm(b1, X, W1).relu(), W2)
        L = cross_entropy(A, T) + DECAY / 2 * ((W1 * W1).sum() + (W2 * W2).sum())
        L.backward()
        with torch.no_grad():
            for w in weights:
                w.sub_(w.grad, alpha=RATE)
                w.grad = None
        yield L.detach()


def hips_autograd(X, T, U):
    import autograd.numpy as anp
    from autograd import value_and_grad

    def objective(U, X, T):
        (W1, b1), (W2, b2) = U
        A = anp.maximum(X @ W1 + b1, 0) @ W2 + b2
        S = A - anp.max(A, 1, keepdims=True)
        D = anp.mean(anp.log(anp.sum(anp.exp(S), 1)) - anp.sum(T * S, 1))
        return D + DECAY / 2 * (anp.sum(W1 * W1) + anp.sum(W2 * W2))

    step = value_and_grad(objective)
    while True:
        L, dU = step(U, X, T)
        for u, du in zip(U, dU):
            for w, dw in zip(u, du):
                dw *= RATE
                w -= dw
        yield L


BASE, OURS, PEER = "by hand", "minigrad", "PyTorch"
VARIANTS = {
    BASE: by_hand,
    "by hand, new arrays": by_hand_new_arrays,
    "no engine": no_engine,
    OURS: minigrad,
    "minigrad, two blocks": minigrad_blocks,
    "minigrad, value_and_grad": minigrad_value_and_grad,
    PEER: pytorch,
    "HIPS autograd": hips_autograd,
}


def start(sizes):
    """The variants that are installed, AGREE steps on; RuntimeError if their losses differ."""
    steps, losses = {}, {}
    for name, variant in VARIANTS.items():
        steps[name] = functools.partial(next, variant(*problem(*sizes)))
        try:
            losses[name] = [float(steps[name]()) for _ in range(AGREE)][-1]
        except ModuleNotFoundError:
            del steps[name]
    for name, L in losses.items():
        if not abs(L - losses[BASE]) <= TOLERANCE:
            raise RuntimeError(f"{name}: loss {L} after {AGREE} steps, {BASE} {losses[BASE]}")
    return steps


def measure(steps, rounds, calls):
    """Seconds per step of each variant, one entry a round."""
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name in random.sample(list(steps), len(steps)):
            step = steps[name]
            step()  # not timed: brings its arrays back into the caches
            begin = perf_counter()
            for _ in range(calls):
                step()
            times[name].append((perf_counter() - begin) / calls)
    return times


def ratio(times, name, base):
    """Median over the rounds of time / base's time in the same round: load cancels out."""
    return statistics.median(a / b for a, b in zip(times[name], times[base]))


def compare(title, sizes, rounds, calls):
    """Time the variants RUNS times and print a table; the best ratio of OURS to each variant."""
    steps = start(sizes)
    runs = [measure(steps, rounds, calls) for _ in range(RUNS)]
    print(f"\n{title}; after {AGREE} steps all losses agree to {TOLERANCE:g}")
    heads = "".join(f"{f'run {i + 1}':>8}" for i in range(RUNS))
    print(f"{'':24}{'us/step':>10}{heads}{'best':>8}  x {BASE}")
    for name in VARIANTS:
        if name not in steps:
            print(f"{name:24}  not installed")
            continue
        middle = 1e6 * statistics.median(t for times in runs for t in times[name])
        ratios = [ratio(times, name, BASE) for times in runs]
        print(f"{name:24}{middle:10.1f}" + "".join(f"{r:8.2f}" for r in (*ratios, min(ratios))))
    return {name: min(ratio(times, OURS, name) for times in runs) for name in steps}


def chain(length):
    """Microseconds per node, forward and backward, of a chain of nodes on three numbers."""
    X = var(np.ones(3))
    begin = perf_counter()
    Z = X
    for _ in range(length):
        Z = neg(Z)
    L = total(Z)
    middle = perf_counter()
    L.backward()
    end = perf_counter()
    return 1e6 * (middle - begin) / length, 1e6 * (end - middle) / length


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def verdict(label, ratios, base, goal, aim=""):
    if base not in ratios:
        print(f"{label} / {base}: not measured, not installed")
        return
    holds = "holds" if ratios[base] <= goal else "does not hold"
    print(f"{label} / {base}: {ratios[base]:.2f}, goal at most {goal}{aim}: {holds}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="in each run, 40 by default")
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough ratios")
    options = parser.parse_args()
    rounds = 5 if options.quick else options.rounds

    packages = ", ".join(f"{p} {installed(p)}" for p in ("numpy", "torch", "autograd"))
    print(
        f"Python {platform.python_version()}, {packages}; {os.cpu_count()} cores, 1 used, float64"
    )
    with threadpool_limits(1, "blas"):
        small = compare("64-100-10, batch 32", (64, 100, 10, 32), rounds, 200)
        large = compare("784-500-10, batch 128", (784, 500, 10, 128), rounds, 2)
        length = CHAIN // 10 if options.quick else CHAIN
        chains = [chain(length) for _ in range(RUNS)]

    print(
        f"\nchain of {length:,} nodes, us per node"
        + "".join(f"{f'run {i + 1}':>8}" for i in range(RUNS))
    )
    for name, times in zip(("forward", "backward"), zip(*chains)):
        print(f"{name:34}" + "".join(f"{t:8.2f}" for t in times))
    print()
    verdict("64-100-10: minigrad", small, BASE, 2.0, " (aim 1.6)")
    verdict("784-500-10: minigrad", large, BASE, 1.25)
    verdict("64-100-10: minigrad", small, PEER, 0.5)


if __name__ == "__main__":
    main()

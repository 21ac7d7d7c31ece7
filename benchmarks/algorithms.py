"""Which algorithm makes a convolution fastest: what `conv(..., algorithm="auto")` is chosen by.

    python -m benchmarks.algorithms            # one thread; a minute

For each shape a step is timed in each algorithm: forward, and the gradients of filters, bias and
images, in turns, one core. Milliseconds, medians; the fastest is marked, and the one that "auto"
takes.
"""

import statistics
import time

import numpy as np

from minigrad import conv, threads
from minigrad.kernels.order import batch_last
from minigrad.kernels.windows import sliding
from minigrad.nodes.convolution import chosen

SHAPES = [  # images, channels, side, filters, their side, options
    (1, 64, 16, 64, 5, {"padding": 2}),
    (4, 64, 16, 64, 5, {"padding": 2}),
    (8, 64, 16, 64, 5, {"padding": 2}),
    (16, 64, 16, 64, 5, {"padding": 2}),
    (128, 64, 16, 64, 5, {"padding": 2}),
    (8, 3, 32, 32, 5, {"padding": 2}),
    (128, 1, 28, 6, 5, {"padding": 2}),
    (128, 3, 32, 64, 5, {"padding": 2}),
    (128, 6, 14, 16, 5, {}),
    (128, 8, 16, 64, 5, {"padding": 2}),
    (64, 64, 32, 64, 3, {"padding": 1}),
    (64, 256, 8, 256, 3, {"padding": 1}),
    (64, 512, 4, 512, 3, {"padding": 1}),
    (64, 128, 16, 128, 2, {}),
    (64, 128, 16, 128, 1, {}),
    (16, 32, 96, 32, 3, {"padding": 1}),
    (16, 32, 96, 32, 5, {"padding": 2}),
    (64, 32, 16, 32, 3, {"padding": 2, "dilation": 2}),
    (64, 64, 32, 128, 3, {"padding": 1, "stride": 2}),
    (64, 64, 32, 128, 1, {"stride": 2}),
    (4, 64, 32, 128, 3, {"padding": 1, "stride": 2}),
    (64, 64, 16, 64, 3, {"padding": 1, "groups": 8}),
]


def step(shape, algorithm):
    """A call that runs forward and back of a convolution."""
    n, c, side, k, r, options = shape
    rng = np.random.default_rng(0)
    X = batch_last(rng.standard_normal((n, c, side, side), np.float32))
    W = rng.standard_normal((k, c // options.get("groups", 1), r, r), np.float32)
    b = np.zeros(k, np.float32)
    dX, dW, db = np.zeros_like(X), np.zeros_like(W), np.zeros_like(b)
    dZ = np.ones_like(conv(X, (W, b), algorithm=algorithm, **options))

    def run():
        _, back = conv.plain(X, (W, b), algorithm=algorithm, **options)
        back(dZ, dX, (dW, db))

    return run


def measured(shape, rounds=5):
    """Median milliseconds of each algorithm that does the shape."""
    algorithms = ["im2col", "direct"] + ["fourier"] * (shape[5].get("stride", 1) == 1)
    steps = {name: step(shape, name) for name in algorithms}
    found = {name: [] for name in algorithms}
    for i in range(rounds + 1):
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            if i:
                found[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in found.items()}


def automatic(shape):
    n, c, side, k, r, options = shape
    sizes = {name: v for name, v in options.items() if name != "groups"}
    g = sliding("conv", (side, side), (r, r), **sizes)
    filters = (k, c // options.get("groups", 1), r, r)
    return chosen("conv", "auto", (n, c, side, side), filters, g).__name__.rpartition(".")[2]


def main():
    print("| images | filters | options | im2col | direct | fourier | auto |")
    print("|---|---|---|---|---|---|---|")
    with threads(1):
        for shape in SHAPES:
            n, c, side, k, r, options = shape
            times = measured(shape)
            best, taken = min(times, key=times.get), automatic(shape)
            cells = [
                f"**{times[name]:.1f}**" if name == best else f"{times[name]:.1f}" for name in times
            ] + ["-"] * (3 - len(times))
            said = " ".join(f"{key}={value}" for key, value in options.items())
            slower = "" if taken == best else f" ({times[taken] / times[best]:.1f} times)"
            print(
                f"| {n} x {c} x {side} x {side} | {k}c{r} | {said} | "
                + " | ".join(cells)
                + f" | {taken}{slower} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

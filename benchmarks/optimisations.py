"""What each optimisation brings: a training step of a comparison's row without one of them.

    python -m benchmarks.optimisations                   # exemplar-small, one thread; a minute
    python -m benchmarks.optimisations exemplar-large

The variants take turns in one process; each row is a median and its ratio to the step as it is.
"""

import argparse
import contextlib
import statistics
import sys
import time
from unittest import mock

import numpy as np
from minigrad.models import exemplar_cnn

from minigrad import conv_pool_simple, threads
from minigrad.kernels import direct, fourier, im2col, matrices, memory
from minigrad.learn import optimisers
from minigrad.nodes import convolution

from .measuring import ROWS, ours

HUGE = sys.maxsize
VARIANTS = {  # what is set while it runs: (where, name, value)
    "as it is": [],
    "plain nodes for conv_pool": [(exemplar_cnn, "conv_pool", conv_pool_simple)],
    "im2col everywhere": [(convolution, "automatic", lambda *shapes: "im2col")],
    "direct everywhere": [(convolution, "automatic", lambda *shapes: "direct")],
    "fourier everywhere": [(convolution, "automatic", lambda *shapes: "fourier")],
    "whole maps instead of parts": [(k, "CHUNK_BYTES", HUGE) for k in (direct, fourier, im2col)],
    "parts of a tenth": [(direct, "CHUNK_BYTES", 1 << 17), (fourier, "CHUNK_BYTES", 60_000)],
    "transforms made again": [(fourier, "KEPT_BYTES", 0)],
    "planes at powers of two": [(fourier, "APART", 0)],
    "a dense gradient as one product": [(matrices, "ADDED", HUGE)],
    "fresh memory every time": [(memory, "SMALLEST", HUGE), (memory, "ZEROED", HUGE)],
    "optimiser on whole arrays": [(optimisers, "BLOCK", HUGE)],
}


def timed(side, settings):
    """Seconds of the second of two steps."""
    with contextlib.ExitStack() as stack:
        for where, name, value in settings:
            stack.enter_context(mock.patch.object(where, name, value))
        side.step()
        start = time.perf_counter()
        side.step()
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description="What each optimisation brings.")
    parser.add_argument("row", nargs="?", default="exemplar-small", choices=sorted(ROWS))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    side = ours(ROWS[options.row])
    batch_first = ours(ROWS[options.row])
    batch_first.X = np.ascontiguousarray(batch_first.X)
    found = {name: [] for name in [*VARIANTS, "images batch-first"]}
    with threads(1):
        for _ in range(options.rounds):
            for name, settings in VARIANTS.items():
                found[name].append(timed(side, settings))
            found["images batch-first"].append(timed(batch_first, []))
    base = found["as it is"]
    print(f"| {options.row} | ms | ratio |\n|---|---|---|")
    for name, times in found.items():
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True))
        print(f"| {name} | {1e3 * statistics.median(times):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()

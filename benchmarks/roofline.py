"""What the machine can do at best: GFLOP/s of matrix products and GB/s of copies, in float32.

    python -m benchmarks.compare --roofline

A product m k n is 2 m k n operations; "many" are 64 products at once, shared by Python threads with
BLAS on one thread each, as minigrad's kernels do it. A copy reads and writes each byte once.
"""

import argparse
import json
import time

import numpy as np
from threadpoolctl import threadpool_limits

from minigrad import threads
from minigrad.kernels.parallel import each

PRODUCTS = [
    (2048, 2048, 2048),
    (128, 128, 128),
    (256, 512, 128),
    (64, 1600, 128),
    (64, 1600, 32768),
]
MANY = [(64, 64, 128), (128, 128, 128), (256, 256, 128)]
COPIES = [1 << 18, 1 << 22, 1 << 26]  # bytes
SECONDS = 0.3


def rate(work, call, *arguments):
    """The best of work / time in SECONDS, in thousands of millions."""
    call(*arguments)
    best, end = np.inf, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call(*arguments)
        best = min(best, time.perf_counter() - begin)
    return work / best / 1e9


def measurements(count):
    """(what, rate, unit) with so many threads."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape, np.float32)

    def parts(n, *arrays):
        return list(zip(*[np.array_split(a, n) for a in arrays]))

    for m, k, n in PRODUCTS:
        one = draw(m, k), draw(k, n), draw(m, n)
        with threadpool_limits(count, "blas"):
            yield f"{m} x {k} x {n}", rate(2 * m * k * n, product, one), "GFLOP/s"
    with threads(count):
        for m, k, n in MANY:
            shares = parts(2 * count, draw(64, m, k), draw(64, k, n), draw(64, m, n))
            found = rate(64 * 2 * m * k * n, each, product, shares)
            yield f"{m} x {k} x {n}, many", found, "GFLOP/s"
        for size in COPIES:
            shares = parts(count, draw(size // 4), draw(size // 4))
            yield f"copy {size >> 10} KB", rate(2 * size, each, copy, shares), "GB/s"


def product(part):
    A, B, C = part
    np.matmul(A, B, out=C)


def copy(part):
    A, B = part
    np.copyto(B, A)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    count = parser.parse_args().threads
    lines = [f"\n| float32, {count} threads | |", "|---|---|"]
    lines += [f"| {what} | {value:.0f} {unit} |" for what, value, unit in measurements(count)]
    print(json.dumps({"table": "\n".join(lines)}))


if __name__ == "__main__":
    main()

"""Exact search: the 200 of 50,000 samples most similar to each of 10,000 queries, beside faiss.

    python -m benchmarks.knn [--threads N] [--rounds N]

Unit vectors of 128 normal numbers, float32, inner product; the peer is faiss-cpu's IndexFlatIP,
whose making is timed with its search, as ours copies the samples too. Both take turns in one
process. Where faiss is not installed, its place has the matrix product alone, 128 queries at a
time: no search that computes all products can be faster. Peak memory is that of a process of its
own, beyond queries and samples, results included.
"""

import argparse
import json
import statistics
import time

import numpy as np

from minigrad import threads
from minigrad.evaluate import most_similar

from .peak import in_new_process, peak

QUERIES, SAMPLES, FEATURES, K = 10_000, 50_000, 128, 200
REST = 0.3  # seconds before each turn: threads of the other side have stopped spinning
ROUNDS = 5
SMALL = 1e-5  # between similarities of the two sides


def problem():
    """Queries and samples."""
    rng = np.random.default_rng(0)
    both = [rng.standard_normal((n, FEATURES), np.float32) for n in (QUERIES, SAMPLES)]
    for X in both:
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    return both


def minigrad(Q, F):
    return most_similar(Q, F, K, "product")[1]


def faiss(Q, F):
    from faiss import IndexFlatIP

    index = IndexFlatIP(FEATURES)
    index.add(F)
    return index.search(Q, K)[0]


def product(Q, F):
    """Nothing but the products; None: no similarities."""
    FT, S = np.ascontiguousarray(F.T), np.empty((128, SAMPLES), np.float32)
    for first in range(0, QUERIES, 128):
        rows = Q[first : first + 128]
        np.matmul(rows, FT, out=S[: len(rows)])


SIDES = {f.__name__: f for f in (minigrad, faiss, product)}


def peer(count):
    """faiss with so many threads, or the product alone."""
    try:
        import faiss as package
    except ModuleNotFoundError:
        return product
    package.omp_set_num_threads(count)
    return faiss


def measure(count, rounds=ROUNDS):
    """Seconds of both sides, ratio (medians) with quartiles, MB of both, their ratio.

    Raises RuntimeError if the similarities found differ. count: of threads.
    """
    Q, F = problem()
    other = peer(count)
    with threads(count):
        found = minigrad(Q, F), other(Q, F)  # also brings code and memory in
        if found[1] is not None and not abs(found[0] - found[1]).max() <= SMALL:
            raise RuntimeError("knn: the similarities found by minigrad and faiss differ")
        del found
        times = {minigrad: [], other: []}
        for _ in range(rounds):
            for side, seconds in times.items():
                time.sleep(REST)
                start = time.perf_counter()
                side(Q, F)
                seconds.append(time.perf_counter() - start)
    ratios = np.divide(*times.values())
    low, ratio, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
    megabytes = [
        in_new_process("benchmarks.knn", "--memory", side.__name__, "--threads", count)
        for side in times
    ]
    return {
        "seconds": statistics.median(times[minigrad]),
        "peer": other.__name__,
        "peer_seconds": statistics.median(times[other]),
        "ratio": ratio,
        "low": low,
        "high": high,
        "mb": megabytes[0],
        "peer_mb": megabytes[1],
        "memory": None if None in megabytes else megabytes[0] / megabytes[1],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", choices=SIDES, help="only the peak memory of one side")
    options = parser.parse_args()
    if options.memory:
        Q, F = problem()
        peer(options.threads)
        with threads(options.threads):
            print(json.dumps(peak(lambda: SIDES[options.memory](Q, F))))
        return
    found = measure(options.threads, options.rounds)
    name = "faiss" if found["peer"] == "faiss" else "product alone (faiss is not installed)"
    print(f"{QUERIES:,} in {SAMPLES:,} x {FEATURES}, k = {K}, threads: {options.threads}")
    print(f"{'':<40}{'seconds':>10}{'MB':>8}")
    for side, seconds, mb in (
        ("minigrad", found["seconds"], found["mb"]),
        (name, found["peer_seconds"], found["peer_mb"]),
    ):
        print(f"{side:<40}{seconds:>10.2f}{'-' if mb is None else round(mb):>8}")
    print(f"ratio {found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})")


if __name__ == "__main__":
    main()

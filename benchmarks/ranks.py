"""What a training step costs on 1 and 2 ranks of this machine, and what a model says of 64.

    python -m benchmarks.ranks

Each rank computes with one thread. 1 and 2 ranks take turns; of three runs the fastest median
counts, as whatever else the machine does can only slow them down. The model: a step takes
gradient / k + average + update + ring, the first three as measured (the average on two ranks:
packing, unpacking, waiting for the slower),
ring = 2 (k - 1) / k bytes / bandwidth + 2 (k - 1) latency, nothing computed meanwhile.
"""

import argparse
import json
import operator
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from minigrad import threads
from minigrad.learn import started
from minigrad.tree import leaves

from .compare import machine
from .measuring import ROWS, ours

NAMES = {"exemplar-small": "64c5-64c5-128f", "lenet": "LeNet-5", "mlp": "784-500-10"}
PARTS = ("gradient", "average", "update")
LINKS = {"10 Gbit/s": (1.25e9, 20e-6), "100 Gbit/s": (12.5e9, 2e-6)}  # bytes/s, seconds
MANY, STEPS, FIRST, TURNS = 64, 60, 5, 3
ALLOWED = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def measured(name):
    """On each rank: medians of the parts of a step in ms; rank 0 prints them."""
    with started() as ranks, threads(1):
        net = ours(ROWS[name])
        X, T = np.ascontiguousarray(net.X), net.T
        times = []
        for _ in range(FIRST + STEPS):
            marks = [time.perf_counter()]
            own = ranks.share(np.arange(len(X)))
            L, dU = net.gradient(net.parameters, X[own], T[own], rng=net.rng)
            marks.append(time.perf_counter())
            L, dU, _ = ranks.average(L, dU)
            marks.append(time.perf_counter())
            net.optimiser.step(dU, rate=0.01)
            marks.append(time.perf_counter())
            times.append(np.diff(marks))
        times = 1000 * np.array(times[FIRST:])
        found = {part: statistics.median(t) for part, t in zip(PARTS, times.T)}
        found["step"] = statistics.median(times.sum(1))
        found["bytes"] = sum(w.nbytes for w in leaves(net.parameters))
        print(json.dumps(found))


def on(k, name):
    """What k ranks measure, in processes of their own."""
    command = ["mpiexec", "-n", str(k), "--oversubscribe", sys.executable, "-m", __spec__.name]
    done = subprocess.run(
        [*command, "--measure", name],
        env=os.environ | ALLOWED | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def ring(size, k, bandwidth, latency):
    """Milliseconds of a ring all-reduce of so many bytes over k ranks."""
    return 1000 * (2 * (k - 1) / k * size / bandwidth + 2 * (k - 1) * latency)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", choices=NAMES, help="On the ranks that mpiexec has started.")
    name = parser.parse_args().measure
    if name:
        measured(name)
        return
    print(f"{machine()}; float32, one thread a rank; milliseconds\n")
    print("| | batch | gradient, MB | 1 rank | 2 ranks | of it average | times as fast |")
    print("|---|---|---|---|---|---|---|")
    rows = {}
    for name, title in NAMES.items():
        turns = [(on(1, name), on(2, name)) for _ in range(TURNS)]
        one, two = (min(found, key=operator.itemgetter("step")) for found in zip(*turns))
        rows[name] = one, two
        print(
            f"| {title} | {ROWS[name].batch} | {one['bytes'] / 1e6:.2f} | {one['step']:.2f} "
            f"| {two['step']:.2f} | {two['average']:.2f} | {one['step'] / two['step']:.2f} |",
            flush=True,
        )
    print(f"\n| computed for {MANY} ranks | link | ring | same batch | {MANY} times the batch |")
    print("|---|---|---|---|---|")
    for name, (one, two) in rows.items():
        for link, (bandwidth, latency) in LINKS.items():
            way = ring(one["bytes"], MANY, bandwidth, latency)
            rest = two["average"] + one["update"] + way
            same, larger = one["step"] / (one["gradient"] / MANY + rest), one["gradient"] + rest
            print(
                f"| {NAMES[name]} | {link} | {way:.2f} | {same:.1f} times as fast "
                f"| {MANY * one['step'] / larger:.1f} times the samples |"
            )


if __name__ == "__main__":
    main()

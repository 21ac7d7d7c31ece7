"""Surrogate images: patches 32 x 32 x 3 of sources 96 x 96, all six transformations, a second.

    python -m benchmarks.surrogates [--threads N] [--rounds N]
    python -m benchmarks.surrogates --training [--threads N]

400 sources of random float32 values, seeds anywhere in them, batches of 1024 patches batch-last, as
a first convolution wants them; each timing draws the parameters too, anew where a window would
leave its source. There is no peer. Also printed: batch-first, sources of bytes, what each
transformation costs (all six without it), and two views of images of 32 x 32 bytes, augmented as
for instance softmax. Peak memory is that of one batch in a process of its own.

--training: does training wait for its samples? A step of 64c5-64c5-128f with 100 of them, made on
the way as `train` has them made, and a step with the same 100 again and again, in turns.
"""

import argparse
import dataclasses
import json
import time
from functools import partial

import numpy as np

from minigrad import threads
from minigrad.data import (
    Augmentation,
    Places,
    Ranges,
    Surrogates,
    Views,
    draw_within,
    patches,
    prefetch,
    principal_colours,
    seed_patches,
)

from . import measuring
from .peak import in_new_process, peak

SOURCES, SIDE, BATCH = 400, 96, 1024
REST = 0.1  # seconds before each timing
ROUNDS, BATCHES = 9, 4
STEPS, SAMPLES = 20, 100  # of training, a round; samples a step


def problem():
    """Sources, their principal colours, and the places of a batch."""
    rng = np.random.default_rng(0)
    sources = rng.random((SOURCES, 3, SIDE, SIDE), np.float32)
    places = Places(rng.integers(SOURCES, size=BATCH), rng.uniform(20, SIDE - 21, (BATCH, 2)))
    return sources, principal_colours(sources), places


def batch(sources, colours, places, rng, ranges=Ranges(), order="last"):
    p = draw_within(places, (SIDE, SIDE), rng, ranges)
    return patches(sources, places, p, colours=colours, order=order)


def rate(call, rounds):
    """Images a second: the median over rounds of BATCHES calls, and its quartiles."""
    call()
    seconds = []
    for _ in range(rounds):
        time.sleep(REST)
        start = time.perf_counter()
        for _ in range(BATCHES):
            call()
        seconds.append(time.perf_counter() - start)
    return [BATCHES * BATCH / s for s in np.quantile(seconds, (0.5, 0.75, 0.25)).tolist()]


def measure(count, rounds=ROUNDS):
    """Images a second with quartiles, and MB of a batch.  count: of threads."""
    data, rng = problem(), np.random.default_rng(1)
    with threads(count):
        per_s, low, high = rate(lambda: batch(*data, rng), rounds)
    mb = in_new_process("benchmarks.surrogates", "--memory", "--threads", count)
    return {"per_s": per_s, "low": low, "high": high, "memory_mb": mb}


def variants(count, rounds):
    """Images a second of other ways: (name, rate)."""
    (sources, colours, places), rng = problem(), np.random.default_rng(1)
    data = sources, colours, places
    bytes_ = np.round(sources * 255).astype(np.uint8), colours, places
    with threads(count):
        yield "batch-first", rate(lambda: batch(*data, rng, order="first"), rounds)[0]
        yield "sources of bytes", rate(lambda: batch(*bytes_, rng), rounds)[0]
        for field in (name for name, span in Ranges()._asdict().items() if span is not None):
            ranges = Ranges()._replace(**{field: None})
            yield f"without {field}", rate(partial(batch, *data, rng, ranges), rounds)[0]
        yield "with blur", rate(partial(batch, *data, rng, Ranges(blur=2.0)), rounds)[0]
        wide = sources, colours, places._replace(window=np.full(BATCH, 62.5))
        yield "windows of 62.5 pixels", rate(lambda: batch(*wide, rng), rounds)[0]
        views, chosen = Views(bytes_[0][..., :32, :32], Augmentation()), places.index[: BATCH // 2]
        yield "two views of 32 x 32", rate(lambda: views.batch(chosen, rng), rounds)[0]


def training(count, rounds):
    """Milliseconds of a step, medians: (samples made on the way, of it waiting, samples kept)."""
    sources, rng = problem()[0], np.random.default_rng(1)
    row = dataclasses.replace(measuring.SMALL, classes=SOURCES, batch=SAMPLES)
    side = measuring.ours(row)
    data = Surrogates(seed_patches(sources, SOURCES, rng), 50)
    made = (data.batch(rng.integers(len(data), size=SAMPLES), rng) for _ in iter(int, 1))
    steps, waits, kept = [], [], []
    with threads(count), prefetch(made) as samples:
        for i in range(rounds * 2 * STEPS):
            start = middle = time.perf_counter()
            if on_the_way := i // STEPS % 2 == 0:
                side.X, side.T = next(samples)
                middle = time.perf_counter()
            side.step()
            (steps if on_the_way else kept).append(time.perf_counter() - start)
            if on_the_way:
                waits.append(middle - start)
    return [1e3 * float(np.median(seconds)) for seconds in (steps, waits, kept)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", action="store_true", help="only the peak memory")
    parser.add_argument("--training", action="store_true", help="does it wait for its samples?")
    options = parser.parse_args()
    if options.training:
        step, wait, kept = training(options.threads, options.rounds)
        print(f"threads: {options.threads}; a step with samples made on the way {step:.1f} ms")
        print(f"of it waiting for them {wait:.2f} ms; with samples that are there {kept:.1f} ms")
        return
    if options.memory:
        data, rng = problem(), np.random.default_rng(1)
        with threads(options.threads):
            print(json.dumps(peak(lambda: batch(*data, rng))))
        return
    found = measure(options.threads, options.rounds)
    mb = found["memory_mb"]
    print(f"images a second, threads: {options.threads}")
    print(
        f"{'all six':<24}{found['per_s']:>8,.0f}  ({found['low']:,.0f} to {found['high']:,.0f}), "
        f"{'-' if mb is None else round(mb)} MB, of it {12 * BATCH / 1024:.0f} the batch"
    )
    for name, value in variants(options.threads, options.rounds):
        print(f"{name:<24}{value:>8,.0f}")


if __name__ == "__main__":
    main()

"""One measurement in a process of its own: what `benchmarks.compare` starts, pinned to its cores.

    python -m benchmarks.measuring time exemplar-small --threads 1
    python -m benchmarks.measuring memory exemplar-small --side minigrad
    python -m benchmarks.measuring agree exemplar-small
    python -m benchmarks.measuring module knn --threads 1

The last line printed is a JSON object.
"""

import argparse
import collections
import dataclasses
import importlib
import json
import random
import statistics
import time
from pathlib import Path

import numpy as np

from minigrad import threads, value_and_grad
from minigrad.kernels.memory import release
from minigrad.kernels.order import batch_last
from minigrad.learn import Momentum
from minigrad.tree import leaves, map_leaves

from . import networks

TOLERANCE = 1e-4  # of a gradient's largest entry, and of the loss
# float32 decides some of a million relus and maxima the other way; one such unit moves gradients by
# up to 1e-2 of the largest entry, in PyTorch from one memory format to the other too
KINKS = 1e-2
REST = 0.01  # seconds before each turn: threads of the other side have stopped spinning
LEAST, MOST = 5, 60  # rounds
STEPS = 5  # of a memory measurement


@dataclasses.dataclass(frozen=True)
class Row:
    """What is compared: a network by name, and the shape of its work."""

    network: str
    images: tuple[int, ...]
    classes: int
    widths: tuple[int, ...] = ()
    batch: int = 128
    inference: bool = False


SMALL = Row("exemplar", (3, 32, 32), 1000, (64, 64, 128))
LARGE = Row("exemplar", (3, 32, 32), 1000, (64, 128, 256, 512))
ROWS = {
    "exemplar-small": SMALL,
    "exemplar-small-inference": dataclasses.replace(SMALL, inference=True),
    "exemplar-large": LARGE,
    "exemplar-large-inference": dataclasses.replace(LARGE, inference=True),
    "lenet": Row("lenet", (1, 28, 28), 10),
    "resnet18": Row("resnet18", (3, 32, 32), 10, (64, 128, 256, 512), batch=64),
    "mlp": Row("mlp", (784,), 10, (500,)),
}


class Minigrad:
    """A network of ours with its data: step() and infer()."""

    def __init__(self, network, X, T):
        self.parameters, self.loss, self.network = network.parameters, network.loss, network.network
        self.X, self.T = batch_last(X) if network.batch_last else X, T
        self.gradient = value_and_grad(self.loss)
        self.optimiser = Momentum(self.parameters, momentum=0.9)
        self.rng = np.random.default_rng(2)

    def step(self):
        L, dU = self.gradient(self.parameters, self.X, self.T, rng=self.rng)
        self.optimiser.step(dU, rate=0.01)
        return float(L)

    def infer(self):
        return self.network(self.X, self.parameters)

    def loss_and_gradients(self):
        """The loss without dropout, and its gradients, in the order of the parameters."""
        L, dU = self.gradient(self.parameters, self.X, self.T)
        return float(L), leaves(dU)


def ours(row, dtype=np.float32):
    """Our side of a row."""
    make = getattr(networks, row.network)
    network = make(np.random.default_rng(0), row.images, row.classes, row.widths)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((row.batch, *row.images), np.float32).astype(dtype)
    U = map_leaves(lambda w: w.astype(dtype), network.parameters)
    return Minigrad(network._replace(parameters=U), X, rng.integers(row.classes, size=row.batch))


def theirs(row, form, mine):
    """PyTorch's side, with the weights, data and dtype of ours."""
    from .peers import PyTorch

    return PyTorch(row, form, leaves(mine.parameters), mine.X, mine.T)


def distance(a, b):
    """The largest difference, relative to the largest entry of b."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise RuntimeError(f"compared are {a.shape} and {b.shape}: the networks differ")
    return float(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(np.float32).tiny))


def length(gradients):
    """The length of all gradients as one vector."""
    return sum(np.vdot(g, g).item() for g in gradients) ** 0.5


def agree(row):
    """How far both sides are from each other: {"float64 NCHW": {"loss": 1e-16, ...}, ...}.

    Inference: the logits must agree to TOLERANCE. Training: in float64 the loss and each gradient
    to TOLERANCE; in float32, as timed, the loss to TOLERANCE and all gradients as one vector to
    KINKS. Raises RuntimeError if they do not, PyTorch in any of its forms.
    """
    found = {}
    for dtype in (np.float32,) if row.inference else (np.float64, np.float32):
        mine = ours(row, dtype)
        for form in forms(row):
            seen = found[f"{np.dtype(dtype)} {form}"] = {}
            for what, error, allowed in errors(mine, theirs(row, form, mine), row.inference):
                seen[what] = error
                if not error <= allowed:
                    raise RuntimeError(
                        f"{what}: minigrad and PyTorch ({form}) differ by {error:.1e} in "
                        f"{np.dtype(dtype)}, {allowed} is allowed: nothing was timed"
                    )
    return found


def errors(mine, peer, inference=False):
    """(what, error, allowed) of everything that both sides must agree on."""
    if inference:
        yield "logits", distance(mine.infer(), peer.infer()), TOLERANCE
        return
    (L, gradients), (K, others) = mine.loss_and_gradients(), peer.loss_and_gradients()
    yield "loss", distance(L, K), TOLERANCE
    each = [distance(g, h) for g, h in zip(gradients, others, strict=True)]
    worst = int(np.argmax(each))  # a NaN, if there is one
    allowed = TOLERANCE if others[worst].dtype == np.float64 else np.inf
    yield f"gradient of parameter {worst} {others[worst].shape}", each[worst], allowed
    differences = [g - h for g, h in zip(gradients, others)]
    yield "gradients as one vector", length(differences) / length(others), KINKS


def forms(row):
    """The forms PyTorch may run a row in."""
    from . import peers

    return peers.forms(row.network)


def alternate(contenders, seconds, least=LEAST, most=MOST):
    """{name: times}: all contenders in each round, in shuffled order, until the seconds are over.

    Each rests, runs once untimed, and is timed.
    """
    times = {name: [] for name in contenders}
    order, shuffle = list(contenders), random.Random(0).shuffle
    end = time.perf_counter() + seconds
    for done in range(most):
        if done >= least and time.perf_counter() > end:
            break
        shuffle(order)
        for name in order:
            time.sleep(REST)
            contenders[name]()
            begin = time.perf_counter()
            contenders[name]()
            times[name].append(time.perf_counter() - begin)
    return times


def spread(values):
    """(median, lower quartile, upper quartile)."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(middle), float(low), float(high)


def comparison(mine, peers):
    """Our times by the best of the peer's forms, round by round.

    mine: seconds of each round; peers: {form: seconds of each round}.
    """
    best = [min(peers, key=lambda form: peers[form][i]) for i in range(len(mine))]
    least = [peers[form][i] for i, form in enumerate(best)]
    ratio, low, high = spread([a / b for a, b in zip(mine, least, strict=True)])
    return {
        "ratio": ratio,
        "low": low,
        "high": high,
        "rounds": len(mine),
        "ours_ms": 1e3 * statistics.median(mine),
        "peer_ms": 1e3 * statistics.median(least),
        "form": collections.Counter(best).most_common(1)[0][0],
    }


def timed(row, count, seconds):
    """A row's comparison with `count` threads on each side."""
    import torch

    torch.set_num_threads(count)
    with threads(count):
        agreement = agree(row)
        release()
        mine = ours(row)
        sides = {"minigrad": mine, **{form: theirs(row, form, mine) for form in forms(row)}}
        calls = {name: side.infer if row.inference else side.step for name, side in sides.items()}
        before = processor_seconds()
        times = alternate(calls, seconds)
        ran, waited = (b - a for a, b in zip(before, processor_seconds()))
    share = waited / (ran + waited) if ran + waited else 0.0
    found = comparison(times.pop("minigrad"), times)
    return {**found, "waited": share, "agreement": agreement}


def processor_seconds():
    """How long the threads of this process ran, and waited for a core; zeros if nobody counts."""
    counted = [task.read_text().split() for task in Path("/proc/self/task").glob("*/schedstat")]
    return tuple(sum(int(times[i]) for times in counted) / 1e9 for i in (0, 1))


def resident(field):
    """A size of this process in MB, of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the system does not say {field} of a process")


def memory(row, side):
    """Peak memory of a side in MB, over its first steps, beyond what importing and building took.

    side: "minigrad" or a form of PyTorch's.
    """
    with threads(1):
        mine = peer = ours(row)
        if side != "minigrad":
            import torch

            torch.set_num_threads(1)
            peer = theirs(row, side, mine)
        call = peer.infer if row.inference else peer.step
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        for _ in range(STEPS):
            call()
        return {"mb": resident("VmHWM") - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("time", "memory", "agree", "module", "forms"))
    parser.add_argument("name", help="a row, or a module of benchmarks with measure(threads)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--side", default="minigrad")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--image", type=int, help="side of the images")
    parser.add_argument("--channels", type=int, help="maps of every convolution")
    options = parser.parse_args()

    if options.what == "module":
        found = importlib.import_module(f"benchmarks.{options.name}").measure(options.threads)
    elif options.what == "forms":
        found = forms(ROWS[options.name])
    else:
        row = changed(ROWS[options.name], options.batch, options.image, options.channels)
        if options.what == "agree":
            found = agree(row)
        elif options.what == "memory":
            found = memory(row, options.side)
        else:
            found = timed(row, options.threads, options.seconds)
    print(json.dumps(found))


def changed(row, batch=None, image=None, channels=None):
    """The row with another batch, image side, or number of maps in every convolution."""
    if batch:
        row = dataclasses.replace(row, batch=batch)
    if image:
        row = dataclasses.replace(row, images=(row.images[0], image, image))
    if channels:
        maps = (channels,) * (len(row.widths) - 1)
        row = dataclasses.replace(row, widths=(*maps, row.widths[-1]))
    return row


if __name__ == "__main__":
    main()

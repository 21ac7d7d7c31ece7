"""All that waits for a GPU, in one command: the tests, then training against PyTorch eager on it.

    pip install -e '.[all,test,gpu]' torch       PyTorch's CUDA build
    python -m benchmarks.gpu                     writes its table to benchmarks/gpu.md

The network is Exemplar-CNN's 64c5-64c5-128f of `minigrad.models`: 1000 classes, 32 x 32 x 3 images,
batches of 128, dropout, decay, momentum; float32, on both sides first with full products, then with
both in TF32. Each side gets the same weights; nothing is timed unless loss and gradients agree to
1e-4, in float64 and without dropout. They take turns, and each turn is waited for; PyTorch in the
better of its two memory orders; a ratio is the median over the rounds of minigrad's time by
PyTorch's in the same round. The mark is 1.5.
--device cpu tries the script where there is no GPU, and writes nothing.
"""

import argparse
import contextlib
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from minigrad.models import exemplar_cnn

from minigrad import decay, entropy, gpu_available, tf32, to_cpu, to_gpu, value_and_grad
from minigrad.backend import NoGPU
from minigrad.learn import Momentum

PAGE = Path(__file__).with_name("gpu.md")
CLASSES, SIDE, BATCH, CODE = 1000, 32, 128, "64c5-64c5-128f"
RATE, DECAY = 0.01, 4e-4
MARK = 1.5
AGREE = 1e-4  # of the loss, and of each gradient's largest entry


class Minigrad:
    """Our side: arrays on the device, `value_and_grad`, `Momentum`."""

    def __init__(self, U, X, T, device):
        self.move, self.cupy = to_cpu, None
        if device == "gpu":
            import cupy

            self.move, self.cupy = to_gpu, cupy
        copies = {name: (W.copy(), b.copy()) for name, (W, b) in U.items()}
        self.U, self.X, self.T = self.move((copies, X, T))
        self.rng = np.random.default_rng(0)
        self.optimiser = Momentum(self.U)

    def without_dropout(self):
        def loss(U, X, T):
            weights = tuple(W for W, b in U.values())
            return entropy(exemplar_cnn.network(X, U), T) + decay(weights, DECAY)

        L, dU = value_and_grad(loss)(self.U, self.X[:BATCH], self.T[:BATCH])
        return float(L), [g for pair in to_cpu(dU).values() for g in pair]

    def step(self, chosen):
        chosen = self.move(chosen)
        gradient = value_and_grad(exemplar_cnn.loss)
        _, dU = gradient(self.U, self.X[chosen], self.T[chosen], DECAY, rng=self.rng)
        self.optimiser.step(dU, RATE)

    def wait(self):
        if self.cupy:
            self.cupy.cuda.Device().synchronize()

    def products(self, rough):
        return tf32(rough) if self.cupy else contextlib.nullcontext()


class PyTorch:
    """The peer, eager, as its users write it."""

    def __init__(self, U, X, T, device, channels_last=False):
        import torch

        self.torch, self.device = torch, "cuda" if device == "gpu" else "cpu"
        order = torch.channels_last if channels_last else torch.contiguous_format
        put = lambda a: torch.from_numpy(a.copy()).to(self.device)
        self.U = {name: (put(W), put(b)) for name, (W, b) in U.items()}
        self.U["hidden"] = (self.U["hidden"][0].T.contiguous(), self.U["hidden"][1])
        self.U["output"] = (self.U["output"][0].T.contiguous(), self.U["output"][1])
        self.X, self.T = put(X).contiguous(memory_format=order), put(T)
        self.leaves = [leaf.requires_grad_() for pair in self.U.values() for leaf in pair]
        weights, biases = self.leaves[::2], self.leaves[1::2]
        groups = [{"params": weights, "weight_decay": DECAY}, {"params": biases}]
        self.optimiser = torch.optim.SGD(groups, RATE, momentum=0.9)

    def loss(self, X, T, dropout):
        F, U = self.torch.nn.functional, self.U
        Z = F.max_pool2d(F.relu(F.conv2d(X, *U["conv1"], padding=2)), 2)
        Z = F.max_pool2d(F.relu(F.conv2d(Z, *U["conv2"], padding=2)), 2)
        Z = F.relu(F.linear(Z.flatten(1), *U["hidden"]))
        Z = F.dropout(Z, 0.5) if dropout else Z
        return F.cross_entropy(F.linear(Z, *U["output"]), T)

    def without_dropout(self):
        L = self.loss(self.X[:BATCH], self.T[:BATCH], dropout=False)
        gradients = self.torch.autograd.grad(L, self.leaves)
        penalty = sum(float((w.detach() ** 2).sum()) for w in self.leaves[::2]) * DECAY / 2
        full = [g + DECAY * w for g, w in zip(gradients[::2], self.leaves[::2])]
        found = [g.detach().cpu().numpy() for pair in zip(full, gradients[1::2]) for g in pair]
        return L.item() + penalty, [*found[:4], found[4].T, found[5], found[6].T, found[7]]

    def step(self, chosen):
        chosen = self.torch.from_numpy(chosen).to(self.device)
        self.optimiser.zero_grad()
        self.loss(self.X[chosen], self.T[chosen], dropout=True).backward()
        self.optimiser.step()

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    @contextlib.contextmanager
    def products(self, rough):
        switches = self.torch.backends.cuda.matmul, self.torch.backends.cudnn
        before = [switch.allow_tf32 for switch in switches]
        for switch in switches:
            switch.allow_tf32 = rough
        yield
        for switch, was in zip(switches, before):
            switch.allow_tf32 = was


def timed(side, batches):
    """Seconds of one step for each batch, waited for at the end."""
    side.wait()
    start = perf_counter()
    for chosen in batches:
        side.step(chosen)
    side.wait()
    return perf_counter() - start


def check_agreement(U, X, T, device):
    """Raise unless PyTorch's loss and gradients are minigrad's up to AGREE, without dropout.

    In float64: in float32 a few maxima of windows are others on each side, by rounding alone.
    """
    double = {name: (W.astype(float), b.astype(float)) for name, (W, b) in U.items()}
    sides = [kind(double, X[:BATCH].astype(float), T, device) for kind in (Minigrad, PyTorch)]
    (loss, gradients), (expected, others) = (side.without_dropout() for side in sides)
    errors = [abs(a - b).max() / abs(b).max() for a, b in zip(gradients, others, strict=True)]
    if not max(abs(loss - expected), *errors) < AGREE:
        raise RuntimeError(f"losses {loss} and {expected}, gradients apart by {errors}")


def rows(device, rounds, steps, images):
    """(name, minigrad's ms, PyTorch's ms, ratio) of a step and of an epoch, for both products."""
    rng = np.random.default_rng(0)
    U = exemplar_cnn.initial(rng, CLASSES, channels=3, side=SIDE, code=CODE)
    X = rng.standard_normal((images, 3, SIDE, SIDE), np.float32)
    T = rng.integers(CLASSES, size=images)
    check_agreement(U, X, T, device)
    sides = [Minigrad(U, X, T, device)]
    sides += [PyTorch(U, X, T, device, channels_last) for channels_last in (False, True)]
    for rough in (False, True) if device == "gpu" else (False,):
        with contextlib.ExitStack() as stack:
            for side in sides:
                stack.enter_context(side.products(rough))
            for name, count, turns in (
                ("step", steps, rounds),
                ("epoch", images // BATCH, max(rounds // 5, 1)),
            ):
                times = []
                for _ in range(turns):
                    batches = rng.permutation(images)[: count * BATCH].reshape(count, BATCH)
                    timed(sides[0], batches[:1])
                    times.append([timed(side, batches) for side in sides])
                ours, *theirs = zip(*times)
                peer = min(theirs, key=statistics.median)
                ratio = statistics.median(a / b for a, b in zip(ours, peer))
                per = 1000 / (count if name == "step" else 1)
                words = f"{name}, {'TF32' if rough else 'float32'}"
                yield words, *(per * statistics.median(t) for t in (ours, peer)), ratio


def card():
    """The GPU's name, its memory, and the versions of what ran on it."""
    import cupy
    import torch

    found = cupy.cuda.runtime.getDeviceProperties(0)
    version = cupy.cuda.runtime.runtimeGetVersion()
    return (
        f"{found['name'].decode()}, {found['totalGlobalMem'] / 2**30:.0f} GiB; CUDA {version}, "
        f"CuPy {cupy.__version__}, PyTorch {torch.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}"
    )


def table(found):
    lines = ["| | minigrad ms | PyTorch ms | ratio | mark |", "|---|---|---|---|---|"]
    for name, ours, theirs, ratio in found:
        verdict = "met" if ratio <= MARK else "missed"
        lines.append(f"| {name} | {ours:.2f} | {theirs:.2f} | {ratio:.2f} | <= {MARK}: {verdict} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--rounds", type=int, default=25, help="of each step; an epoch takes 1/5")
    parser.add_argument("--steps", type=int, default=20, help="in a row")
    parser.add_argument("--images", type=int, default=100 * BATCH, help="of an epoch")
    options = parser.parse_args()
    tested = ""
    if options.device == "gpu":
        if not gpu_available():
            try:
                to_gpu(np.zeros(1))
            except NoGPU as none:
                print(none, file=sys.stderr)
            return 2
        words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=PAGE.parent.parent)
        print(done.stdout)
        tested = done.stdout.strip().splitlines()[-1]
    found = []
    for row in rows(options.device, options.rounds, options.steps, options.images):
        print("{:<16} minigrad {:8.2f} ms   PyTorch {:8.2f} ms   ratio {:.2f}".format(*row))
        found.append(row)
    if options.device == "gpu":
        head, *_ = PAGE.read_text().partition("\n## Figures\n")
        figures = f"{card()}\n\n`python -m pytest -q -m gpu`: {tested}\n\n{table(found)}\n"
        PAGE.write_text(f"{head}\n## Figures\n\n{figures}")
        print(f"written to {PAGE}")
        return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which mistakes in a gradient four checks find, and which they name: the same bugs, in one run.

    PYTHONPATH=tests python -m benchmarks.checks [--all]          a minute; make bench runs it too

Every mistake of tests/gradcheck is given to minigrad's check as it is, and to the checks of PyTorch
(gradcheck, default settings), JAX (check_grads, order 1, reverse mode) and HIPS autograd
(check_vjp) as an operation of theirs: forward and back are the student's NumPy functions. There a
back returns what it deposits into zeros, so that "overwritten" is no mistake to them. An exception
counts as found. A peer that is missing is left out.
"""

import argparse
import collections
import contextlib
import io
import logging
import statistics
import warnings
from time import perf_counter

import numpy as np

from minigrad import affine, check, conv, decay, entropy, relu
from minigrad.gradcheck.subjects import Subject, copied
from minigrad.tree import leaves

SEED = 0
REPEATS = 5


class Operation:
    """A student's function of flat arrays: forward(*arrays), then backward(dZ)."""

    def __init__(self, f, args):
        self.args = copied(args)
        self.subject = Subject(f, self.args, {})
        self.arrays = self.subject.arrays(self.args)

    def forward(self, *arrays):
        for mine, given in zip(self.arrays, arrays):
            mine[...] = given
        self.given = copied(self.args)
        Z, self.back = self.subject.run(self.given)
        return np.array(Z)

    def backward(self, dZ):
        gradients = self.subject.accumulators(self.args)
        self.back(np.array(dZ), gradients)
        return [g for g in leaves(gradients) if isinstance(g, np.ndarray)]


def ours(f, args):
    report = check(f, *args, seed=SEED)
    return bool(report), report.cause


def pytorch(f, args):
    import torch

    op = Operation(f, args)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(context, *inputs):
            return torch.from_numpy(op.forward(*[x.detach().numpy() for x in inputs]))

        @staticmethod
        def backward(context, dZ):
            return tuple(torch.from_numpy(g) for g in op.backward(dZ.numpy()))

    inputs = [torch.from_numpy(a.copy()).requires_grad_() for a in op.arrays]
    return torch.autograd.gradcheck(Function.apply, inputs), ""


def jax(f, args):
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    op = Operation(f, args)
    shape = np.shape(op.forward(*[a.copy() for a in op.arrays]))
    value = jax.ShapeDtypeStruct(shape, np.float64)
    like = [jax.ShapeDtypeStruct(a.shape, np.float64) for a in op.arrays]

    @jax.custom_vjp
    def function(*arrays):
        return jax.pure_callback(lambda *x: op.forward(*map(np.asarray, x)), value, *arrays)

    def back(arrays, dZ):
        def both(*x):
            op.forward(*map(np.asarray, x[:-1]))
            return tuple(op.backward(np.asarray(x[-1])))

        return jax.pure_callback(both, tuple(like), *arrays, dZ)

    function.defvjp(lambda *arrays: (function(*arrays), arrays), back)
    check_grads(function, [a.copy() for a in op.arrays], order=1, modes=["rev"])
    return True, ""


def hips_autograd(f, args):
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_vjp

    op = Operation(f, args)
    function = primitive(op.forward)

    def vjp(k):
        def of(Z, *arrays):
            op.forward(*arrays)
            back = op.back

            def gradient(dZ):
                op.back = back
                return op.backward(dZ)[k]

            return gradient

        return of

    defvjp(function, *[vjp(k) for k in range(len(op.arrays))])
    for k in range(len(op.arrays)):
        rest = [a.copy() for a in op.arrays]

        def one(x, k=k, rest=rest):
            return function(*rest[:k], x, *rest[k + 1 :])

        check_vjp(one, rest[k].copy())
    return True, ""


CHECKS = {
    "minigrad": ours,
    "PyTorch gradcheck": pytorch,
    "JAX check_grads": jax,
    "HIPS autograd check_vjp": hips_autograd,
}


def verdict(judge, case):
    """(found, name): whether the check complains, and what it calls the mistake."""
    np.random.seed(SEED)  # noqa: NPY002 - autograd's check draws from it
    args = case.arguments(np.random.default_rng(SEED))
    with (
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        try:
            passed, name = judge(case.function, args)
        except ModuleNotFoundError:
            raise
        except Exception:
            return True, ""
    return not passed, name


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="a line for every mistake")
    options = parser.parse_args()

    from gradcheck.right import RIGHT
    from gradcheck.wrong import WRONG

    logging.disable(logging.CRITICAL)  # JAX logs what a callback raises
    table, alarms = {}, {}
    for name, judge in CHECKS.items():
        try:
            table[name] = [verdict(judge, case) for case in WRONG]
            alarms[name] = [verdict(judge, case)[0] for case in RIGHT if plain(case)]
        except ModuleNotFoundError as missing:
            print(f"{name}: left out, {missing.name} is not installed")
    if options.all:
        print("".join(f"{name:>24}" for name in ("mistake", *table)))
        for i, case in enumerate(WRONG):
            verdicts = [column[i] for column in table.values()]
            words = [name or ("found" if found else "-") for found, name in verdicts]
            print(f"{case.name[:40]:40}" + "".join(f"{word:>24}" for word in words))
    by_cause = collections.Counter(case.causes[0] for case in WRONG)
    print("| mistake |" + "".join(f" {name} |" for name in ("how many", *table)))
    print("|---|" + "---|" * (1 + len(table)))
    for cause, count in by_cause.most_common():
        found = [
            sum(found for (found, _), case in zip(column, WRONG) if case.causes[0] == cause)
            for column in table.values()
        ]
        print(f"| {cause} | {count} |" + "".join(f" {n} |" for n in found))
    last = {
        "found": (len(WRONG), [sum(found for found, _ in c) for c in table.values()]),
        "named": (len(WRONG), [sum(bool(name) for _, name in c) for c in table.values()]),
        "alarm at what is right": (sum(map(plain, RIGHT)), [sum(a) for a in alarms.values()]),
    }
    for label, (count, numbers) in last.items():
        print(f"| **{label}** | {count} |" + "".join(f" {n} |" for n in numbers))
    print()
    for what, time in seconds():
        print(f"minigrad's check of {what}: {time:.2f} s, median of {REPEATS}")


def seconds():
    """(what, median seconds) of minigrad's check of a network's loss and of a small convolution."""
    rng = np.random.default_rng(SEED)
    U1, U2 = ((rng.normal(size=s) / 8, np.zeros(s[1])) for s in ((64, 100), (100, 10)))
    X, T = rng.normal(size=(32, 64)), rng.integers(10, size=32)
    W, b = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)

    def loss(U1, U2, X, T):
        return entropy(affine(relu(affine(X, U1)), U2), T) + decay((U1[0], U2[0]))

    cases = {
        "a 64-100-10 loss, batch 32": (loss, U1, U2, X, T),
        "conv of (2, 3, 8, 8) by (4, 3, 3, 3)": (conv, rng.normal(size=(2, 3, 8, 8)), (W, b)),
    }
    for what, (f, *args) in cases.items():
        times = []
        for seed in range(REPEATS):
            begin = perf_counter()
            if not check(f, *args, seed=seed):
                raise RuntimeError(f"{what}: called wrong")
            times.append(perf_counter() - begin)
        yield what, statistics.median(times)


def plain(case):
    """True for what the peers can be given: a function with a back of its own."""
    args = case.arguments(np.random.default_rng(SEED))
    with contextlib.redirect_stdout(io.StringIO()):
        return Subject(case.function, args, {}).kind != "program"


if __name__ == "__main__":
    main()

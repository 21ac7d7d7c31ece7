"""One draw of a function under test: what it does, and what it must not do.

A back must deposit, into whatever stands in the gradients already; leave its arguments and the
incoming gradient alone; say the same when asked again, also after another call of the forward; and
be linear in the incoming gradient.
"""

from typing import Any, NamedTuple

import numpy as np

from .. import faults, tree
from .differences import scale
from .subjects import Fault, Subject, Unfit, copied

ROUNDING = 1e-12  # of the largest deposit and of the terms that cancel: there may be thousands
TINY = 1e-15  # of the incoming gradient: a value may be a difference of numbers near 1
SAME = 1e-9  # of the largest entry: what summing in another order may change, and no mistake does


class Run(NamedTuple):
    """What one draw gave: arguments, value Z, incoming gradient dZ, deposits D into zeros."""

    args: tuple
    Z: np.ndarray
    dZ: np.ndarray
    D: list[np.ndarray]
    back: Any


def run(subject: Subject, args: tuple, rng: np.random.Generator) -> Run:
    """Forward and back at the arguments; raises Fault for what shows at once."""
    name = subject.name
    given = copied(args)
    Z, back = _forward(subject, given)
    _unchanged(name, subject, "forward", args, given)
    again, _ = _forward(subject, copied(args))
    if not np.array_equal(again, Z, equal_nan=True):
        raise Fault(
            "not repeatable",
            f"{name} gives two different values for the same arguments: draw random numbers from "
            "a generator given by keyword, with a fixed seed",
        )
    before = np.array(Z)
    dZ = rng.standard_normal(np.shape(Z)) * 1.0
    dZ = np.asarray(dZ + np.sign(dZ) * 0.2)  # away from 0, where every mistake hides
    this = Run(args, before, dZ, deposited(subject, back, dZ, args), back)
    _repeatable(subject, this)
    _unchanged(name, subject, "back", args, given)
    if not np.array_equal(before, Z, equal_nan=True):
        raise Fault("in place", f"the back of {name} changes the value that its forward returned")
    return this


def _repeatable(subject, this):
    again = deposited(subject, this.back, this.dZ, this.args)
    if _first_different(subject, this, again) is not None:
        raise Fault(
            "not repeatable",
            f"the back of {subject.name} deposits something else when it is called again: it draws "
            "random numbers, or changes what the forward kept",
        )


def _forward(subject, args):
    try:
        Z, back = subject.run(args)
    except (Fault, Unfit):
        raise
    except (Exception, SystemExit) as error:
        words = f"{subject.name} raises {_words(error)}"
        try:
            faults.explain_forward(subject.forward, args, error)
        except ValueError as explained:
            words = str(explained)
        except AttributeError:  # a callable without a name
            pass
        fault = Fault("exception", words)
        fault.of_forward = True
        raise fault from error
    if not isinstance(Z, (int, float, np.generic)) and not hasattr(Z, "__array_function__"):
        got = type(Z).__name__
        raise Fault("exception", f"the value of {subject.name} is one array, not a {got}")
    kind = getattr(Z, "dtype", np.dtype(type(Z))).kind
    if kind in "iub":
        raise Fault(
            "integers",
            f"{subject.name} returns whole numbers ({getattr(Z, 'dtype', type(Z).__name__)}): what "
            "stands behind the point is lost, and the slopes with it. Compute with float64",
        )
    if isinstance(Z, (np.ndarray, np.generic)) and Z.dtype != np.float64:
        raise Fault(
            "float32" if kind == "f" else "exception",
            f"{subject.name} returns {Z.dtype} for float64 arguments: somewhere it casts",
        )
    return Z, back


def deposited(subject: Subject, back: Any, dZ: np.ndarray, args: tuple, start: Any = None) -> list:
    """What back deposits for dZ, into zeros or into copies of the arrays in start."""
    filled = iter(start) if start else None
    gradients = subject.accumulators(
        args, lambda a: np.array(next(filled), order="K") if filled else np.zeros_like(a)
    )
    incoming = dZ.copy()
    try:
        back(incoming, gradients)
    except Unfit:
        raise
    except (Exception, SystemExit) as error:
        raise _refused(subject, gradients, error, dZ, args) from error
    if not np.array_equal(incoming, dZ):
        raise Fault(
            "in place",
            f"the back of {subject.name} changes its incoming gradient, which belongs to whoever "
            "used the value: make a new array",
        )
    return [g for g in tree.leaves(gradients) if isinstance(g, np.ndarray)]


def _refused(subject, gradients, error, dZ, args):
    """The Fault for an exception in a back: about a shape where a deposit did not fit."""
    target, value = getattr(error, "target", None), getattr(error, "value", None)
    if target is None:
        target, value = faults.refused_deposit(error)
    words = f"the back of {subject.name} raises {_words(error)}"
    try:
        faults.explain_back(subject.forward, args, gradients, error)
    except ValueError as explained:
        words = str(explained)
    except AttributeError:  # a callable without a name
        pass
    arrays = [g for g in tree.leaves(gradients) if isinstance(g, np.ndarray)]
    for k, g in enumerate(arrays):
        if isinstance(target, np.ndarray) and np.may_share_memory(g, target):
            fault = Fault("shape", words, subject.gradients_of[k])
            if target.shape == g.shape:
                fault.k, fault.value, fault.dZ, fault.args = k, value, dZ, args
            return fault
    return Fault("exception", words)


def contract(subject: Subject, this: Run, other: tuple, rng: np.random.Generator) -> None:
    """Raise Fault for a back that is right at first and wrong in a program."""
    args, D, name = this.args, this.D, subject.name
    start = [(np.abs(d).max(initial=0) or 1.0) * rng.standard_normal(d.shape) for d in D]
    after = deposited(subject, this.back, this.dZ, args, start)
    k = _first_different(subject, this, [a - s for a, s in zip(after, start)], times=10)
    if k is not None:
        path = subject.gradients_of[k]
        if same(after[k], D[k]):
            raise Fault(
                "overwritten",
                f"the back of {name} overwrites the gradient of {path}, and what others deposited "
                "there is lost: add with +=, the array may be used elsewhere too",
                path,
            )
        raise Fault(
            "overwritten",
            f"what the back of {name} deposits for {path} depends on what is there already",
            path,
        )
    _linear(subject, this, rng)
    Z, back = _forward(subject, copied(args))
    kept = np.array(Z)
    try:
        Zb, back_b = _forward(subject, copied(other))
        deposited(subject, back_b, rng.standard_normal(np.shape(Zb)), other)
    except Fault:
        return  # the other arguments are no good: nothing can be said
    if not np.array_equal(Z, kept, equal_nan=True):
        raise Fault(
            "stale or shared",
            f"a second call of {name} changes the value of the first: each needs its own array",
        )
    try:
        again = [deposited(subject, back, this.dZ, args) for _ in range(2)]
    except Fault:
        again = []  # other shapes were found where this call's were kept
    if not again or any(_first_different(subject, this, d) is not None for d in again):
        raise Fault(
            "stale or shared",
            f"after another call of {name} the back of the first call deposits something else: "
            "what back needs is kept where every call finds it. Keep it in the closure",
        )


def _linear(subject, this, rng):
    zero = deposited(subject, this.back, np.zeros_like(this.dZ), this.args)
    for path, d in zip(subject.gradients_of, zero):
        if np.abs(d).max(initial=0) > 0:
            raise Fault(
                "incoming ignored",
                f"the back of {subject.name} deposits for {path} even if the incoming gradient is "
                "0: every term must be multiplied by it",
                path,
            )
    more = rng.standard_normal(this.dZ.shape)
    one = deposited(subject, this.back, np.asarray(more), this.args)
    both = deposited(subject, this.back, np.asarray(this.dZ - 2 * more), this.args)
    k = _first_different(subject, this, [d - 2 * o for d, o in zip(this.D, one)], both, times=10)
    if k is not None:
        _repeatable(subject, this)
        raise Fault(
            "wrong operand",
            f"the back of {subject.name} is not linear in the incoming gradient, for "
            f"{subject.gradients_of[k]}: it enters once, as a factor",
            subject.gradients_of[k],
        )


def same(a: np.ndarray, b: np.ndarray, floor: float = 0.0) -> bool:
    """Equal up to rounding, and up to the floor: what rounding leaves where terms cancel."""
    if a.shape != b.shape:
        return False
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.array_equal(a, b, equal_nan=True)
    largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.abs(a - b).max(initial=0) <= SAME * largest + floor)


def rounding(this: Run, k: int, x: np.ndarray) -> float:
    """What rounding may leave of the k-th gradient, also where all of its terms cancel.

    A relative change of x by 1 changes the value by about the value: |Z| |dZ| / |x| is the size of
    the terms that cancel.
    """
    finite = this.D[k][np.isfinite(this.D[k])]
    largest, incoming = (np.abs(a).max(initial=0) for a in (finite, this.dZ))
    terms = incoming * np.abs(this.Z).max(initial=0) / scale(x)
    return float(ROUNDING * (largest + terms) + TINY * incoming)


def _first_different(subject, this, found, expected=None, times=1.0):
    """The first argument whose deposits are not as expected, by default those of the run."""
    expected = this.D if expected is None else expected
    arrays = subject.arrays(this.args)
    for k, (a, b, x) in enumerate(zip(found, expected, arrays)):
        if not same(a, b, times * rounding(this, k, x)):
            return k
    return None


def _unchanged(name, subject, part, args, given):
    names = (p for i, a in enumerate(args) for p, _ in tree.paths(a, subject.names[i]))
    for path, before, after in zip(names, tree.leaves(args), tree.leaves(given)):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
            whose = f"the back of {name}" if part == "back" else name
            raise Fault("in place", f"{whose} changes its argument {path}: make a new array", path)


def _words(error):
    return f"{type(error).__name__}: {error}"

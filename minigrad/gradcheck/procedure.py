"""The gradient check itself: which draws, which entries, which verdict."""

import contextlib
import io
import itertools
from typing import Any

import numpy as np

from .. import engine, faults, tree
from .causes import diagnose, diagnose_shape
from .compare import compare
from .differences import allows_complex, derivatives, scale
from .draws import coinciding, fresh, hides_mistakes, resized, tied
from .report import Report
from .runs import contract, rounding, run
from .subjects import Fault, Subject, Unfit, copied, is_float


def check(
    f: Any, *args: Any, seed: int = 0, draws: int = 2, lift: bool = False, **options: Any
) -> Report:
    """Whether the gradients of f are right, and if not, which mistake explains them.

    f: a node, a block, any function of nodes, a function that returns (value, back), or a pair
    (forward, backward) as in CS231n; args: arrays of float64 and nests of them, at which it is
    checked, and constants; options go to f, generators and state among them as copies, so that
    every call draws the same. seed: of everything the check draws; draws: how many sets of
    arguments are compared with differences, the given ones first, then others of the same kind,
    also of other shapes where f takes them, 2; lift: turn float32 into float64 first.
    The report is true or false, prints, and has `.verdicts`, `.cause`, `.sentence` and `.json()`.
    Raises TypeError for what cannot be checked, ValueError for arguments that f refuses.

    >>> def double(A):
    ...     def back(dZ, dA):
    ...         dA += dZ
    ...     return 2 * A, back
    >>> report = check(double, np.array([1.0, 2.0, 3.0]))
    >>> bool(report), report.cause
    (False, 'factor')
    """
    args = _floats(args, lift)
    with contextlib.redirect_stdout(io.StringIO()):  # f may print, and it is called often
        return examine(Subject(f, args, options), args, seed, draws)


def _floats(args, lift):
    for i, a in enumerate(args):
        for path, leaf in tree.paths(a, f"argument {i + 1}"):
            if is_float(leaf) and leaf.dtype != np.float64 and not lift:
                raise Unfit(
                    f"check works in float64, and {path} is {leaf.dtype}, whose last digits drown "
                    "the differences: give .astype(float), or lift=True"
                )
            if isinstance(leaf, engine.Node):
                raise Unfit(f"check makes its own leaves, and {path} is a Node: give its .value")
    return tree.map_leaves(lambda a: a.astype(float) if is_float(a) else a, args)


def examine(subject: Subject, args: tuple, seed: int = 0, draws: int = 2) -> Report:
    """Check a subject at its arguments."""
    if not subject.gradients_of and not subject.fixed:
        raise Unfit(
            f"{subject.name}: no argument is an array of floats whose gradient could be checked"
        )
    rng = np.random.default_rng(seed)
    try:
        if not subject.gradients_of:
            raise Fault("untouched", "its back takes no gradient: it is `def back(dZ, dA, ...)`")
        _read(subject)
        others = _others(subject, args, rng, draws)
        report, wrongs, late = _compare(subject, (args, *others), rng, seed)
        if report and not late and not hides_mistakes(args):
            _edges(subject, args, others, rng)
            return report
        # other shapes tell mistakes apart, and show those that a batch of one or a square hides
        reshaped = next((a for a in resized(args, subject.named, rng) if _takes(subject, a)), None)
        if reshaped is not None:
            other, more, _ = _compare(subject, (reshaped,), rng, seed)
            wrongs += more
            report = report if other or not report else other
        if late or not report:
            return _explained(report, subject, args, wrongs, late)
        _edges(subject, args, others, rng)
    except Fault as fault:
        return Report(subject, [], seed).because(fault.cause, fault.sentence, fault.path)
    return report


def _read(subject):
    """Raise Fault for a deposit that is lost in the source, before anything is computed."""
    if subject.kind != "node":
        return
    try:
        faults.read(subject.forward)
    except TypeError as error:
        words = str(error).removeprefix(f"{subject.name}: ")
        cause = "rebinding" if "makes a new array" in words else "untouched"
        raise Fault(cause, words) from None


def _others(subject, args, rng, draws):
    """Fresh arguments that f takes, for draws beyond the first."""
    drawn = (fresh(args, subject.named, rng) for _ in range(10 * draws))
    return list(itertools.islice((a for a in drawn if _takes(subject, a)), draws - 1))


def _takes(subject, args):
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(subject.value(copied(args))).all())
    except Exception:
        return False


def _compare(subject, draws, rng, seed):
    """The report on draws of arguments; what is wrong; a Fault that came late, or None."""
    late, wrongs, verdicts = None, [], []
    exact = None
    for these in draws:
        try:
            this = run(subject, these, rng)
        except Fault as fault:
            late = late or fault
            continue
        if exact is None:
            if not np.isfinite(this.Z).all():
                raise ValueError(f"{subject.name}: its value is not finite at these arguments")
            these = copied(these)
            exact = allows_complex(subject.value, these, subject.arrays(these), rng)
        more, worse = compare(subject, this, exact, rng)
        wrongs += worse
        verdicts = [v if w.passed else w for v, w in zip(verdicts, more)] if verdicts else more
    return Report(subject, verdicts, seed), wrongs, late


def _explained(report, subject, args, wrongs, late):
    if late and not report.verdicts:
        return report.because(late.cause, late.sentence, late.path)
    if subject.kind == "program":
        culprit = _culprit(subject, args)
        if culprit is not None:
            sentence = f"in {culprit.name}: {culprit.sentence}"
            return report.because(culprit.cause, sentence, culprit.path)
    if late and late.k is not None:
        cause, sentence = diagnose_shape(subject, late)
        if cause:
            return report.because(cause, sentence, late.path)
    for path in dict.fromkeys(w.path for w in wrongs):
        these = [w for w in wrongs if w.path == path]
        given = [w for w in these if w.x.shape == these[0].x.shape]
        for group in (these, given):
            cause, sentence = diagnose(group)
            if cause:
                if late:
                    sentence += f". At other shapes, {late.sentence}"
                return report.because(cause, sentence, path)
    if late:
        return report.because(late.cause, late.sentence, late.path)
    return report.because("", _pattern(report, wrongs))


def _pattern(report, wrongs):
    v = next(v for v in report.verdicts if not v.passed)
    words = (
        f"the gradient of {v.path} is wrong at {list(v.index)}"
        if v.index
        else (f"the gradient of {v.path} is wrong")
    )
    for w in wrongs[:1]:
        right = np.abs(w.D - w.G) <= 1e-6 * np.abs(w.G).max(initial=0)
        words += f", and at {int((~right).sum())} of its {right.size} entries in all"
    return words + ", in no way that this check knows"


def _culprit(subject, args):
    """The report on the first node of a program that is wrong by itself; None if none is."""
    nodes = tree.map_leaves(lambda a: engine.Node(a) if is_float(a) else a, args)
    seen = set()
    for n in engine.below(subject.f(*nodes, **subject.fresh())):
        if n.function is None or n.function in seen or n.function.__name__ == "identity":
            continue
        seen.add(n.function)
        part = Subject(n.function, engine.detach(n.args), n.options)
        if part.gradients_of:
            report = examine(part, engine.detach(n.args))
            if not report:
                return report
    return None


def _edges(subject, args, others, rng):
    """Raise Fault for what shows only in a program, at ties or where arrays coincide."""
    this = run(subject, args, rng)
    contract(subject, this, (others or [fresh(args, subject.named, rng)])[-1], rng)
    together, found = coinciding(args, subject.named, rng)
    if found and _takes(subject, together):
        for path, d in zip(subject.gradients_of, run(subject, together, rng).D):
            if np.isnan(d).any():
                raise Fault(
                    "not finite",
                    f"the gradient of {path} is nan where two rows are equal, though the value is "
                    "finite: a division by a distance of 0. There choose the gradient 0",
                    path,
                )
    level = tied(args, subject.named, rng)
    if _takes(subject, level):
        _ties(subject, run(subject, level, rng))


def _ties(subject, this):
    """Entries that are equal, moved together: the sum of their gradients is known at a tie."""
    args = copied(this.args)
    arrays = subject.arrays(args)
    for shape in dict.fromkeys(x.shape for x in arrays):
        alike = [k for k, x in enumerate(arrays) if x.shape == shape]
        centers = [arrays[k].copy() for k in alike]
        for level in np.unique(centers)[:6]:
            groups = [center == level for center in centers]
            if sum(group.sum() for group in groups) < 2:
                continue
            low, high = _joint_slope(subject, this, args, [arrays[k] for k in alike], groups)
            got = [this.D[k][group] for k, group in zip(alike, groups)]
            total = float(sum(d.sum() for d in got))
            size = sum(np.abs(d).sum() for d in got)
            slack = 1e-5 * (size + abs(low) + abs(high)) + 1e4 * rounding(this.dZ, this.D)
            if total < low - slack or total > high + slack:  # never for NaN
                paths = " and ".join(subject.gradients_of[k] for k in alike)
                raise Fault(
                    "ties",
                    f"where entries of {paths} are tied, their gradients sum to {total:.4g} "
                    f"instead of {low:.4g}: choose one winner, or share, so that the sum is right",
                    subject.gradients_of[alike[0]],
                )


def _joint_slope(subject, this, args, arrays, groups):
    """The slopes on either side, the lower first, as the groups of entries move together."""
    centers, t = [x.copy() for x in arrays], np.zeros(1)
    unit = max(scale(x) for x in arrays)

    def f(args):
        for x, center, group in zip(arrays, centers, groups):
            x[...] = center + t[0] * unit * group
        return subject.value(args)

    d = derivatives(f, args, t, [(0,)])
    for x, center in zip(arrays, centers):
        x[...] = center
    if not d.kinked[0]:
        return (float(this.dZ.ravel() @ d.J[:, 0]) / unit,) * 2
    sides = np.stack([this.dZ.ravel() * d.left[:, 0], this.dZ.ravel() * d.right[:, 0]]) / unit
    return float(sides.min(0).sum()), float(sides.max(0).sum())

"""The gradient check itself: which draws, which entries, which verdict."""

import collections
import contextlib
import io
import itertools
from typing import Any

import numpy as np

from .. import engine, faults, tree
from ..backend import array_module
from .diagnosis import diagnose, diagnose_shape
from .differences import allows_complex
from .draws import batch_of_one, fresh, hides_mistakes, resized
from .edges import check_edges, takes
from .report import Report
from .runs import contract, run
from .subjects import Fault, Subject, Unfit, copied, is_float
from .verdicts import ALL, FEW, compare

CALLS = 3  # of a node in a program, that are looked at one by one


def check(
    f: Any, *args: Any, seed: int = 0, draws: int = 2, lift: bool = False, **options: Any
) -> Report:
    """Whether the gradients of f are right, and if not, which mistake explains them.

    f: a node, a block, any function of nodes, a function that returns (value, back), or a pair
    (forward, backward) as in CS231n; args: arrays of float64 and nests of them, at which it is
    checked, and constants; options go to f, generators and state among them as copies, so that
    every call draws the same. seed: of everything the check draws; draws: how many sets of
    arguments are compared with differences, 2: the given ones, then others like them; lift: turn
    float32 into float64 first.
    Other shapes, square if these are not, tell mistakes apart; what is wrong there only is noted,
    as sizes may be written into f, and counts where a batch of one or a square would hide it.
    Every entry is varied by itself, also where a matrix happens to be symmetric.
    The report is true or false, prints, and has `.verdicts`, `.cause`, `.sentence` and `.json()`.
    Raises TypeError for what cannot be checked, ValueError where the value is not finite.

    >>> def double(A):
    ...     def back(dZ, dA):
    ...         dA += dZ
    ...     return 2 * A, back
    >>> report = check(double, np.array([1.0, 2.0, 3.0]))
    >>> bool(report), report.cause
    (False, 'factor')
    """
    args = _floats(args, lift)
    # f may print, and is called often; what is not finite gets a sentence of ours
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
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
            if array_module(leaf) is not np:
                raise Unfit(f"check works on NumPy arrays, and {path} is on a GPU: to_cpu first")
    return tree.map_leaves(lambda a: a.astype(float) if is_float(a) else a, args)


def examine(subject: Subject, args: tuple, seed: int = 0, draws: int = 2) -> Report:
    """Check a subject at its arguments."""
    if not subject.gradients_of and not subject.fixed:
        kinds = [str(a.dtype) for a in tree.leaves(args) if isinstance(a, np.ndarray)]
        raise Unfit(
            f"{subject.name}: a gradient is checked for arrays of floats, and these arguments hold "
            + (f"arrays of {', '.join(kinds)}: give .astype(float)" if kinds else "no array")
        )
    rng = np.random.default_rng(seed)
    try:
        if not subject.gradients_of:
            raise Fault("untouched", "its back takes no gradient: it is `def back(dZ, dA, ...)`")
        _read(subject)
        others = _others(subject, args, rng, draws)
        report, wrongs, late = _compare(subject, (args, *others), rng, seed)
        # other shapes tell mistakes apart, and show those that a batch of one or a square hides
        fitting = (a for a in resized(args, subject.checked, rng) if takes(subject, a))
        shaped = list(itertools.islice(fitting, 1))
        other, more, late_there = _compare(subject, shaped, rng, seed)
        if late or not report or hides_mistakes(args):
            wrongs += more
            if report and not other:
                report = other
                report.wrong_at_once = set()
            if batch_of_one(args):
                late = late or late_there
        elif late_there or not other:
            shapes = ", ".join(map(faults.shapes, shaped[0]))
            report.note = f"wrong at other shapes, as {shapes}: are sizes written into it?"
        if late or not report:
            return _explained(report, subject, args, wrongs, late)
        check_edges(subject, args, others, rng)
        if subject.kind == "program":
            _contracts(subject, args, rng)
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
    drawn = (fresh(args, subject.checked, rng) for _ in range(10 * draws))
    return list(itertools.islice((a for a in drawn if takes(subject, a)), draws - 1))


def _compare(subject, draws, rng, seed):
    """The report on draws of arguments; what is wrong; a Fault that came late, or None."""
    late, wrongs, verdicts, wrong_at_once = None, [], [], set()
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
            copies = copied(these)
            exact = allows_complex(subject.value, copies, subject.arrays(copies), rng)
        more, worse = compare(subject, this, exact, rng, FEW if verdicts else ALL)
        if these is not draws[0] and not worse and any(v.kinked for v in more):
            for again in _others(subject, these, rng, 2):  # a draw of ours need not have a kink
                more, worse = compare(subject, run(subject, again, rng), exact, rng, FEW)
        wrongs += worse
        if these is draws[0]:
            wrong_at_once = {v.path for v in more if not v.passed}
        verdicts = [v if w.passed else w for v, w in zip(verdicts, more)] if verdicts else more
    report = Report(subject, verdicts, seed)
    report.wrong_at_once = wrong_at_once
    return report, wrongs, late


def _explained(report, subject, args, wrongs, late):
    if late and not report.verdicts:
        report.of_forward = late.of_forward
        return report.because(late.cause, late.sentence, late.path)
    if subject.kind == "program":
        culprit = _culprit(subject, args)
        if culprit is not None:
            sentence = f"in {culprit.name}: {culprit.sentence}"
            return report.because(culprit.cause, sentence, culprit.path)
        return report.because(
            "",
            f"every node of {subject.name} is right by itself: is something detached inside, or "
            "taken with .value? Give it as an argument of its own",
        )
    if late:
        report.verdicts.clear()  # they are about other shapes
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
                    sentence = f"{late.sentence}. Where all shapes are square, {sentence}"
                elif path not in report.wrong_at_once:
                    sentence += ". (Right at the given arguments, wrong at others like them)"
                elif group[0].run.args is not args:
                    shapes = ", ".join(map(faults.shapes, group[0].run.args))
                    sentence += f". (Seen at shapes {shapes})"
                return report.because(cause, sentence, path)
    if late:
        return report.because(late.cause, late.sentence, late.path)
    return report.because("", _pattern(report, wrongs))


def _pattern(report, wrongs):
    """What can be said of an error that no cause explains."""
    v = next(v for v in report.verdicts if not v.passed)
    words = f"the gradient of {report.names.get(v.path, v.path)} is wrong at {list(v.worst)}"
    w = next((w for w in wrongs if w.path == v.path and w.x.shape == v.shape), None)
    if w is None:
        return f"{words} and perhaps elsewhere, in no way that this check knows"
    wrong = int((~w.right()).sum())
    if wrong > 1:
        words += f" and at {wrong - 1} of the other {w.D.size - 1} entries"
    if w.x.shape == w.dZ.shape and not (w.J - np.diag(np.diagonal(w.J))).any():
        worst = np.unravel_index(np.argmax(np.abs(w.D - w.G)), w.x.shape)  # w is another run than v
        x, dZ = w.x[worst], w.dZ[worst]
        return (
            f"{words}: at {w.name} = {x:.4g} the slope is {w.G[worst] / dZ:.4g}, and back has "
            f"{w.D[worst] / dZ:.4g}"
        )
    return f"{words}, in no way that this check knows"


def _parts(subject, args):
    """(subject, arguments) of the nodes that a program is made of, a few calls of each."""
    seen = collections.Counter()
    for n in engine.below(subject.f(*subject.nodes(args), **subject.fresh())):
        if seen[n.function] < CALLS and n.function not in (None, engine.identity):
            seen[n.function] += 1
            part = Subject(n.function, engine.detach(n.args), n.options)
            if part.gradients_of:
                yield part, engine.detach(n.args)


def _culprit(subject, args):
    """The report on the first node of a program that is wrong by itself; None if none is."""
    reports = (examine(part, given) for part, given in _parts(subject, args))
    return next((report for report in reports if not report), None)


def _contracts(subject, args, rng):
    """Raise Fault for a node that would be wrong in another program than this one."""
    for part, given in _parts(subject, args):
        try:
            contract(part, run(part, given, rng), fresh(given, part.checked, rng), rng)
        except Fault as fault:
            words = f"in {part.name}: {fault.sentence}"
            raise Fault(fault.cause, words, fault.path) from None

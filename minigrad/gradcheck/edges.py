"""What shows in a larger program, where entries are tied, or where arrays coincide."""

import numpy as np

from .differences import derivatives, scale
from .draws import coinciding, fresh, tied
from .runs import contract, rounding, run
from .subjects import Fault, copied
from .verdicts import ALL

LEVELS = 6  # of tied entries that are moved


def takes(subject, args):
    """True if the function takes these arguments and its value is finite."""
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(subject.value(copied(args))).all())
    except Exception:
        return False


def check_edges(subject, args, others, rng):
    """Raise Fault for what shows only in a program, at ties or where arrays coincide."""
    this = run(subject, args, rng)
    contract(subject, this, (others or [fresh(args, subject.checked, rng)])[-1], rng)
    together, found = coinciding(args, subject.checked, rng)
    meeting = _run_if_it_can(subject, together, rng) if found else None
    if meeting:
        for path, d in zip(subject.gradients_of, meeting.D):
            if np.isnan(d).any():
                raise Fault(
                    "not finite",
                    f"the gradient of {path} is nan where two rows are equal, though the value is "
                    "finite: a division by a distance of 0. There choose the gradient 0",
                    path,
                )
    check_ties(subject, this)
    level = _run_if_it_can(subject, tied(args, subject.checked, rng), rng)
    if level:
        check_ties(subject, level)


def _run_if_it_can(subject, args, rng):
    """The run at unusual arguments, None where f or its back has no answer: a singular matrix."""
    try:
        return run(subject, args, rng) if takes(subject, args) else None
    except Fault:
        return None


def check_ties(subject, this):
    """Entries that are equal, moved together: the sum of their gradients is known at a tie."""
    args = copied(this.args)
    arrays = subject.arrays(args)
    for shape in dict.fromkeys(x.shape for x in arrays):
        alike = [k for k, x in enumerate(arrays) if x.shape == shape and x.size <= ALL]
        centers = [arrays[k].copy() for k in alike]
        levels, counts = np.unique(centers, return_counts=True)
        for level in levels[counts > 1][:LEVELS]:
            groups = [center == level for center in centers]
            low, high, noise = _joint_slope(subject, this, args, [arrays[k] for k in alike], groups)
            got = [this.D[k][group] for k, group in zip(alike, groups)]
            total = float(sum(d.sum() for d in got))
            size = sum(np.abs(d).sum() for d in got)
            slack = 1e-5 * (size + abs(low) + abs(high)) + noise
            slack += 1e4 * sum(rounding(this, k, arrays[k]) for k in alike)
            if total < low - slack or total > high + slack:  # never for NaN
                paths = " and ".join(subject.gradients_of[k] for k in alike)
                raise Fault(
                    "ties",
                    f"where entries of {paths} are tied, their gradients sum to {total:.4g} "
                    f"instead of {low:.4g}: choose one winner, or share, so that the sum is right",
                    subject.gradients_of[alike[0]],
                )


def _joint_slope(subject, this, args, arrays, groups):
    """The slopes on either side, the lower first, as the groups move together, and their noise."""
    centers, t = [x.copy() for x in arrays], np.zeros(1)
    unit = max(scale(x) for x in arrays)

    def f(args):
        for x, center, group in zip(arrays, centers, groups):
            x[...] = center + t[0] * unit * group
        return subject.value(args)

    d = derivatives(f, args, t, [(0,)])
    for x, center in zip(arrays, centers):
        x[...] = center
    noise = float(np.sqrt(np.vdot(this.dZ, this.dZ)) * d.noise[0] / unit)
    J = d.J if not d.kinked[0] else np.stack([d.left, d.right])
    sides = this.dZ.ravel() * J[..., 0] / unit
    low, high = (sides, sides) if not d.kinked[0] else (sides.min(0), sides.max(0))
    return float(low.sum()), float(high.sum()), noise

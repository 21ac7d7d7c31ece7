"""Which mistake explains a wrong gradient: the first, in this order, that explains all of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import factors, positions, terms
from .differences import derivatives
from .subjects import Fault, Subject, copied
from .wrong import Wrong, close

CAUSES: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("not finite", factors.not_finite),
    ("untouched", factors.untouched),
    ("float32", factors.only_float32),
    ("sign", factors.sign),
    ("incoming ignored", factors.incoming_ignored),
    ("N", factors.times_samples),
    ("1/N", factors.over_samples),
    ("lambda", factors.constant),
    ("factor", factors.factor),
    ("batch sum missing", positions.batch_sum),
    ("wrong axis", positions.wrong_axis),
    ("broadcast", positions.broadcast),
    ("transposed", positions.transposed),
    ("rotated", positions.rotated),
    ("wrong mask", terms.labels_exchanged),
    ("wrong mask", terms.mask_of_incoming),
    ("mask missing", terms.mask_missing),
    ("slope", terms.slope),
    ("wrong mask", terms.wrong_mask),
    ("misplaced", positions.exchanged),
    ("wrong operand", terms.wrong_operand),
    ("border", positions.border),
    ("summand missing", terms.diagonal_only),
    ("counted once", positions.counted_once),
    ("misplaced", positions.misplaced),
    ("summand missing", terms.term_missing),
    ("eps place", factors.eps_place),
    ("factor", factors.row_factor),
    ("float32", factors.rounded),
    ("integers", factors.integers),
)


def diagnose(wrongs: list[Wrong]) -> tuple[str, str]:
    """(cause, sentence) of the first cause that explains every one of the draws, or ("", "")."""
    if not all(np.isfinite(w.G).all() for w in wrongs):
        return "", ""  # f leaves its domain next to the arguments
    for name, explains in CAUSES:
        with np.errstate(all="ignore"):
            sentences = [explains(w) for w in wrongs]
        if all(sentences):
            return name, sentences[0]
    return "", ""


def diagnose_shape(subject: Subject, fault: Fault) -> tuple[str, str]:
    """(cause, sentence) of a deposit that was refused for its shape, if its numbers explain it."""
    value = fault.value
    if fault.k is None or not isinstance(value, np.ndarray):
        return "", ""
    args = copied(fault.args)
    x = subject.arrays(args)[fault.k]
    J = derivatives(subject.value, args, x, list(np.ndindex(x.shape))).J
    G = (fault.dZ.ravel() @ J).reshape(x.shape)
    if value.T.shape == G.shape and close(value.T, G):
        return "transposed", f"{fault.sentence}. Transposed, it is right"
    for axis in range(value.ndim):
        total = value.sum(axis)
        if total.shape == G.shape and close(total, G):
            cause = "broadcast" if axis else "batch sum missing"
            return cause, f"{fault.sentence}. Summed over axis {axis}, it is right"
    return "", ""

"""What HIPS autograd's tests differentiate, differentiated by autograd and by minigrad.

PYTHONPATH=tests python -m peers.hips.comparison      prints the table; kept in ../hips.md
"""

import collections
import warnings

import numpy as np
from numpy.testing import assert_allclose
from peers import hips
from peers.hips import functions
from peers.hips.cases import CASES
from peers.tallies import Tally, Unsupported, table, unless

import minigrad as mg
from minigrad.tree import children, leaves

TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}


class Functions:
    """The functions of ours, and Unsupported for another name."""

    def __getattr__(self, name):
        unless(hasattr(functions, name), f"no {name}")
        return getattr(functions, name)


def derivatives(library, f, args, wrt):
    """The value; then by nests the gradient, by arrays the sum's gradient and the Jacobian."""
    values = [f(*args)]
    for i in wrt:
        if children(args[i]) is not None:
            values += leaves(library.grad(f, i)(*args))
        else:
            values += [library.elementwise_grad(f, i)(*args), library.jacobian(f, i)(*args)]
    return values


def ours(case):
    f, args = lambda *args: case.f(Functions(), *args), [hips.floats(a) for a in case.args]
    try:
        hips.check_grads(f, case.wrt)(*args)
        return derivatives(hips, f, args, case.wrt)
    except AttributeError as error:
        if not isinstance(error.obj, mg.Node):
            raise
        raise Unsupported(f"no method {error.name} of a Node") from error


def theirs(case):
    import autograd
    import autograd.numpy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = lambda *args: case.f(autograd.numpy, *args)
        return derivatives(autograd, f, case.args, case.wrt)


def tallies():
    rows = collections.defaultdict(Tally)
    for case in CASES:
        with rows[case.name].one():
            for got, expected in zip(ours(case), theirs(case), strict=True):
                assert np.shape(got) == np.shape(expected)
                assert_allclose(got, expected, **TOLERANCE)
    return rows


def document(rows):
    """The table as Markdown."""
    return table(
        f"# {len(CASES)} test cases of HIPS autograd against minigrad",
        "What autograd's tests differentiate ([cases.py](hips/cases.py)), by its `grad`, "
        "`elementwise_grad` and `jacobian`, by [those of minigrad](hips/__init__.py) and by "
        "differences. First derivatives only: minigrad has no gradient of a gradient, and no "
        "forward mode.",
        rows,
    )


if __name__ == "__main__":
    print(document(tallies()), end="")

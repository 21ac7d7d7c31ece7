"""What HIPS autograd's tests differentiate, differentiated by autograd and by minigrad.

PYTHONPATH=tests python -m peers.hips                 prints the table; kept in hips.md
"""

import collections
import warnings

import numpy as np
from numpy.testing import assert_allclose
from peers import hips
from peers.hips import functions
from peers.hips.cases import CASES
from peers.tallies import Tally, Unsupported, table

import minigrad as mg
from minigrad.tree import children, leaves

TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}


def derivatives(library, f, case):
    """The value, and by each argument the gradient of a nest, of an array the Jacobian too."""
    values = [f(*case.args)]
    for i in case.wrt:
        if children(case.args[i]) is not None:
            values += leaves(library.grad(f, i)(*case.args))
        else:
            values += [library.elementwise_grad(f, i)(*case.args)]
            values += [library.jacobian(f, i)(*case.args)]
    return values


def ours(case):
    f = lambda *args: case.f(functions, *args)
    try:
        hips.check_grads(f, case.wrt)(*case.args)
        return derivatives(hips, f, case)
    except AttributeError as error:
        if not isinstance(error.obj, mg.Node):
            raise
        raise Unsupported(f"no method {error.name} of a Node") from error


def theirs(case):
    import autograd
    import autograd.numpy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return derivatives(autograd, lambda *args: case.f(autograd.numpy, *args), case)


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
        "Functions and shapes that autograd's tests differentiate ([cases.py](cases.py)), through "
        "`grad`, `elementwise_grad` and `jacobian` of autograd, of minigrad "
        "([\\_\\_init\\_\\_.py](__init__.py), [functions.py](functions.py)), and by differences. "
        "First derivatives only: minigrad has no gradient of a gradient, nor forward mode.",
        rows,
    )


if __name__ == "__main__":
    print(document(tallies()), end="")

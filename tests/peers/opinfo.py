"""PyTorch's own samples of its operations (OpInfo) put to minigrad.

PYTHONPATH=tests python -m peers.opinfo               prints the table; kept in opinfo.md
"""

import random
import warnings

import numpy as np
from numpy.testing import assert_allclose
from peers.operations import OPERATIONS
from peers.tallies import Tally, table, unless

import minigrad as mg

# One operation, two libraries, float64: what summing in another order can change, far below what a
# wrong formula does.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}
WITHOUT_REFERENCE = {"addcmul", "addcdiv"}  # torch's own list stops at integers with gradients


def database():
    """PyTorch's descriptions of its operations, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return {op.formatted_name: op for op in op_db}


def version():
    import torch

    return torch.__version__.split("+")[0]


def samples(op):
    """What PyTorch tests the operation with, in float64, the same in every run."""
    import torch

    torch.manual_seed(0)
    random.seed(0)
    inputs = op.sample_inputs if op.name in WITHOUT_REFERENCE else op.reference_inputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(inputs("cpu", torch.float64, requires_grad=True))
    return [sample for sample in found if differentiable(arguments(sample))]


def arguments(sample):
    return [sample.input, list(sample.args), sample.kwargs]


def differentiable(nest):
    """The tensors of a nest that have a gradient, each once."""
    import torch

    leaves = torch.utils._pytree.tree_leaves(nest)
    found = [a for a in leaves if isinstance(a, torch.Tensor) and a.requires_grad]
    return list({id(a): a for a in found}.values())


def translated(nest, leaf, constant):
    """The nest with leaf(a) for tensors a that have a gradient, the same for the same one."""
    import torch

    made = {id(a): leaf(a.detach()) for a in differentiable(nest)}

    def part(a):
        if id(a) in made:
            return made[id(a)]
        return constant(a) if isinstance(a, torch.Tensor) else a

    return torch.utils._pytree.tree_map(part, nest), list(made.values())


def theirs(op, sample, rng):
    """Values of torch, random cotangents, and the products of these with the Jacobian."""
    import torch

    fresh = lambda a: a.requires_grad_()
    (first, args, options), leaves = translated(arguments(sample), fresh, lambda a: a)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = op(first, *args, **options)
    unless(value is not NotImplemented, "torch does not do it either")
    values = differentiable(value if isinstance(value, torch.Tensor) else list(value))
    cotangents = [rng.standard_normal(v.shape) for v in values]
    gradients = torch.autograd.grad(values, leaves, [*map(torch.tensor, cotangents)])
    return [v.detach().numpy() for v in values], cotangents, [g.numpy() for g in gradients]


def ours(function, sample, cotangents):
    """Values and products of minigrad, in the order of torch's."""
    array = lambda a: a.numpy()
    nest, nodes = translated(arguments(sample), lambda a: mg.var(array(a)), array)
    first, args, options = nest
    values = function(first, *args, **options)
    values = values if isinstance(values, tuple) else (values,)
    L = mg.add(tuple(mg.sum(G * Z) for G, Z in zip(cotangents, values, strict=True)))
    L.backward()
    return [Z.value for Z in values], [n.grad for n in nodes]


def compare(op, function, sample, rng):
    """Raise AssertionError if minigrad's values or products are not torch's.

    Once with the sample's memory, once with gaps in it.
    """
    values, cotangents, gradients = theirs(op, sample, rng)
    for laid_out in (sample, sample.noncontiguous()):
        with np.errstate(all="ignore"):
            found = ours(function, laid_out, cotangents)
        for got, expected in zip(found, (values, gradients)):
            for a, b in zip(got, expected, strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype
                assert_allclose(a, b, **TOLERANCE)


def tally(op, function):
    """How the samples of one operation go."""
    rng, count = np.random.default_rng(0), Tally()
    for sample in samples(op):
        with count.one():
            compare(op, function, sample, rng)
    return count


def tallies():
    operations = database()
    return {name: tally(operations[name], f) for name, f in OPERATIONS.items()}


def document(rows):
    """The table as Markdown."""
    return table(
        f"# {len(rows)} operations of PyTorch against minigrad's",
        f"PyTorch {version()} has samples of {len(database())} operations; here are those that "
        "minigrad has, as one node or a few ([operations.py](operations.py)). Every sample in "
        "float64, infinite and NaN ones too: the value and the product of the Jacobian with a "
        "random cotangent, as the sample stands in memory and with gaps.",
        rows,
    )


if __name__ == "__main__":
    print(document(tallies()), end="")

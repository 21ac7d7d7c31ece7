"""What holds for all nodes of the library, those still to be written included."""

import ast
import builtins
from pathlib import Path

import numpy as np
import pytest
from numeric import normal, positive

import minigrad
from minigrad import faults, nodes, tree
from minigrad.stepper.tracing import traced

NODES = {name: f for name, f in vars(nodes).items() if hasattr(f, "plain")}
SOURCES = [
    path
    for folder in ("nodes", "kernels")
    for path in sorted((Path(minigrad.__file__).parent / folder).glob("*.py"))
]


def test_the_nodes_are_found():
    assert {"affine", "sum", "conv", "maxpool", "normalize", "entropy", "take"} <= NODES.keys()


@pytest.mark.parametrize("name", NODES)
def test_every_node_can_be_imported_from_minigrad(name):
    assert getattr(minigrad, name) is NODES[name]
    assert name in minigrad.__all__ or name in dir(builtins)


@pytest.mark.parametrize("name", NODES)
def test_every_docstring_has_a_formula_and_an_example(name):
    text, prompt, _ = (NODES[name].__doc__ or "").partition(">>>")
    assert " = " in text
    assert prompt


A, B, P = normal(5, 4), normal(5, 4, seed=1), positive(5, 4)
IMAGES = normal(2, 3, 6, 5)
TAKES = {  # what a node is checked with, if not with (A,)
    "add": ((A, B, normal(4)),),
    "affine": (A, (normal(4, 3), normal(3))),
    "avgpool": (IMAGES, 2),
    "batchnorm": (A, (positive(4), normal(4))),
    "batchnorm_relu": (A, (positive(4), normal(4)), B),
    "concatenate": ((A, B),),
    "conv_pool": (IMAGES, (normal(4, 3, 3, 2), normal(4))),
    "conv_pool_simple": (IMAGES, (normal(4, 3, 3, 2), normal(4))),
    "conv": (IMAGES, (normal(4, 3, 3, 2), normal(4)), (2, 1), 1),
    "decay": ((A, (B, P)), 0.3),
    "deconv": (IMAGES, (normal(3, 4, 3, 2), normal(4)), (2, 1), 1),
    "div": (A, P),
    "dot": (A, normal(4, 3)),
    "dropout": (A, 0.3),
    "entropy": (A, np.array([0, 3, 1, 1, 2])),
    "index": (A, (slice(1, 4), np.array([0, 0, 2]))),
    "log": (P,),
    "lrn": (IMAGES, 3, 0.5),
    "maximum": (A, B),
    "maxpool": (IMAGES, (2, 3), 2, 1, True),
    "minimum": (A, B),
    "mul": (A, normal(4)),
    "pad": (A, ((1, 2), (0, 1))),
    "pow": (P, A),
    "pyramid": (IMAGES,),
    "reshape": (A, (2, 10)),
    "slide": (IMAGES, (normal(12, 4), normal(4)), 2),
    "sqrt": (P,),
    "squared_error": (A, B),
    "stack": ((A, B),),
    "sub": (A, normal(5, 1)),
    "take": (A, np.array([0, 0, 3])),
    "upsample": (IMAGES, (2, 3), (11, 14)),
}


@pytest.mark.parametrize("name", NODES)
def test_the_check_finds_every_node_right(name):
    options = {"rng": np.random.default_rng(0)} if name == "dropout" else {}
    report = minigrad.check(NODES[name], *TAKES.get(name, (A,)), **options)
    assert report, report


@pytest.mark.parametrize("name", NODES)
def test_the_stepper_traces_every_node_exactly(name):
    """The arrays it hands to the backs are a subclass: no node may take another way for them."""
    options = {"rng": np.random.default_rng(0)} if name == "dropout" else {}
    args = TAKES.get(name, (A,))
    leaves = [a for a in tree.leaves(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    made = {id(a): minigrad.var(a.copy()) for a in leaves}
    Z = NODES[name](*tree.map_leaves(lambda a: made.get(id(a), a), args), **options)
    L = minigrad.sum(Z * normal(*Z.shape, seed=2))
    writes = traced(L)
    found = {w.target: w.new for w in writes if w.backward}
    L.backward()
    for n in made.values():
        assert np.array_equal(found[n], n.grad)
        assert found[n].any()
    (*_, last) = (w for w in writes if w.target in made.values())
    assert last.line > 0


@pytest.mark.parametrize("name", NODES)
def test_no_back_loses_a_deposit_that_the_engine_would_refuse(name):
    faults.read(NODES[name].plain)


def test_a_lost_deposit_is_refused():
    """The test above says something: reading refuses what it should."""

    def double(A):
        def back(dZ, dA):
            dA = dA + 2 * dZ

        return 2 * A, back

    with pytest.raises(TypeError, match="double: its back assigns dA = dA"):
        faults.read(double)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_library_function_calls_a_builtin_that_bears_a_node_s_name(path):
    """In a standalone program the node of that name would be called instead."""
    both = NODES.keys() & set(dir(builtins))
    called = [
        f"{path.name}:{e.lineno}: {ast.unparse(e)}"
        for f in ast.walk(ast.parse(path.read_text()))
        if isinstance(f, ast.FunctionDef)
        for e in ast.walk(f)
        if isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and e.func.id in both
    ]
    assert {"sum", "max", "abs", "pow"} <= both
    assert called == []

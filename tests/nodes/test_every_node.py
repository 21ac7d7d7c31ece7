"""What holds for all nodes of the library, those still to be written included."""

import ast
import builtins
from pathlib import Path

import pytest

import minigrad
from minigrad import faults, nodes

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

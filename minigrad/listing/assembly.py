"""Statements as lines, without those that nothing needs, and arrays as they are read.

>>> steps = [("Z = f(A)", ast.parse("n = 1; B = A; Z = B * B").body)]
>>> prune(steps, {"Z"})
>>> lines(steps)
['', '# Z = f(A)', 'B = A', 'Z = B * B', '']
>>> reading("A", np.ones((4, 6))[::-1, :3])
'np.ndarray((4, 3), "<f8", inputs["A"], 144, (-48, 8))  # (4, 3)'
"""

import ast

import numpy as np

from .syntax import stored


def prune(statements: list, wanted: set[str]) -> None:
    """Drop assignments to names that nothing reads."""
    while True:
        every = [n for _, body in statements for s in body for n in ast.walk(s)]
        read = {n.id for n in every if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        read |= {x for n in every if isinstance(n, ast.AugAssign) for x in stored([n.target])}
        dropped = 0
        for _, body in statements:
            idle = [s for s in body if isinstance(s, ast.Assign) and _binds_names(s.targets)]
            for s in idle:
                if not {*stored([s])} & (read | wanted):
                    body.remove(s)
                    dropped += 1
        if not dropped:
            return


def _binds_names(targets):
    return all(_is_name(t) or (isinstance(t, ast.Tuple) and _binds_names(t.elts)) for t in targets)


def _is_name(e):
    return isinstance(e, ast.Name)


def lines(statements: list) -> list[str]:
    """The lines of the statements, each step under its heading if it takes more than one."""
    found = []
    for heading, body in statements:
        if heading and (len(body) > 1 or not body):
            found += ["", f"# {heading}"]
        for s in body:
            comment = getattr(s, "comment", "")
            found.append(ast.unparse(ast.fix_missing_locations(s)) + (comment and f"  {comment}"))
        if heading and len(body) > 1:
            found.append("")
    return found


def dense(a: np.ndarray) -> tuple[np.ndarray, tuple | None]:
    """An array as npz keeps it, and the arguments of np.ndarray that lay it out; none if plain.

    Sums depend in their last bits on how arrays lie in memory.
    """
    if a.flags.c_contiguous or a.flags.f_contiguous:
        return a, None
    low, high = np.lib.array_utils.byte_bounds(a)
    offset = a.__array_interface__["data"][0] - low
    memory = np.zeros(high - low, np.uint8)
    np.ndarray(a.shape, a.dtype, memory, offset, a.strides)[...] = a
    return memory, (offset, a.strides)


def reading(name: str, a: np.ndarray) -> str:
    """The expression that reads an array of the inputs, and its shape."""
    layout = dense(a)[1]
    read = f'inputs["{name}"]'
    if layout:
        read = f'np.ndarray({a.shape}, "{a.dtype.str}", {read}, {layout[0]}, {layout[1]})'
    return f"{read}  # {a.shape}"

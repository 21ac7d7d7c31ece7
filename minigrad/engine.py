"""The engine: turns forward programs into backward ones. It knows no operation.

A node computes a value and keeps a `back`; a program of nodes has a backward program, made of
their backs in reverse order:

>>> import numpy as np
>>> @node
... def square(A):
...     Z = A * A
...     def back(dZ, dA):
...         dA += dZ * 2 * A
...     return Z, back
>>> A = var(np.array(3.0))
>>> L = square(square(A))
>>> L.backward()
>>> float(L), float(A.grad)
(81.0, 108.0)
>>> float(square(np.array(3.0)))  # arrays in, array out
9.0
"""

import functools
import itertools
import numbers
import operator
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import faults, tree
from .backend import one_like
from .kernels.memory import ZEROED, zeros_like
from .tree import Gradients, Unwanted, undone

_next_serial = itertools.count(1).__next__
_by_serial = operator.attrgetter("serial")
_CONSTANTS = (numbers.Number, np.generic, str, slice, type(...))
_UFUNCS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv"}
_UFUNCS |= {"power": "pow", "matmul": "matmul"}  # NumPy's functions behind Python's operators
_observed: Callable | None = None  # a profile's: calls the function of a node or block and looks


class Block(NamedTuple):
    """The mark of a block on its result: function, arguments, options, serial at entry."""

    function: Callable
    args: tuple
    options: dict
    since: int


class Program:
    """A backward program taken step by step, by calls of `.back`."""

    def __init__(self, order: list["Node"]):
        # weak: steps that nobody can take any more must not block the next program
        self.steps = weakref.WeakSet(n for n in order if n._back is not None)
        self.failed = True  # also while a step is under way, so that one cut short is not repeated


class Node:
    """A value, how it was made and, after a backward program, its gradient.

    value: an array of any shape; grad: an array like it, None before any backward program.
    The operators + - * / ** @ [] make nodes; NumPy's functions refuse a Node.
    """

    __slots__ = (
        *("value", "grad", "function", "args", "options", "parents", "serial", "blocks"),
        *("_back", "_count", "_program", "_ran", "_waits", "__weakref__"),
    )
    _ran: bool

    def __init__(self, value, function=None, args=(), options=None, parents=(), back=None, count=0):
        self.value, self.grad, self.function, self.args = value, None, function, args
        self.options, self.parents, self._back, self._count = options, parents, back, count
        self.serial, self.blocks, self._program = _next_serial(), (), None

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    name = property(lambda self: self.function.__name__ if self.function else "leaf")

    def __len__(self):
        return len(self.value)

    def __float__(self):
        return float(self.value)

    def __format__(self, spec):
        return format(self.value if self.ndim else self.value.item(), spec) if spec else str(self)

    def __repr__(self):
        if self.function and not self._back:
            return f"<{self.name}, freed>"
        return f"<{self.name} {self.shape if self.ndim else self.value.item()} {self.dtype}>"

    def _refuse(self, *other):
        raise TypeError(f"{self.name}: a Node cannot be compared, tested or copied: use its .value")

    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __reduce_ex__ = _refuse

    def __getattr__(self, attribute):  # called only for what is missing
        if attribute in ("value", "grad"):
            raise RuntimeError(faults.freed(self.name, attribute))
        raise AttributeError(faults.no_attribute(self.name, attribute))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(faults.no_numpy("asarray"))

    def __array_function__(self, function, kinds, args, options):
        raise TypeError(faults.no_numpy(function.__name__))

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if ufunc.__name__ in ("equal", "not_equal"):  # an array compared with a Node: by identity
            return ufunc.__name__ == "not_equal"
        name = _UFUNCS.get(ufunc.__name__)
        if name is None or method != "__call__" or options:
            raise TypeError(faults.no_numpy(ufunc.__name__, "out" in options))
        a, b = inputs
        return getattr(a, f"__{name}__")(b) if type(a) is Node else getattr(b, f"__r{name}__")(a)

    def backward(self) -> None:
        """Clear, then fill, the gradient of everything this scalar depends on."""
        _backward(self)

    def back(self, *args) -> None:
        """Take one step of the backward program, as on the slide: `A.back(X, (W, b))`.

        With the forward call's arguments. A scalar without a gradient begins a program. Raises
        RuntimeError if it is not this step's turn, ValueError for other arguments.
        """
        if not self.function and not self.blocks:
            raise RuntimeError("a leaf was given, not computed: it has no step to take")
        block = [*self.blocks, Block(self.function, self.args, self.options, self.serial - 1)][0]
        if not tree.same(args, block.args, _equal):
            raise ValueError(faults.other_arguments(block.function, block.args, args))
        if self.grad is None and self._program is None:
            self._begin(block)
        order = below(self, block.since)
        faults.check_turn(self, block.function.__name__, order)
        self._program.failed = True
        for n in reversed(order):
            if n._back is not None:
                n._deposit()
                n._ran = True
                for p in n.parents:
                    p._waits -= 1
        self._program.failed = False

    def _begin(self, block):
        """Clear the gradients of a new backward program and seed it at this scalar."""
        if self.ndim:
            raise RuntimeError(faults.no_gradient(self, block.function.__name__))
        order = below(self)
        faults.check_unfinished(block.function.__name__, order)
        program = Program(order)
        for n in order:
            n.grad, n._program, n._ran, n._waits = None, program, False, 0
            for p in n.parents:
                p._waits += 1
        self.grad, program.failed = one_like(self.value), False

    def _deposit(self, since=-1):
        """Call the back on the gradients of value and arguments."""
        gradients = []
        try:
            gradients += [_gradients(a, since) for a in self.args[: self._count]]
            if len(gradients) < self._count:  # the others were left at their defaults
                gradients += [Unwanted(None)] * (self._count - len(gradients))
            self._back(self.grad, *gradients)
        except BaseException as error:
            faults.explain_back(self.function, detach(self.args), gradients, error)
            raise


def _backward(root: Node, since: int = -1, free: bool = False) -> None:
    if root.ndim:
        faults.check_scalar(root.name, root.value)
    order = below(root, since)
    for n in order:
        n.grad = n._program = None
    root.grad = one_like(root.value)
    while order:
        n = order.pop()
        if n._back is not None:
            n._deposit(since)
            if free:
                del n.value, n.grad
                n._back, n.args, n.parents, n.blocks = None, (), (), ()


def below(root: Node, since: int = -1) -> list[Node]:
    """The nodes that root depends on, itself included, made after serial `since`, oldest first."""
    order, found = [root], {root}
    for n in order:  # which grows on the way
        for p in n.parents:
            if p.serial > since and p not in found:
                found.add(p)
                order.append(p)
    order.sort(key=_by_serial)
    return order


def _plain(a: Any, found: list, nests: list) -> Any:
    """The argument with values for Nodes; Nodes met go to found, lists and dicts to nests."""
    kind = type(a)
    if kind is Node:
        found.append(a)
        return a.value
    if kind is np.ndarray or kind is float or kind is int or a is None:
        return a
    if kind is tuple:
        return tuple([_plain(part, found, nests) for part in a])
    parts = tree.children(a)
    if parts is not None:
        if not isinstance(a, tuple):
            nests.append(a)
        return tree.rebuild(a, [_plain(part, found, nests) for part in parts])
    if isinstance(a, _CONSTANTS) or hasattr(a, "__array_function__"):
        return a
    raise TypeError(faults.not_an_argument(a))


def _gradients(a: Any, since: int = -1) -> Any:
    """The gradient of an argument, nested like it; made of zeros at its first use."""
    kind = type(a)
    if kind is Node:
        if a.serial <= since:
            return Unwanted(a.value)
        if a.grad is None:
            v = a.value
            small = type(v) is np.ndarray and v.nbytes < ZEROED and v.flags.c_contiguous
            a.grad = np.zeros(v.shape, v.dtype) if small else zeros_like(v)  # 5 times as fast
        return a.grad
    if kind is tuple or kind is list:
        return Gradients([_gradients(part, since) for part in a])
    parts = tree.children(a)
    if parts is None:
        return Unwanted(a)
    return tree.rebuild(a, [_gradients(part, since) for part in parts])


def _equal(a: Any, b: Any) -> bool:
    """The same Node; anything else by value."""
    if a is b or type(a) is Node or type(b) is Node:
        return a is b
    return np.shape(a) == np.shape(b) and bool(np.all(a == b))


def _nodes(a: Any) -> bool:
    """True if a Node is anywhere in the nest."""
    return any(type(leaf) is Node for leaf in tree.leaves(a))


def _split(f: Callable, args: tuple, options: dict) -> tuple[list, list, tuple]:
    """The plain arguments of a call, the Nodes among them, and the arguments as they are now."""
    found, nests = [], []  # type: ignore[var-annotated]
    plain = [_plain(a, found, nests) for a in args]
    if options:
        faults.check_options(f.__name__, {k: _nodes(option) for k, option in options.items()})
    return plain, found, tree.map_leaves(lambda a: a, args) if nests else args


def _array(f: Callable, value: Any, plain: list) -> Any:
    """The value of a node as an array; a Python number takes the first float argument's dtype."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    if isinstance(value, (bool, int, float)):
        dtypes = [a.dtype for a in tree.leaves(plain) if hasattr(a, "dtype")]
        return np.asarray(value, next((d for d in dtypes if d.kind == "f"), None))
    if type(value) is Node or not hasattr(value, "__array_function__"):
        raise TypeError(faults.not_a_value(f.__name__, value))
    return faults.one_device(f, value, plain)


def node(f: Callable) -> Callable:
    """Make a node of a function of arrays that returns (value, back).

    Called with a Node by position it returns a Node, otherwise the plain value. By position go
    arrays, numbers, None, strings, slices and nests of these; state and generators go by keyword.
    Raises TypeError if the body of `back` loses a deposit, read once from the source.
    """
    if not (f.__module__ or "").startswith("minigrad."):  # those are read by a test
        faults.read(f)
    most = faults.positional(f, defaults=True)
    arity: tuple = (None, 0)  # of the last back: its code, the gradients it takes

    @functools.wraps(f)
    def call(*args, **options):
        plain, found, args = _split(f, args, options)
        try:
            result = _observed(f, plain, options) if _observed else f(*plain, **options)
        except Exception as error:
            faults.explain_forward(f, plain, error)
            raise
        if type(result) is not tuple or len(result) != 2 or not callable(result[1]):
            raise TypeError(faults.not_a_pair(f.__name__, result))
        value, back = result
        if not found and type(value) is not Node:
            return value if type(value) is np.ndarray else faults.one_device(f, value, plain)
        if type(value) is not np.ndarray:
            value = _array(f, value, plain)
        nonlocal arity
        code, count = arity
        if getattr(back, "__code__", back) is not code:  # counting each time: 2 % of a small step
            count = faults.positional(back, defaults=False) - 1
            arity = getattr(back, "__code__", None), count
        if count != len(args):
            odd = count < 0 or count > len(args)
            if odd or not all(map(operator.is_, args[count:], plain[count:])):
                count = faults.check_count(f.__name__, count, most, [_nodes(a) for a in args])
        return Node(value, f, args, options, found, back, count)

    call.plain = f  # type: ignore[attr-defined]
    return call


def block(f: Callable) -> Callable:
    """Make a block of a function made of nodes and blocks that returns one value.

    Its nodes deposit straight into its arguments' gradients; its result carries its mark, so that
    one `.back` steps through all of it. Called with plain arrays it stays plain.
    """

    @functools.wraps(f)
    def call(*args, **options):
        since = _next_serial()
        _, _, args = _split(f, args, options)
        value = _observed(f, args, options) if _observed else f(*args, **options)
        faults.check_one_value(f.__name__, value)
        if type(value) is Node:
            if value.serial < since or value.function is None:
                value = node(identity)(value)
            value.blocks = (Block(f, args, options, since), *value.blocks)
        return value

    call.plain = f  # type: ignore[attr-defined]
    return call


def identity(A):
    return A, lambda dZ, dA: dA.__iadd__(dZ)


def var(tree_of_arrays: Any) -> Any:
    """Leaves of float arrays, nested like what was given; None stays None.

    `.value` is the array itself, no copy. Raises TypeError for anything but float arrays.

    >>> W, b = var((np.ones((2, 3)), np.zeros(3)))
    >>> W
    <leaf (2, 3) float64>
    """
    faults.check_leaves(tree_of_arrays)
    return tree.map_leaves(lambda a: None if a is None else Node(a), tree_of_arrays)


def detach(tree_of_nodes: Any) -> Any:
    """The plain arrays of the Nodes in a nest; everything else stays as it is."""
    return tree.map_leaves(lambda a: a.value if type(a) is Node else a, tree_of_nodes)


def value_and_grad(f: Callable, wrt: int | tuple[int, ...] = 0) -> Callable:
    """The function of plain arrays that returns (value of f, its gradient by the arguments at wrt).

    f: arrays and nests of them to a scalar; wrt: a position or a tuple of positions. Nodes made
    before the call are constants; values and gradients inside are freed when they have been used.
    If it fails, generators and dicts among the options are put back to what they were.

    >>> import minigrad as mg
    >>> value_and_grad(lambda A: mg.sum(A * A))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    positions = (wrt,) if isinstance(wrt, int) else tuple(wrt)

    @functools.wraps(f)
    @undone
    def gradient_of(*args, **options):
        since, given = _next_serial(), list(args)
        for i in positions:
            faults.check_position(f, i, len(args))
            given[i] = var(args[i])
        L = f(*given, **options)
        value = detach(L)
        faults.check_scalar(getattr(f, "__name__", "the function"), value)
        if type(L) is Node and L.serial > since:
            _backward(L, since, free=True)
        nests = given[wrt] if isinstance(wrt, int) else tuple([given[i] for i in positions])
        return value, tree.map_leaves(lambda n: n if n is None else _gradients(n), nests)

    return gradient_of


def grad(f: Callable, wrt: int | tuple[int, ...] = 0) -> Callable:
    """The function that returns the gradient of a scalar function by its arguments at wrt."""
    both = value_and_grad(f, wrt)
    return functools.wraps(f)(lambda *args, **options: both(*args, **options)[1])

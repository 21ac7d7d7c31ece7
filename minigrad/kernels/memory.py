"""Arrays for the time of a step, whose memory serves the next step as well.

Fresh memory costs more than the arithmetic on it: the system hands it out page by page, zeroed.
What `empty` hands out is returned when nothing refers to it any more, by itself, and the next array
that fits gets it.

>>> release()
>>> A = empty((512, 512), np.float32)
>>> place = A.ctypes.data
>>> del A
>>> empty((512, 511), np.float32).ctypes.data == place
True
"""

import collections
import math
import weakref
from typing import Any

import numpy as np

from ..backend import array_module

SMALLEST = 1 << 16  # bytes: below, NumPy's own cache of memory is as fast
ZEROED = 1 << 23  # bytes: below, NumPy's zeros are as fast
LIMIT = 64 << 20  # bytes that the pool may hold without use; beyond, the longest unused are freed
WASTE = 1.5  # how much larger than an array its memory may be

_idle: list["Memory"] = []  # the most recently returned last
_returned: collections.deque["Return"] = collections.deque()  # since `settle`


class Memory:
    """Bytes, told from others by identity."""

    def __init__(self, size: int):
        self.bytes = np.empty(size, np.uint8)


class Return(weakref.ref):
    """Of a loan: appended to `_returned` when it ends, by C alone.

    A `__del__` in Python would swallow a Ctrl-C that comes just then.
    """

    memory: Memory | None = None  # until it is there: Ctrl-C may come before


class Loan:
    """Memory as an array sees it, until the last array on it is gone."""

    def __init__(self, memory: Memory):
        self.__array_interface__ = memory.bytes.__array_interface__
        self.end = Return(self, _returned.append)
        self.end.memory = memory


def empty(shape: tuple[int, ...], dtype: Any, xp: Any = np) -> Any:
    """An array of whatever values, contiguous; xp: the module whose array it is to be.

    CuPy has a pool of its own.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if xp is not np or size < SMALLEST:
        return xp.empty(shape, dtype)
    return np.asarray(Loan(taken(size)))[:size].view(dtype).reshape(shape)


def zeros_like(X: Any) -> Any:
    """Zeros of the array's shape, dtype, device and memory order."""
    if not isinstance(X, np.ndarray):
        return array_module(X).zeros_like(X)
    if X.nbytes < ZEROED or type(X) is not np.ndarray or X.dtype.hasobject:
        return np.zeros_like(X, subok=False)
    axes = sorted(range(X.ndim), key=lambda i: -(X.strides[i] ** 2))  # a step may go backwards
    Z = empty(tuple([X.shape[i] for i in axes]), X.dtype)
    Z[...] = 0
    return Z.transpose(np.argsort(axes))


def taken(size: int) -> Memory:
    """The smallest memory of the pool that fits, no longer in it, or fresh memory."""
    settle()
    fits = [m for m in _idle[:] if size <= m.bytes.size <= WASTE * size]
    for memory in sorted(fits, key=lambda m: m.bytes.size):
        try:
            _idle.remove(memory)
        except ValueError:  # another thread was faster
            continue
        return memory
    return Memory(size)


def settle() -> None:
    """Take into the pool what was returned, and free what is beyond its limit."""
    while _returned:
        try:
            memory = _returned.popleft().memory
        except IndexError:  # another thread was faster
            break
        if memory is not None and memory.bytes.size <= LIMIT:
            _idle.append(memory)
    while math.fsum(memory.bytes.size for memory in _idle[:]) > LIMIT:
        del _idle[:1]


def release() -> None:
    """Free what the pool holds without use."""
    _returned.clear()
    _idle.clear()

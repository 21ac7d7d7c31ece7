"""Arrays for the time of a step, whose memory serves the next step as well.

Fresh memory costs more than the arithmetic on it: the system hands it out page by page, zeroed.
What `empty` hands out goes back to a pool when nothing refers to it any more, by itself, and the
next array of that size gets it.

>>> A = empty((512, 512), np.float32)
>>> place = A.ctypes.data
>>> del A
>>> empty((512, 512), np.float32).ctypes.data == place
True
"""

import math
from typing import Any

import numpy as np

SMALLEST = 1 << 16  # bytes: below, NumPy's own cache of memory is as fast
LIMIT = 1 << 28  # bytes that the pool may hold without use; beyond, the longest unused are freed

_idle: dict[int, list[np.ndarray]] = {}  # by size; the most recently returned sizes come last


class Loan:
    """Memory as an array sees it; back to the pool when the last array on it is gone."""

    def __init__(self, memory: np.ndarray):
        self.memory, self.__array_interface__ = memory, memory.__array_interface__

    def __del__(self):
        size = self.memory.nbytes
        memories = _idle.pop(size, [])
        memories.append(self.memory)
        _idle[size] = memories
        while math.fsum(size * len(held) for size, held in [*_idle.items()]) > LIMIT:
            _idle.pop(next(iter(_idle)))


def empty(shape: tuple[int, ...], dtype: Any, xp: Any = np) -> Any:
    """An array of whatever values, contiguous; xp: the module whose array it is to be.

    CuPy has a pool of its own.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if xp is not np or size < SMALLEST:
        return xp.empty(shape, dtype)
    try:
        memory = _idle[size].pop()
    except (KeyError, IndexError):
        memory = np.empty(size, np.uint8)
    return np.asarray(Loan(memory)).view(dtype).reshape(shape)


def release() -> None:
    """Free what the pool holds without use."""
    _idle.clear()

"""Products of two large matrices, in blocks that the threads share.

>>> A, B = np.ones((300, 200)), np.ones((200, 100))
>>> np.array_equal(product(A, B), A @ B)
True
"""

from typing import Any

import numpy as np

from .memory import empty
from .order import is_batch_last
from .parallel import each
from .windows import slices

LARGE = 1 << 26  # multiplications: below, a product takes a millisecond and is left to BLAS
BLOCKS = 4  # fixed, so that results do not depend on the threads; more make BLAS slower
ADDED = 1 << 19  # entries of a block that is added while it is in the cache


def product(A: Any, B: Any, like: Any = None) -> Any:
    """A B, in the memory order of like, if it is given.  A: (m, k), B: (k, n).

    A small one, or one on a GPU, is A @ B; of a large one, the longer side is cut into blocks.
    """
    if A.size * B.shape[-1] < LARGE or A.ndim != 2 or type(A) is not np.ndarray:
        return A @ B
    (m, _), n, dtype = A.shape, B.shape[1], np.result_type(A, B)
    last = like is not None and is_batch_last(like)
    C = empty((n, m), dtype).T if last else empty((m, n), dtype)
    if m < n:
        each(lambda s: np.matmul(A, B[:, s], out=C[:, s]), slices(n, -(-n // BLOCKS)))
    else:
        each(lambda s: np.matmul(A[s], B, out=C[s]), slices(m, -(-m // BLOCKS)))
    return C


def add_product(C: Any, A: Any, B: Any) -> None:
    """C += A B.  C: (m, n), A: (m, k), B: (k, n).

    >>> C = np.ones((2, 2))
    >>> add_product(C, np.ones((2, 3)), np.ones((3, 2)))
    >>> C
    array([[4., 4.],
           [4., 4.]])
    """
    if A.size * B.shape[-1] < LARGE or A.ndim != 2 or type(A) is not np.ndarray:
        C += A @ B
    else:
        add_in_blocks(C, A, B)


def add_in_blocks(C, A, B):
    """C += A B by a few rows at a time, which are added while they are in the cache."""

    def add(s):
        P = empty((s.stop - s.start, B.shape[1]), np.result_type(A, B))
        C[s] += np.matmul(A[s], B, out=P)

    each(add, slices(len(A), -(-ADDED // B.shape[1])))

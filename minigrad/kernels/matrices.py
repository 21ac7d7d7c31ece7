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

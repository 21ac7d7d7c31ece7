"""NumPy or CuPy, by the array at hand; the only module that may import CuPy.

>>> import numpy as np
>>> array_module(np.ones(2)).__name__
'numpy'
"""

import sys
from types import ModuleType
from typing import Any

import numpy as np


def array_module(array: Any) -> ModuleType:
    """The module that made the array: cupy for its arrays, numpy for all others.

    A subclass of NumPy's may name another in `__array_namespace__`.
    """
    kind = type(array)
    if kind is np.ndarray:
        return np
    if kind.__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return array.__array_namespace__() if isinstance(array, np.ndarray) else np


def one_like(scalar: Any) -> Any:
    """A 0-d array of 1, of a 0-d array's dtype and device."""
    return array_module(scalar).array(1, scalar.dtype)


def zeros_like(array: Any) -> Any:
    """Zeros of the array's shape, dtype, device and memory order."""
    if isinstance(array, np.ndarray):
        return np.zeros_like(array, subok=False)
    return array_module(array).zeros_like(array)

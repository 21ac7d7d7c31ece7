"""NumPy or CuPy, by the array at hand; the only module that may import CuPy.

Nothing moves between the two by itself: `to_gpu` and `to_cpu` are the only ways.

>>> import numpy as np
>>> array_module(np.ones(2)).__name__
'numpy'
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .tree import map_leaves, paths


class NoGPU(RuntimeError):
    """There is no GPU to compute on, or no CuPy; the message says which."""


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


def to_gpu(tree: Any) -> Any:
    """The nest with copies on the GPU of its NumPy arrays, in their memory order, as CuPy arrays.

    What is there already, and what is no array, stays as it is. Raises NoGPU without CuPy or a GPU,
    MemoryError if an array does not fit, TypeError for Nodes: move, then `var`.

    >>> to_gpu(({"rate": 0.1}, None))
    ({'rate': 0.1}, None)
    """
    refuse_nodes("to_gpu", tree)

    def move(a):
        if not isinstance(a, np.ndarray):
            return a
        cupy = _cupy("to_gpu")
        try:
            return in_order(cupy.asarray, a)
        except MemoryError as error:
            raise MemoryError(
                f"to_gpu: an array {a.shape} of {a.dtype}, {a.nbytes:,} bytes, does not fit into "
                f"the memory of the GPU: {error}"
            ) from error

    return map_leaves(move, tree)


def to_cpu(tree: Any) -> Any:
    """The nest with NumPy copies of its CuPy arrays, in their memory order; all else as it is.

    Raises TypeError for Nodes: give it their values and gradients.

    >>> to_cpu((np.ones(2), 3))
    (array([1., 1.]), 3)
    """
    refuse_nodes("to_cpu", tree)
    move = lambda a: a if array_module(a) is np else in_order(lambda part: part.get(), a)
    return map_leaves(move, tree)


def gpu_available() -> bool:
    """True if CuPy is installed and a GPU has just computed something; never raises.

    >>> gpu_available() in (True, False)
    True
    """
    try:
        _cupy("gpu_available")
    except NoGPU:
        return False
    return True


class tf32:
    """Let products of float32 matrices on the GPU round their factors to 10 bits: `tf32(True)`.

    Or `with tf32(True): ...`. On tensor cores they are several times as fast, and right to some 3
    digits instead of 7; sums stay float32. Off by default, and without effect on float64, on NumPy,
    and on products of more than two axes, which CuPy computes in float32.
    Raises NoGPU without one, or for one of a compute capability below 8.0.
    Source: CuPy's environment variable CUPY_TF32, which sets the same for a whole process.
    """

    def __init__(self, on: bool):
        cupy = _cupy("tf32")
        from cupy._core import _routines_linalg as products

        capability = cupy.cuda.Device().compute_capability
        if on and int(capability) < 80:
            raise NoGPU(
                f"tf32: this GPU has none: its compute capability is {capability}, 80 is needed"
            )
        self._set = lambda kind: products.set_compute_type(np.float32, kind)
        self._before = products.get_compute_type(np.float32)
        self._set(products.COMPUTE_TYPE_TF32 if on else products.COMPUTE_TYPE_DEFAULT)

    def __enter__(self) -> "tf32":
        return self

    def __exit__(self, *exception: Any) -> None:
        self._set(self._before)


def nccl(size: int, rank: int) -> Any:
    """CuPy's all-reduce over the GPUs of so many ranks; they meet by mpi4py."""
    from cupyx.distributed import init_process_group

    return init_process_group(size, rank, use_mpi=True)


def in_order(move: Callable, a: Any) -> Any:
    """An array moved as its entries stand in memory, and turned back to its axes' order."""
    axes = sorted(range(a.ndim), key=lambda i: -abs(a.strides[i]))
    return move(a.transpose(axes)).transpose(sorted(range(a.ndim), key=axes.__getitem__))


def refuse_nodes(name: str, tree: Any) -> None:
    for path, a in paths(tree):
        if hasattr(a, "parents"):
            raise TypeError(
                f"{name}: {path or 'this'} is a Node: it moves arrays, before var and after .value"
            )


def _cupy(name: str) -> Any:
    """CuPy, if a GPU computes; else NoGPU with a sentence in the name of the caller."""
    try:
        import cupy
    except Exception as error:  # broken installations fail in many ways
        raise NoGPU(
            f"{name}: CuPy cannot be imported ({error}). On a machine with an NVIDIA GPU: "
            "pip install 'minigrad-lectures[gpu]'"
        ) from error
    try:
        (cupy.zeros(1) + 1).sum().item()  # compiles and runs a kernel: all that can be missing
    except Exception as error:
        raise NoGPU(f"{name}: no GPU answers to CuPy {cupy.__version__}: {error}") from error
    return cupy

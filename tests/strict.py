"""A stand-in for CuPy, stricter than CuPy: its arrays never turn into NumPy's by themselves.

    strict.install(monkeypatch)          `import cupy` finds the stand-in from then on
    X = mg.to_gpu(np.ones(3))            an array of it; X.get() or mg.to_cpu(X) leads back

The numbers stand in NumPy arrays, behind a wall: `__array__` raises, a NumPy array mixed into any
operation, function or index raises TypeError (CuPy would move an index silently), what CuPy has no
name or parameter for is missing (cupy_names.py), a result is an array, also with no axes. CUDA
kernels are compiled by g++, each thread a turn of a loop, and run on these arrays.
"""

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
import types
from pathlib import Path

import cupy_names
import numpy as np

FUNCTIONS, METHODS = cupy_names.pinned()
SCALARS = (bool, int, float, complex, np.generic)
BY_HOST = {"transpose", "split", "array_split"}  # CuPy reads their indices on the host
GPP = shutil.which("g++")
LIMIT = 1 << 40  # bytes of an array on the device


def host(a, name):
    """What stands behind the wall, in nests too; NumPy arrays are refused in the name of f."""
    if isinstance(a, ndarray):
        return a._host
    if isinstance(a, np.ndarray) and name not in BY_HOST:
        raise TypeError(f"Unsupported type {type(a)}: a NumPy array {a.shape} given to cupy.{name}")
    if type(a) in (tuple, list):
        return type(a)(host(part, name) for part in a)
    return a


def device(a):
    """Arrays and NumPy's numbers behind the wall, in tuples and lists too; others as they are."""
    if isinstance(a, (np.ndarray, np.generic)):
        return ndarray(a)
    return type(a)(map(device, a)) if type(a) in (tuple, list) else a


def called(f, name, parameters, args, options):
    """f of what stands behind the wall, if CuPy has such parameters."""
    known = [p.lstrip("*") for p in parameters]
    if "ufunc" in parameters:
        known = ["out", "dtype", "casting"]
    elif not any(p.startswith("*") for p in parameters) and len(args) > len(parameters):
        raise TypeError(f"cupy.{name} takes {len(parameters)} arguments, not {len(args)}")
    for option in options:
        if option not in known and not any(p.startswith("**") for p in parameters):
            raise TypeError(f"cupy.{name} has no parameter {option!r}")
    passed = {k: host(option, name) for k, option in options.items()}
    result = f(*(host(a, name) for a in args), **passed)
    return device(result) if options.get("out") is None else options["out"]


class Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata


class ndarray:
    __slots__ = ("_host",)
    __hash__ = None

    def __init__(self, values):
        self._host = np.asarray(values)
        if self._host.nbytes > LIMIT:
            raise OutOfMemoryError(f"Out of memory allocating {self._host.nbytes:,} bytes")

    def get(self, stream=None, order="C", out=None, blocking=True):
        return self._host.copy(order)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method != "__call__" or ufunc.__name__ not in FUNCTIONS:
            return NotImplemented
        if out:
            (options["out"],) = out
        return getattr(module(), ufunc.__name__)(*inputs, **options)

    def __array_function__(self, f, kinds, args, options):
        place = functools.reduce(getattr, f.__module__.split(".")[1:], module())
        if not hasattr(place, f.__name__):
            return NotImplemented
        return getattr(place, f.__name__)(*args, **options)

    def __format__(self, spec):
        return format(self._host, spec)

    def __repr__(self):
        return f"strict {self._host!r}"

    def __getitem__(self, i):
        i = host(i, "getitem")
        part = self._host[i]
        if isinstance(part, np.generic):  # CuPy's is a view, without axes
            part = self._host[(*(i if isinstance(i, tuple) else (i,)), ...)]
        return ndarray(part)

    def __setitem__(self, i, value):
        self._host[host(i, "setitem")] = host(value, "setitem")

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        found = getattr(self._host, name)
        if METHODS[name] != ["property"]:
            call = lambda *args, **options: called(found, name, METHODS[name], args, options)
            return functools.wraps(found)(call)
        return Flags(found) if name == "flags" else device(found)

    def __setattr__(self, name, value):
        if name != "_host":
            raise AttributeError(f"the stand-in does not let {name} be set")
        object.__setattr__(self, name, value)


ndarray.__module__ = "cupy"


def operator(name):
    def method(self, *others):
        for other in others:
            if not isinstance(other, (ndarray, np.ndarray, *SCALARS)):
                return NotImplemented
        result = getattr(self._host, name)(*(host(other, name) for other in others))
        if name.startswith("__i") and name not in ("__invert__", "__int__"):
            return self
        return result if name in ("__bool__", "__float__", "__int__", "__len__") else device(result)

    return method


OPERATORS = [name for name in METHODS if name.startswith("__") and name not in vars(ndarray)]
for name in (*OPERATORS, "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
    if not name.startswith(("__class", "__copy", "__deepcopy", "__dlpack", "__del", "__complex")):
        setattr(ndarray, name, operator(name))


class Ufunc:
    """A ufunc of CuPy: a call, and for sums `at`."""

    def __init__(self, name):
        self.name, self.ufunc = name, getattr(np, name)

    def __call__(self, *args, **options):
        return called(self.ufunc, self.name, ["ufunc"], args, options)

    def at(self, a, indices, b):
        if self.name not in ("add", "subtract", "maximum", "minimum"):
            raise NotImplementedError(f"cupy.{self.name}.at")
        if not isinstance(a, ndarray):
            raise TypeError(f"cupy.{self.name}.at of a {type(a).__name__}")
        self.ufunc.at(a._host, host(indices, self.name), host(b, self.name))


def function(name):
    f, parameters = getattr(np, name), FUNCTIONS[name]
    if parameters == ["ufunc"]:
        return Ufunc(name)
    return lambda *args, **options: called(f, name, parameters, args, options)


def moved(a, dtype=None, order="K", copy=None):
    """cupy.array, cupy.asarray: the two ways through the wall."""
    given = a._host if isinstance(a, ndarray) else np.array(a, order="A")
    return ndarray(np.array(given, dtype, order=order or "K", copy=copy))


def within(place, name, *parameters):
    """A function of one of CuPy's modules, cupy.lib.stride_tricks or cupy.linalg."""
    f = getattr(place, name)
    return lambda *args, **options: called(f, name, parameters, args, options)


class RawModule:
    """CUDA text as g++ compiles it; its functions take what CuPy passes on."""

    def __init__(self, code, options=()):
        self.library = ctypes.CDLL(compiled(code, *(o for o in options if o.startswith("-D"))))
        self.real = {"-Dreal=float": np.float32, "-Dreal=double": np.float64}[options[-1]]

    def get_function(self, name):
        f = getattr(self.library, name)
        f.restype = None

        def launch(grid, block, args):
            assert all(isinstance(n, int) and n >= 1 for n in (*grid, *block))
            f(*map(self.passed, args))

        return launch

    def passed(self, a):
        if isinstance(a, ndarray):
            assert a.dtype in (self.real, np.int64)
            return ctypes.c_void_p(a._host.ctypes.data)
        kinds = {np.int64: ctypes.c_longlong, np.float32: ctypes.c_float}
        return {**kinds, np.float64: ctypes.c_double}[type(a)](a)


@functools.cache
def compiled(code, *options):
    """The path of CUDA text compiled for the CPU."""
    folder = Path(tempfile.gettempdir()) / "minigrad-tests"
    folder.mkdir(exist_ok=True)
    head = "#include <math.h>\n#define __global__\n#define __device__\n"
    head += "#define EACH(i, size) for (integer i = 0; i < size; i++)\n"
    words = ("-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *options)
    key = hashlib.sha256(f"{head}{code}{words}".encode()).hexdigest()[:16]
    library = folder / f"{key}.so"
    if not library.exists():
        text = library.with_suffix(".cpp")
        text.write_text(head + code)
        made = library.with_suffix(".new")
        subprocess.run([GPP, *words, "-o", str(made), str(text)], check=True)
        made.replace(library)
    return str(library)


class OutOfMemoryError(MemoryError):
    """As in cupy.cuda.memory."""


@functools.cache
def module():
    """The module `cupy`."""
    cupy = types.ModuleType("cupy")
    for name in FUNCTIONS:
        setattr(cupy, name, function(name))
    for name in ("float32", "float64", "int64", "int32", "bool_", "pi", "inf", "nan", "newaxis"):
        setattr(cupy, name, getattr(np, name))
    cupy.array = cupy.asarray = moved
    views = np.lib.stride_tricks
    tricks = types.SimpleNamespace(
        as_strided=within(views, "as_strided", "x", "shape", "strides"),
        sliding_window_view=within(views, "sliding_window_view", "x", "window_shape", "axis"),
    )
    cupy.lib = types.SimpleNamespace(stride_tricks=tricks)
    norm = within(np.linalg, "norm", "x", "ord", "axis", "keepdims")
    cupy.linalg = types.SimpleNamespace(norm=norm)
    cupy.ndarray, cupy.RawModule, cupy.__version__ = ndarray, RawModule, "strict"
    return cupy


def install(monkeypatch):
    """Let `import cupy` find the stand-in for the time of a test; returns it."""
    import sys

    monkeypatch.setitem(sys.modules, "cupy", module())
    return module()

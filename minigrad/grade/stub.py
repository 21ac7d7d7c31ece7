"""What a student's imports find in the sandbox: the words of minigrad's dialect, and no plots.

Standalone: the zygote puts it in the place of minigrad, of which the runner knows nothing else.
"""


def node(f):
    """The function itself: here it is called with plain arrays."""
    return f


block = node


def needed(dA):
    """False for the gradient that nobody wants."""
    return not isinstance(dA, Unwanted)


def check(*args, **options):
    """Nothing: checks are for before handing in."""


show = check


class Nothing:
    """What a student finds as matplotlib: whatever is asked of it, nothing happens."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args, **options):
        return self

    __getitem__ = __call__

    def __setitem__(self, i, value):
        pass

    def __iter__(self):
        return iter((self, self))  # figure, axes = plt.subplots()


class Unwanted:
    """The gradient that nobody wants: it takes every deposit and keeps none."""

    def __init__(self, a):
        self.shape, self.dtype = getattr(a, "shape", ()), getattr(a, "dtype", None)
        self.ndim, self.size = getattr(a, "ndim", 0), getattr(a, "size", 1)

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return iter([self] * len(self))

    def __getitem__(self, i):
        return self

    def __setitem__(self, i, value):
        pass

    def __iadd__(self, value):
        return self

    __isub__ = __iadd__


class Gradients(tuple):
    """The gradients of a nest of arguments: `dW, db = dU`, or `dU[0] += ...`."""

    def __setitem__(self, i, gradient):
        if gradient is not self[i]:
            raise TypeError("a back never overwrites a gradient: deposit with +=")


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"minigrad.{name} is not there while grading: write the operation with NumPy; node, block, "
        "needed, check and show may be imported"
    )

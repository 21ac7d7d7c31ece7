"""Optimisers: from gradients to steps, over nested parameters, in place.

>>> W = np.array([1.0, 2.0])
>>> optimiser = Momentum({"W": W}, momentum=0.9)
>>> optimiser.step({"W": np.array([0.5, 0.5])}, rate=0.1)
>>> W
array([0.95, 1.95])
"""

from typing import Any

import numpy as np

from ..backend import array_module
from ..kernels.parallel import each, how_many
from ..kernels.windows import slices
from ..tree import leaves, map_leaves, same
from .signals import held

BLOCK = 1 << 19  # entries that are updated at a time: they stay in the cache, for half the time


class Descent:
    """Gradient descent: w -= rate (g + decay w).

    parameters: a nest of float arrays (None where there is none), changed in place by `step`;
    decay: added for every parameter, 0 by default (the `decay` node can leave out biases).
    `state`: what a checkpoint must keep, the number of steps t and nests like the parameters.
    Raises ValueError for a parameter that cannot be changed.
    """

    nests: tuple[str, ...] = ()  # what it keeps for each parameter
    room = 1  # arrays that `update` needs to compute in

    def __init__(self, parameters: Any, decay: float = 0.0):
        self.parameters, self.decay = parameters, decay
        self.state: dict[str, Any] = {"t": np.zeros(())}
        for name in self.nests:
            zeros = map_leaves(lambda w: None if w is None else np.zeros_like(w), parameters)
            self.state[name] = zeros
        for w in leaves(parameters):
            if isinstance(w, np.ndarray) and not w.flags.writeable:
                raise ValueError(f"{type(self).__name__}: a parameter {w.shape} is read-only")
        self._spare = [self.memory()]

    def options(self) -> dict[str, Any]:
        """What it is and was told: {"optimiser": "Descent", "decay": 0.0}."""
        rest = ("parameters", "state", "_spare")
        own = {k: v for k, v in vars(self).items() if k not in rest}
        return {"optimiser": type(self).__name__, **own}

    def step(self, gradients: Any, rate: float) -> None:
        """Take one step down the gradients, nested like the parameters.

        A step is whole: its memory is there before, and Ctrl-C is heard when it is done.
        `state["t"]` counts the steps taken.
        Raises ValueError if gradients are not nested like the parameters, or a shape differs.
        """

        def fits(g, w):
            return w is None or (g is not None and np.shape(g) == np.shape(w))

        if not same(gradients, self.parameters, fits):
            raise ValueError(f"{type(self).__name__}: gradients are not nested like the parameters")
        while len(self._spare) < how_many():
            self._spare.append(self.memory())
        with held():
            self.take(gradients, rate)

    def memory(self):
        """Bytes for the arrays that one thread computes in."""
        arrays = [w for w in leaves(self.parameters) if w is not None]
        largest = max([w[rows].nbytes for w in arrays for rows in blocks(w)], default=0)
        xp = array_module(arrays[0] if arrays else None)
        return [xp.empty(largest, np.uint8) for _ in range(self.room + bool(self.decay))]

    def take(self, gradients, rate):
        """The step, in the memory that is spare: some for each thread."""

        def one(w, *others):
            if w is None:
                return
            if w.size <= BLOCK:
                update(w, *others)
            else:
                each(lambda rows: update(*[a[rows] for a in (w, *others)]), blocks(w))

        def update(w, g, *state):
            memory = self._spare.pop()
            S = [m[: w.nbytes].view(w.dtype).reshape(w.shape) for m in memory]
            if self.decay:
                d = S.pop()
                np.multiply(self.decay, w, out=d)
                d += g
                g = d
            self.update(w, g, rate, *state, *S)
            self._spare.append(memory)

        self.state["t"] += 1
        map_leaves(one, self.parameters, gradients, *[self.state[name] for name in self.nests])

    def update(self, w, g, rate, t):
        """The step of one array, in place; t, ...: arrays like it to compute in."""
        w -= np.multiply(rate, g, out=t)


def blocks(w):
    """Parts of an array, by its first axis, that stay in the cache; all of a small one."""
    return [...] if w.size <= BLOCK else slices(len(w), max(1, BLOCK * len(w) // w.size))


class Momentum(Descent):
    """Gradient descent with a velocity v, in the form that a library or paper uses.

    form "pytorch": v = m v + g, w -= rate v; "nesterov": the same v, w -= rate (g + m v);
    "caffe": v = m v + rate g, w -= v; "alexnet": v = m v - rate g, w += v. The first and the last
    two agree until the rate changes. momentum: m in [0, 1), 0.9.
    Raises ValueError for another form or momentum.
    Source of "alexnet": Krizhevsky, Sutskever and Hinton, NIPS 2012, section 5.
    """

    nests = ("velocity",)

    def __init__(
        self, parameters: Any, momentum: float = 0.9, decay: float = 0.0, form: str = "pytorch"
    ):
        super().__init__(parameters, decay)
        if form not in FORMS:
            raise ValueError(f"Momentum: form is one of {', '.join(FORMS)}, not {form!r}")
        if not 0 <= momentum < 1:
            raise ValueError(f"Momentum: momentum is in [0, 1), not {momentum}")
        self.momentum, self.form = momentum, form

    def update(self, w, g, rate, v, t):
        FORMS[self.form](w, g, rate, v, self.momentum, t)


def pytorch(w, g, rate, v, m, t):
    v *= m
    v += g
    w -= np.multiply(rate, v, out=t)


def nesterov(w, g, rate, v, m, t):
    v *= m
    v += g
    np.multiply(m, v, out=t)
    t += g
    t *= rate
    w -= t


def caffe(w, g, rate, v, m, t):
    v *= m
    v += np.multiply(rate, g, out=t)
    w -= v


def alexnet(w, g, rate, v, m, t):
    v *= m
    v -= np.multiply(rate, g, out=t)
    w += v


FORMS = {f.__name__: f for f in (pytorch, nesterov, caffe, alexnet)}


class Adam(Descent):
    """Adam: steps along m / sqrt(v), running means of the gradient and of its square.

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= rate m^ / (sqrt(v^) + eps), m^ and v^
    divided by 1 - b^t at step t. betas: (0.9, 0.999); eps: 1e-8, the paper's.
    Source: Kingma and Ba, ICLR 2015, algorithm 1.
    """

    nests = ("mean", "square")
    room = 2

    def __init__(
        self,
        parameters: Any,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 0.0,
    ):
        super().__init__(parameters, decay)
        self.betas, self.eps = betas, eps

    def update(self, w, g, rate, m, v, s, t):
        (b1, b2), n = self.betas, float(self.state["t"])
        m *= b1
        m += np.multiply(1 - b1, g, out=t)
        v *= b2
        np.multiply(1 - b2, g, out=t)
        t *= g
        v += t
        np.divide(v, 1 - b2**n, out=s)
        np.sqrt(s, out=s)
        s += self.eps
        np.multiply(rate / (1 - b1**n), m, out=t)
        t /= s
        w -= t


def count(parameters: Any) -> int:
    """How many numbers the parameters are."""
    return sum(w.size for w in leaves(parameters) if w is not None)

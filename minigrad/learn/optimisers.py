"""Optimisers: from gradients to steps, over nested parameters, in place.

>>> W = np.array([1.0, 2.0])
>>> optimiser = Momentum({"W": W}, momentum=0.9)
>>> optimiser.step({"W": np.array([0.5, 0.5])}, rate=0.1)
>>> W
array([0.95, 1.95])
"""

from typing import Any

import numpy as np

from ..kernels.parallel import each
from ..kernels.windows import slices
from ..tree import leaves, map_leaves, same

BLOCK = 1 << 19  # entries that are updated at a time: they stay in the cache, for half the time


class Descent:
    """Gradient descent: w -= rate (g + decay w).

    parameters: a nest of float arrays (None where there is none), changed in place by `step`;
    decay: added for every parameter, 0 by default (the `decay` node can leave out biases).
    `state`: what a checkpoint must keep, the number of steps t and nests like the parameters.
    """

    nests: tuple[str, ...] = ()

    def __init__(self, parameters: Any, decay: float = 0.0):
        self.parameters, self.decay = parameters, decay
        self.state: dict[str, Any] = {"t": np.zeros(())}
        for name in self.nests:
            zeros = map_leaves(lambda w: None if w is None else np.zeros_like(w), parameters)
            self.state[name] = zeros

    def options(self) -> dict[str, Any]:
        """What it is and was told: {"optimiser": "Descent", "decay": 0.0}."""
        own = {k: v for k, v in vars(self).items() if k not in ("parameters", "state")}
        return {"optimiser": type(self).__name__, **own}

    def step(self, gradients: Any, rate: float) -> None:
        """Take one step down the gradients, nested like the parameters.

        Broken off half way (by Ctrl-C, or for want of memory), it has changed some parameters and
        not others: go on from a checkpoint, as `train` does.
        Raises ValueError if gradients are not nested like the parameters, or a shape differs.
        """

        def fits(g, w):
            return w is None or (g is not None and np.shape(g) == np.shape(w))

        if not same(gradients, self.parameters, fits):
            raise ValueError(f"{type(self).__name__}: gradients are not nested like the parameters")
        self.state["t"] += 1

        def one(w, g, *state):
            if w is None:
                return
            arrays = [w, g, *state]
            if w.size > BLOCK and all(a.flags.c_contiguous for a in arrays):
                flat = [a.reshape(-1) for a in arrays]
                each(lambda s: update(*[a[s] for a in flat]), slices(w.size, BLOCK))
            else:
                update(*arrays)

        def update(w, g, *state):
            self.update(w, g + self.decay * w if self.decay else g, rate, *state)

        map_leaves(one, self.parameters, gradients, *[self.state[name] for name in self.nests])

    def update(self, w, g, rate):
        w -= rate * g


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

    def update(self, w, g, rate, v):
        FORMS[self.form](w, g, rate, v, self.momentum)


def pytorch(w, g, rate, v, m):
    v *= m
    v += g
    w -= rate * v


def nesterov(w, g, rate, v, m):
    v *= m
    v += g
    w -= rate * (g + m * v)


def caffe(w, g, rate, v, m):
    v *= m
    v += rate * g
    w -= v


def alexnet(w, g, rate, v, m):
    v *= m
    v -= rate * g
    w += v


FORMS = {f.__name__: f for f in (pytorch, nesterov, caffe, alexnet)}


class Adam(Descent):
    """Adam: steps along m / sqrt(v), running means of the gradient and of its square.

    m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, w -= rate m^ / (sqrt(v^) + eps), m^ and v^
    divided by 1 - b^t at step t. betas: (0.9, 0.999); eps: 1e-8, the paper's.
    Source: Kingma and Ba, ICLR 2015, algorithm 1.
    """

    nests = ("mean", "square")

    def __init__(
        self,
        parameters: Any,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 0.0,
    ):
        super().__init__(parameters, decay)
        self.betas, self.eps = betas, eps

    def update(self, w, g, rate, m, v):
        (b1, b2), t = self.betas, float(self.state["t"])
        m *= b1
        m += (1 - b1) * g
        v *= b2
        v += (1 - b2) * g * g
        w -= rate / (1 - b1**t) * m / (np.sqrt(v / (1 - b2**t)) + self.eps)


def count(parameters: Any) -> int:
    """How many numbers the parameters are."""
    return sum(w.size for w in leaves(parameters) if w is not None)

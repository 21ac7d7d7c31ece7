"""Schedules: the learning rate as a function of the progress, the share of training done (0 to 1).

>>> rate = linear(0.1)
>>> [rate(progress) for progress in (0, 0.5, 1)]
[0.1, 0.05, 0.0]
"""

import math


def constant(rate):
    """rate(p) = rate.

    >>> constant(0.1)(0.7)
    0.1
    """
    return lambda progress: rate


def linear(rate):
    """rate(p) = rate (1 - p), down to 0.

    >>> linear(0.1)(0.5)
    0.05
    """
    return lambda progress: rate * (1 - progress)


def cosine(rate):
    """rate(p) = rate (1 + cos(pi p)) / 2, down to 0.

    Source: Loshchilov and Hutter, ICLR 2017, equation 5, without restarts.

    >>> cosine(0.1)(0.5)
    0.05
    """
    return lambda progress: rate * (1 + math.cos(math.pi * progress)) / 2


def steps(rate, at, factor=0.1):
    """rate(p) = rate factor^(how many of the shares `at` are behind).  at: shares of training.

    >>> rate = steps(1.0, at=(0.5, 0.75))
    >>> rate(0.4), rate(0.5), round(rate(0.9), 4)
    (1.0, 0.1, 0.01)
    """
    return lambda progress: rate * factor ** sum(progress >= share for share in at)


class Plateau:
    """A rate that is divided by 3 when the validation error stops improving.

    rate: the first; factor: 1/3; patience: how many epochs in a row without strict improvement are
    borne, 1: the next one multiplies the rate by the factor and the count starts anew; lowest: a
    rate below it ends the training (`ended`), 0: none does.
    Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 4.1.

    >>> rate = Plateau(0.9, patience=0)
    >>> for error in (0.5, 0.4, 0.4):
    ...     rate.observe(error)
    >>> round(rate(0), 4)
    0.3
    """

    def __init__(self, rate, factor=1 / 3, patience=1, lowest=0.0):
        self.rate, self.factor, self.patience, self.lowest = rate, factor, patience, lowest
        self.best, self.waited = math.inf, 0

    def options(self):
        """What it was told, for a resumed run to have the same."""
        return {
            "schedule": "Plateau",
            "factor": self.factor,
            "patience": self.patience,
            "lowest": self.lowest,
        }

    @property
    def ended(self):
        """True when the rate is below the lowest."""
        return self.rate < self.lowest

    @property
    def state(self):
        """What a checkpoint must keep."""
        return {"rate": self.rate, "best": self.best, "waited": self.waited}

    @state.setter
    def state(self, state):
        self.rate, self.best, self.waited = state["rate"], state["best"], state["waited"]

    def __call__(self, progress):
        return self.rate

    def observe(self, error):
        """Take note of an epoch's validation error."""
        self.waited = 0 if error < self.best else self.waited + 1
        self.best = min(self.best, error)
        if self.waited > self.patience:
            self.rate, self.waited = self.rate * self.factor, 0

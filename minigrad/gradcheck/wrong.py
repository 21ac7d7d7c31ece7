"""A wrong gradient beside the right one, and how two gradients are compared."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import tree
from .differences import derivatives
from .runs import Run
from .subjects import Subject, copied, is_float

FITS = 1e-7  # of the largest entry: differences are good to 1e-9, two different mistakes are not


class Wrong:
    """One argument's wrong gradient: D deposited, G expected, and the run that they are from.

    x: the argument; dZ, Z: incoming gradient and value; J: (Z.size, x.size), the derivative of
    every value by every entry of x; N: how many samples there are.
    """

    def __init__(self, subject: Subject, this: Run, k: int, J: np.ndarray):
        self.subject, self.run, self.k, self.J = subject, this, k, J
        self.path = subject.gradients_of[k]
        self.name = subject.called.get(self.path, self.path)
        self.x = subject.arrays(this.args)[k]
        self.D, self.dZ, self.Z = this.D[k], this.dZ, this.Z
        self.G = self.at(self.dZ)
        arrays = [self.Z, *(a for a in tree.leaves(this.args) if isinstance(a, np.ndarray))]
        self.N = next((len(a) for a in arrays if a.ndim), 1)

    def at(self, dZ: np.ndarray) -> np.ndarray:
        """The gradient for another incoming gradient."""
        return (np.ravel(dZ) @ self.J).reshape(self.x.shape)

    def is_(self, T: np.ndarray) -> bool:
        """True if D is T, and T is not what D should be."""
        return T.shape == self.D.shape and close(self.D, T) and not close(T, self.G)

    def right(self) -> np.ndarray:
        """Where D is right."""
        return np.abs(self.D - self.G) <= FITS * self.largest

    def closed(self) -> np.ndarray:
        """Where D is 0."""
        return np.abs(self.D) <= FITS * self.largest

    @property
    def largest(self) -> float:
        """The largest entry of D and G."""
        return float(max(np.abs(self.G).max(initial=0), np.abs(self.D).max(initial=0)))

    def others(self) -> Iterator[tuple[str, Any]]:
        """(name, array) of the other arrays of floats."""
        for name, a in self.inputs():
            if is_float(a) and a is not self.x:
                yield name, a

    def inputs(self) -> Iterator[tuple[str, Any]]:
        """(name, leaf) of all arguments, under the names on the slide."""
        for name, a in zip(self.subject.names, self.run.args):
            for path, leaf in tree.paths(a, name):
                yield self.subject.called.get(path, path), leaf

    def constants(self) -> Iterator[tuple[str, float]]:
        """(name, number) of the scalars that f was called with, or has as defaults."""
        for path, a in self.inputs():
            if np.ndim(a) == 0 and isinstance(a, (int, float, np.generic, np.ndarray)):
                yield path, float(a)
        try:
            parameters = inspect.signature(self.subject.forward).parameters.values()
        except (TypeError, ValueError):
            return
        for p in parameters:
            number = self.subject.options.get(p.name, p.default)
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                yield p.name, float(number)

    def with_changed(self, a: np.ndarray, change: Callable) -> np.ndarray | None:
        """The gradient if one of the arrays were change(array); None if f does not take it."""
        arrays = [b for b in tree.leaves(self.run.args) if isinstance(b, np.ndarray)]
        args = copied(self.run.args)
        copies = [b for b in tree.leaves(args) if isinstance(b, np.ndarray)]
        j = next(j for j, b in enumerate(arrays) if b is a)
        copies[j][...] = change(copies[j].copy())
        x = self.subject.arrays(args)[self.k]
        try:
            J = derivatives(self.subject.value, args, x, list(np.ndindex(x.shape))).J
        except Exception:
            return None
        return (self.dZ.ravel() @ J).reshape(x.shape) if len(J) == self.dZ.size else None

    def is_with(self, a: np.ndarray, change: Callable) -> bool:
        """True if D is the gradient that change(array) would give."""
        G = self.with_changed(a, change)
        return G is not None and self.is_(G)

    def parts(self, axes: tuple[int, ...]) -> np.ndarray:
        """(n, *x.shape): what the value at each place along these axes contributes to G."""
        J = (self.dZ.reshape(-1, 1) * self.J).reshape(*self.Z.shape, *self.x.shape)
        J = np.moveaxis(J, axes, range(len(axes)))
        n = int(np.prod([self.Z.shape[axis] for axis in axes]))
        return J.reshape(n, -1, *self.x.shape).sum(1)

    def siblings(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(name, gradient, deposits) of the other arguments of this shape."""
        arrays = self.subject.arrays(self.run.args)
        for path, a, D in zip(self.subject.gradients_of, arrays, self.run.D):
            if a is not self.x and a.shape == self.x.shape:
                J = derivatives(self.subject.value, self.run.args, a, list(np.ndindex(a.shape))).J
                G = (self.dZ.ravel() @ J).reshape(a.shape)
                yield self.subject.called.get(path, path), G, D


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to FITS of the largest entry; false for two zeros, which say nothing."""
    largest = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(largest > 0 and np.abs(a - b).max() <= FITS * largest)


def first(where: np.ndarray) -> list[int]:
    """The first index at which an array is true."""
    return [int(n) for n in np.argwhere(where)[0]]

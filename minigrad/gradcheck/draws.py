"""Other arguments like the given ones: fresh values, other shapes, ties, equal rows.

Values stay within the range of the given array, so that a logarithm keeps its positive numbers, and
keep what holds of all its rows (sums, lengths, symmetry, order); a constant array is varied by a
tenth. Arrays whose gradients are not checked are shuffled by rows, so that a one-hot row stays one.

>>> rng = np.random.default_rng(0)
>>> X, T = np.array([[0.5, 2.0], [1.0, 4.0]]), np.array([0, 1])
>>> x, t = fresh((X, T), (True, False), rng)
>>> x.min() >= 0.5, x.max() <= 4.0, sorted(t.tolist())
(np.True_, np.True_, [0, 1])
"""

from collections.abc import Iterator, Sequence

import numpy as np

from .. import tree
from .subjects import copied, is_float

LARGEST = 1000  # entries of all arrays together, for draws of other shapes
ALIKE = 1e-9  # how well rows must agree in their sum or length to be kept so
SMALL = 3  # the shortest axis of what was large
LEAST = 2  # samples: with one, a missing sum over the batch cannot be seen


def fresh(args: tuple, checked: Sequence[bool], rng: np.random.Generator) -> tuple:
    """Arguments of the same shapes with fresh values; those that are not checked are constants."""
    parts = []
    for i, a in enumerate(args):
        draw = _values if checked[i] else _rows
        parts.append(tree.map_leaves(lambda x, draw=draw: draw(x, rng), a))
    return tuple(parts)


def _values(x, rng):
    if not is_float(x):
        return _rows(x, rng)
    z = np.empty_like(x)  # keeps the memory order
    z[...] = _like(x, _uniform(x, x.shape, rng))
    return z


def _like(x, z):
    """z with what holds of x for every row: its sum, its length, symmetry, order."""
    if x.ndim == 1 and x.size > 3 and (np.diff(x) >= 0).all():
        return np.sort(z)
    if x.ndim != 2 or min(x.shape) < 2:
        return z
    both_square = x.shape[0] == x.shape[1] and z.shape[0] == z.shape[1]
    if both_square and np.allclose(x, x.T, rtol=ALIKE, atol=0):
        return (z + z.T) / 2
    for measure in (np.sum, np.linalg.norm):
        size = measure(x, axis=1, keepdims=True)
        if np.allclose(size, size[0], rtol=ALIKE, atol=0) and size[0]:
            return z * size[0] / measure(z, axis=1, keepdims=True)
    return z


def _uniform(x, shape, rng):
    low, high = (x.min(), x.max()) if x.size else (0, 0)
    if low < high:
        return rng.uniform(low, high, shape)
    return low * rng.uniform(0.9, 1.1, shape) if low else rng.standard_normal(shape)


def _rows(x, rng):
    if isinstance(x, np.ndarray) and x.ndim:
        z = x[rng.permutation(len(x))]
        places = x.dtype.kind in "iu" and x.ndim == 1 and len(np.unique(x)) == x.size > 1
        if places and not (np.sort(x) == np.arange(x.size)).all():
            z[1] = z[0]  # a place may come twice
        return z
    return x.copy() if isinstance(x, np.ndarray) else x


def _shapes(args):
    return [a.shape for a in tree.leaves(args) if isinstance(a, np.ndarray) and a.ndim]


def batch_of_one(args: tuple) -> bool:
    """True if the first array has one row only."""
    return any(shape[0] < LEAST for shape in _shapes(args)[:1])


def hides_mistakes(args: tuple) -> bool:
    """True for a batch of one, and for shapes that are all square."""
    lengths = {n for shape in _shapes(args) for n in shape if n > 1}
    square = len(lengths) == 1 and any(len(shape) > 1 for shape in _shapes(args))
    return square or batch_of_one(args)


def resized(args: tuple, checked: Sequence[bool], rng: np.random.Generator) -> Iterator[tuple]:
    """Arguments of other shapes, the best first; whether the function takes them must be tried.

    Axes of equal length keep equal lengths. Large shapes become small; others that are not square
    become square, and square ones get different lengths where some axes need not be equal.
    """
    arrays = [a for a in tree.leaves(args) if isinstance(a, np.ndarray) and a.ndim]
    axes = [(k, i) for k, a in enumerate(arrays) for i in range(a.ndim) if a.shape[i] > 1]
    lengths = sorted({arrays[k].shape[i] for k, i in axes})
    plans: list[dict] = []
    if sum(a.size for a in arrays) > LARGEST:
        plans = [{(k, i): SMALL + lengths.index(arrays[k].shape[i]) for k, i in axes}]
    elif len(lengths) > 1:
        plans = [dict.fromkeys(axes, length) for length in (lengths[-1], lengths[-2])]
    elif lengths and len(axes) <= 6 and all(a.ndim <= 2 for a in arrays):
        n = lengths[0]
        plans = [
            {axis: n + part for axis, part in zip(axes, parts)}
            for parts in sorted(_partitions(len(axes)), key=max, reverse=True)
            if max(parts)
        ]
    alone = [(k, 0) for k, a in enumerate(arrays) if a.shape[0] == 1]
    if alone and arrays[0].shape[0] == 1:  # a batch of one says nothing about sums
        n = next(n for n in range(LEAST + 1, 100) if n not in lengths)
        plans = [{alone[0]: n}, dict.fromkeys(alone, n), *plans]
    for plan in plans:
        shapes = [
            tuple(plan.get((k, i), n) for i, n in enumerate(a.shape)) for k, a in enumerate(arrays)
        ]
        if sum(int(np.prod(s)) for s in shapes) <= LARGEST:
            drawn = _reshaped(args, checked, dict(zip(map(id, arrays), shapes)), rng)
            pairs = zip(tree.leaves(args), tree.leaves(drawn))
            if all(np.allclose(z, _like(x, z)) for x, z in pairs if is_float(x)):
                yield drawn  # else rows that sum to 1, as targets do, would no longer


def _reshaped(args, checked, shapes, rng):
    def other(x, varied):
        shape = shapes.get(id(x))
        if shape is None:
            return x.copy() if isinstance(x, np.ndarray) else x
        if is_float(x) and varied:
            return _like(x, _uniform(x, shape, rng))
        if shape == x.shape:
            return _rows(x, rng)
        if x.dtype.kind in "iu" and x.size:
            z = rng.choice(x.ravel(), shape)
            return z % SMALL if x.size > z.size else z  # labels of fewer classes
        for axis, n in enumerate(shape):  # whole rows, columns, ..., so that one-hot rows stay so
            if n != x.shape[axis]:
                x = np.take(x, rng.integers(x.shape[axis], size=n), axis)
        return x

    return tuple(
        tree.map_leaves(lambda x, v=checked[i]: other(x, v), a) for i, a in enumerate(args)
    )


def _partitions(n: int) -> Iterator[list[int]]:
    """Every way to sort n things into groups, as the group of each."""
    groups = [0] * n

    def place(i: int, used: int) -> Iterator[list[int]]:
        if i == n:
            yield groups.copy()
            return
        for group in range(used + 1):
            groups[i] = group
            yield from place(i + 1, max(used, group + 1))

    yield from place(0, 0)


def _arrays(args, checked):
    parts = [a for a, c in zip(args, checked) if c]
    return [x for x in tree.leaves(parts) if is_float(x)]


def tied(args: tuple, checked: Sequence[bool], rng: np.random.Generator) -> tuple:
    """Arguments whose arrays hold four values each, so that maxima are shared."""

    drawn = fresh(args, checked, rng)
    arrays = [x for x in _arrays(drawn, checked) if x.size]

    def quantise(x):
        if not is_float(x) or x.size < 2:
            return x
        like = [a for a in arrays if a.shape == x.shape]  # ties between arrays count too
        low, high = max(a.min() for a in like), min(a.max() for a in like)
        if low >= high:
            low, high = x.min(), x.max()
        levels = np.linspace(low, high, 6)[1:5]
        z = np.empty_like(x)
        z[...] = rng.choice(levels, x.shape)
        return z if _like(x, z) is z else x

    return tuple(tree.map_leaves(quantise, a) if c else a for a, c in zip(drawn, checked))


def coinciding(
    args: tuple, checked: Sequence[bool], rng: np.random.Generator
) -> tuple[tuple, bool]:
    """Arguments with equal rows, within arrays and between those of one shape; False if none."""
    drawn = copied(fresh(args, checked, rng))
    arrays = [x for x in _arrays(drawn, checked) if x.ndim == 2]
    found = False
    for i, x in enumerate(arrays):
        if len(x) > 2:
            x[2], found = x[1], True
        for y in arrays[:i]:
            if x.shape == y.shape:
                x[0] = y[0]
                found = True
    return drawn, found

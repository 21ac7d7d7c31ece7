"""Programs of single numbers, in plain Python: slow, independent, nothing of the library in it.

An Array is a dict of Scalars by index; whatever it does, it does one Scalar at a time.

>>> A = Array((2, 2), lambda i: Scalar(1.0 + i[0]))
>>> L = total(mul(A, A), None, False)
>>> d = gradients(L[()])
>>> L[()].value, [d[a] for a in A.entries.values()]
(10.0, [2.0, 2.0, 4.0, 4.0])
"""

import itertools
import math

NEAR = 0.02  # to a kink or a pole: there, two right programs may differ
LARGE = 50.0  # beyond, rounding would need another tolerance


class Unfit(Exception):
    """There is no such program, or one too near to a kink, or with too large numbers."""


class Scalar:
    """A number, and of what it was made: (Scalar, derivative by it)."""

    def __init__(self, value, *parents):
        if not abs(value) < LARGE or any(not abs(d) < LARGE for _, d in parents):
            raise Unfit
        self.value, self.parents = value, parents

    def __add__(self, other):
        return Scalar(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        return Scalar(self.value * other.value, (self, other.value), (other, self.value))


def gradients(L):
    """The derivative of L by every Scalar that it was made of."""
    order, seen, todo = [], set(), [(L, False)]
    while todo:
        x, done = todo.pop()
        if done:
            order.append(x)
        elif x not in seen:
            seen.add(x)
            todo += [(x, True), *((p, False) for p, _ in x.parents)]
    found = dict.fromkeys(order, 0.0)
    found[L] = 1.0
    for x in reversed(order):
        for p, d in x.parents:
            found[p] += d * found[x]
    return found


def away(distance):
    """Refuse what is too near."""
    if abs(distance) < NEAR:
        raise Unfit


def above(x):
    if x < NEAR:
        raise Unfit


def neg(a):
    return Scalar(-a.value, (a, -1.0))


def exp(a):
    if a.value > 4:
        raise Unfit
    return Scalar(math.exp(a.value), (a, math.exp(a.value)))


def log(a):
    above(a.value)
    return Scalar(math.log(a.value), (a, 1 / a.value))


def sqrt(a):
    above(a.value)
    return Scalar(math.sqrt(a.value), (a, 0.5 / math.sqrt(a.value)))


def tanh(a):
    return Scalar(math.tanh(a.value), (a, 1 / math.cosh(a.value) ** 2))


def sigmoid(a):
    s = 1 / (1 + math.exp(-a.value))
    return Scalar(s, (a, s / (1 + math.exp(a.value))))


def leaky_relu(a, slope=0.01):
    away(a.value)
    d = 1.0 if a.value > 0 else slope
    return Scalar(d * a.value, (a, d))


def relu(a):
    return leaky_relu(a, 0.0)


def absolute(a):
    return leaky_relu(a, -1.0)


def inverse(a):
    away(a.value)
    return Scalar(1 / a.value, (a, -1 / a.value**2))


def divide(a, b):
    return a * inverse(b)


def power(a, b):
    above(a.value)
    z = a.value**b.value
    return Scalar(z, (a, b.value * z / a.value), (b, z * math.log(a.value)))


def greater(a, b):
    away(a.value - b.value)
    return Scalar(*((a.value, (a, 1.0)) if a.value > b.value else (b.value, (b, 1.0))))


def smaller(a, b):
    return neg(greater(neg(a), neg(b)))


def added(scalars):
    """The sum of one Scalar or more."""
    first, *others = scalars
    for x in others:
        first = first + x
    return first


def greatest(scalars):
    first, *others = sorted(scalars, key=lambda x: -x.value)
    for x in others[:1]:
        away(first.value - x.value)
    return Scalar(first.value, (first, 1.0))


class Array:
    """Scalars by index, in C order: entry(index) for all indices of a shape."""

    def __init__(self, shape, entry):
        self.shape = tuple(shape)
        self.entries = {i: entry(i) for i in itertools.product(*map(range, self.shape))}

    def __getitem__(self, i):
        return self.entries[i]


def number(x):
    """A constant as an Array without axes."""
    return Array((), lambda i: Scalar(float(x)))


def broadcast(*shapes):
    """The common shape."""
    sides = []
    for column in itertools.zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {n for n in column if n != 1}
        if len(wide) > 1:
            raise Unfit
        sides.append(wide.pop() if wide else 1)
    return tuple(sides[::-1])


def entrywise(f):
    """f of Scalars as a function of Arrays, which broadcast."""

    def of_arrays(*arrays, **options):
        def entry(i):
            own = (i[len(i) - len(A.shape) :] for A in arrays)
            at = [
                tuple(0 if n == 1 else k for k, n in zip(j, A.shape)) for j, A in zip(own, arrays)
            ]
            return f(*(A[j] for A, j in zip(arrays, at)), **options)

        return Array(broadcast(*(A.shape for A in arrays)), entry)

    return of_arrays


mul = entrywise(lambda a, b: a * b)
sub = entrywise(lambda a, b: a + neg(b))


def add(X):
    return entrywise(lambda *x: added(x))(*X)


def axis_of(A, axis):
    """An axis counted from the front."""
    if not -len(A.shape) <= axis < len(A.shape):
        raise Unfit
    return axis % len(A.shape)


def reduced(f):
    """f of a list of Scalars as a function of an Array, along axes."""

    def along(A, axis, keepdims):
        given = (
            range(len(A.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        )
        axes = {axis_of(A, k) for k in given}
        if len(axes) < len(given):
            raise Unfit
        groups = {}
        for i, x in A.entries.items():
            groups.setdefault(tuple(0 if k in axes else n for k, n in enumerate(i)), []).append(x)
        kept = Array([1 if k in axes else n for k, n in enumerate(A.shape)], lambda i: f(groups[i]))
        return (
            kept if keepdims else reshape(kept, [n for k, n in enumerate(A.shape) if k not in axes])
        )

    return along


total = reduced(added)
average = reduced(lambda x: added(x) * Scalar(1 / len(x)))
largest = reduced(greatest)


def reshape(A, shape):
    if math.prod(shape) != len(A.entries):
        raise Unfit
    entries = iter(A.entries.values())
    return Array(shape, lambda i: next(entries))


def flatten(A):
    if not A.shape:
        raise Unfit
    return reshape(A, (A.shape[0], len(A.entries) // A.shape[0]))


def transpose(A, axes=None):
    axes = range(len(A.shape))[::-1] if axes is None else [axis_of(A, k) for k in axes]
    if sorted(axes) != list(range(len(A.shape))):
        raise Unfit
    return Array(
        [A.shape[k] for k in axes], lambda i: A[tuple(i[axes.index(k)] for k in range(len(i)))]
    )


def concatenate(X, axis):
    axis = axis_of(X[0], axis)
    others = {(len(A.shape), A.shape[:axis], A.shape[axis + 1 :]) for A in X}
    if len(others) > 1:
        raise Unfit
    rows = [(A, k) for A in X for k in range(A.shape[axis])]

    def entry(i):
        A, k = rows[i[axis]]
        return A[(*i[:axis], k, *i[axis + 1 :])]

    return Array((*X[0].shape[:axis], len(rows), *X[0].shape[axis + 1 :]), entry)


def stack(X, axis):
    if len({A.shape for A in X}) > 1 or not 0 <= axis <= len(X[0].shape):
        raise Unfit
    return concatenate([reshape(A, (*A.shape[:axis], 1, *A.shape[axis:])) for A in X], axis)


def take(A, rows, axis):
    """rows: a list of indices."""
    axis = axis_of(A, axis)
    n = A.shape[axis]
    if any(not -n <= k < n for k in rows):
        raise Unfit
    shape = (*A.shape[:axis], len(rows), *A.shape[axis + 1 :])
    return Array(shape, lambda i: A[(*i[:axis], rows[i[axis]] % n, *i[axis + 1 :])])


def index(A, i):
    """i: a tuple of numbers, slices, and at most one list of numbers, and then no single ones."""
    if len(i) > len(A.shape):
        raise Unfit
    for axis, part in reversed(list(enumerate(i))):
        n = A.shape[axis]
        rows = list(range(n))[part] if isinstance(part, slice) else part
        if rows == []:
            raise Unfit
        A = take(A, [rows] if isinstance(rows, int) else rows, axis)
        if isinstance(rows, int):
            A = reshape(A, (*A.shape[:axis], *A.shape[axis + 1 :]))
    return A


def pad(A, width, value):
    if len(width) > len(A.shape):
        raise Unfit
    width = [(0, 0)] * (len(A.shape) - len(width)) + list(width)

    def entry(i):
        inner = tuple(k - before for k, (before, _) in zip(i, width))
        return A.entries.get(inner) or Scalar(value)

    return Array([n + before + after for n, (before, after) in zip(A.shape, width)], entry)


def dot(A, B):
    if not A.shape or not B.shape:
        raise Unfit
    M = A if len(A.shape) > 1 else reshape(A, (1, *A.shape))
    N = B if len(B.shape) > 1 else reshape(B, (*B.shape, 1))
    if M.shape[-1] != N.shape[-2]:
        raise Unfit
    batch = broadcast(M.shape[:-2], N.shape[:-2])
    left = reshape(M, (*M.shape, 1))
    right = reshape(N, (*N.shape[:-2], 1, *N.shape[-2:]))
    Z = total(mul(left, right), -2, False)
    rows = (M.shape[-2],) if len(A.shape) > 1 else ()
    return reshape(Z, (*batch, *rows, *((N.shape[-1],) if len(B.shape) > 1 else ())))


def affine(X, U):
    W, b = U
    if not len(X.shape) == len(W.shape) == 2 or b.shape != W.shape[1:]:
        raise Unfit
    return add((dot(X, W), b))


def softmax(A, axis):
    E = entrywise(exp)(A)
    return entrywise(divide)(E, total(E, axis, True))


def log_softmax(A, axis):
    return entrywise(log)(softmax(A, axis))


def normalize(A, axis):
    return entrywise(divide)(A, entrywise(sqrt)(total(mul(A, A), axis, True)))


def entropy(A, labels):
    if len(A.shape) != 2 or len(labels) != A.shape[0] or max(labels) >= A.shape[1]:
        raise Unfit
    Z = log_softmax(A, 1)
    return mul(number(-1 / len(labels)), add([index(Z, (i, k)) for i, k in enumerate(labels)]))


def squared_error(A, T):
    if A.shape != T.shape or not A.shape:
        raise Unfit
    E = sub(A, T)
    return mul(number(1 / A.shape[0]), total(mul(E, E), None, False))


def decay(X, rate):
    return mul(number(rate / 2), add([total(mul(A, A), None, False) for A in X]))


def size(shape):
    return math.prod(shape)

"""What Exemplar-CNN does to images, as numbers: ranges, and parameters drawn from them.

One row of `stack` is the paper's vector alpha. It can be kept, transformed by again, and told:

>>> p = draw(2, np.random.default_rng(0), Ranges(value=None, saturation=None, components=None))
>>> print(describe(p, 0))
window 1.8 px down, 2.9 px left, 1.23 times as large, turned 4.3 degrees to the left, hue +0.01
>>> A = stack(p)
>>> A.shape, bool(A[0, COLUMNS.index("scale")] == p.scale[0])
((2, 16), True)
>>> print(describe(unstack(A)._replace(shift=None), 0))
1.23 times as large, turned 4.3 degrees to the left, hue +0.01

Source: Exemplar-CNN (Dosovitskiy et al., TPAMI 2016), section 2.
"""

from typing import Any, NamedTuple

import numpy as np

COLUMNS = (
    *("shift down", "shift right", "scale", "angle"),
    *("value power", "value factor", "value offset"),
    *("saturation power", "saturation factor", "saturation offset"),
    *("components first", "components second", "components third"),
    *("hue", "blur", "stretch"),
)


class Ranges(NamedTuple):
    """How far transformations may go, None: not at all; the defaults are the Exemplar paper's.

    shift: share of the window, each way; scale: factors, log-uniform; rotation: degrees, each way;
    value, saturation: (power, factor, offset), 2^[-power, power], 2^[-factor, factor], [-offset,
    offset]; components: 2^[-components, components], or of three numbers 2^N(0, number^2), the
    strongest component's first; hue: share of the circle, each way; blur: the widest, in pixels of
    the patch (the paper's section 5 has it and gives no number; 2 suits 32 x 32); stretch: True
    brings the least value of each image to 0 and the greatest to 1, after the components.
    One is switched off by Ranges()._replace(hue=None).
    """

    shift: float | None = 0.2
    scale: tuple[float, float] | None = (0.7, 1.4)
    rotation: float | None = 20.0
    value: tuple[float, float, float] | None = (2.0, 0.5, 0.1)
    saturation: tuple[float, float, float] | None = (2.0, 0.5, 0.1)
    components: float | tuple[float, float, float] | None = 1.0
    hue: float | None = 0.1
    blur: float | None = None
    stretch: bool | None = None


# of the authors' program, where it differs from the paper; its scale is uniform, ours log-uniform
TOOLBOX = Ranges(shift=0.25, scale=(2**-0.5, 2**0.5), components=(0.5, 1.0, 1.0), stretch=True)


class Parameters(NamedTuple):
    """What is done to each of n images; None: not done.

    shift: (n, 2) as (down, right), what the window moves; scale: (n,); angle: (n,), radians,
    content turns counter-clockwise; value, saturation: (n, 3) as (power, factor, offset);
    components: (n, 3), factors of the principal colours, the strongest first; hue: (n,), share of
    the circle; blur: (n,), deviation of the Gaussian in pixels; stretch: (n,), 1 fully, 0 not.
    """

    shift: Any = None
    scale: Any = None
    angle: Any = None
    value: Any = None
    saturation: Any = None
    components: Any = None
    hue: Any = None
    blur: Any = None
    stretch: Any = None


def draw(n, rng, ranges=Ranges()):
    """Parameters for n images, uniform in the ranges.

    Raises ValueError for ranges that are none.

    >>> draw(3, np.random.default_rng(0)).shift.shape
    (3, 2)
    """

    check_ranges(ranges)

    def uniform(low, high, *shape):
        return rng.uniform(low, high, (n, *shape)).astype(np.float32)

    def either_way(reach, *shape):
        return uniform(-reach, reach, *shape)

    def of(span, drawn):
        return None if span is None else drawn(span)

    def contrast(reaches):
        power, factor, offset = (either_way(reach) for reach in reaches)
        return np.stack([2**power, 2**factor, offset], 1)

    def factors(reach):
        if np.ndim(reach):
            return 2 ** rng.normal(0, reach, (n, 3)).astype(np.float32)
        return 2 ** either_way(reach, 3)

    return Parameters(
        shift=of(ranges.shift, lambda reach: either_way(reach, 2)),
        scale=of(ranges.scale, lambda ends: np.exp(uniform(*np.log(ends)))),
        angle=of(ranges.rotation, lambda reach: np.radians(either_way(reach))),
        value=of(ranges.value, contrast),
        saturation=of(ranges.saturation, contrast),
        components=of(ranges.components, factors),
        hue=of(ranges.hue, either_way),
        blur=of(ranges.blur, lambda reach: uniform(0, reach)),
        stretch=of(ranges.stretch or None, lambda _: np.ones(n, np.float32)),
    )


def check_ranges(ranges):
    """ValueError, as a sentence, unless each range is one."""

    def numbers(of, n, least=0.0):
        try:
            found = np.ravel(np.asarray(of, float))
        except (TypeError, ValueError):
            return False
        return len(found) == n and np.isfinite(found).all() and found.min() >= least

    tests = {
        **dict.fromkeys(("shift", "rotation", "hue", "blur"), lambda v: numbers(v, 1)),
        **dict.fromkeys(("value", "saturation"), lambda v: numbers(v, 3)),
        "components": lambda v: numbers(v, 3) or numbers(v, 1),
        "scale": lambda v: numbers(v, 2, 1e-6) and v[0] <= v[1],
        "stretch": lambda v: isinstance(v, bool),
    }
    for name, is_one in tests.items():
        value = getattr(ranges, name)
        if value is not None and not is_one(value):
            raise ValueError(f"Ranges: {name} cannot be {value!r}: its docstring says what it is")


def rows(values, chosen):
    """Some rows of a named tuple of arrays, as Parameters; what is None stays so."""
    return type(values)(*(None if v is None else np.asarray(v)[chosen] for v in values))


def stack(parameters):
    """The parameters as one array (n, 16), its columns named by COLUMNS; NaN: not done.

    `unstack` gives the same parameters back, to the bit; np.save keeps it.
    Raises ValueError if nothing is done, as then nobody knows to how many.
    """
    known = [len(v) for v in parameters if v is not None]
    if not known:
        raise ValueError("stack: all parameters are None, to how many images is not known")
    parts = [
        np.full((known[0], k), np.nan, np.float32) if v is None else np.reshape(v, (-1, k))
        for v, k in zip(parameters, _widths())
    ]
    return np.concatenate(parts, 1)


def unstack(A):
    """The Parameters that `stack` made an array (n, 16) of.

    Raises ValueError for other arrays.
    """
    if A.ndim != 2 or A.shape[1] != len(COLUMNS):
        raise ValueError(f"unstack: an array (n, {len(COLUMNS)}) as of stack, not {A.shape}")
    parts = np.split(A, np.cumsum(_widths())[:-1], 1)
    return Parameters(
        *(None if np.isnan(v).all() else v[:, 0] if v.shape[1] == 1 else v for v in parts)
    )


def describe(parameters, i, size=32):
    """What is done to image i, for a reader.  size: pixels a side, in which a shift is told.

    >>> describe(Parameters(shift=np.array([[0.125, 0]]), blur=np.array([0.5])), 0)
    'window 4.0 px down, 0.0 px left, blurred by 0.50 px'
    """
    p = Parameters(*(None if v is None else v[i] for v in parameters))
    told = []
    if p.shift is not None:
        down, right = size * p.shift
        told += [f"window {abs(down):.1f} px " + ("down" if down > 0 else "up")]
        told += [f"{abs(right):.1f} px " + ("right" if right > 0 else "left")]
    if p.scale is not None:
        told += [f"{p.scale:.2f} times as large"]
    if p.angle is not None:
        way = "right" if p.angle < 0 else "left"
        told += [f"turned {abs(np.degrees(p.angle)):.1f} degrees to the {way}"]
    for name in ("value", "saturation"):
        if (change := getattr(p, name)) is not None:
            power, factor, offset = change
            told += [f"{name}^{power:.2f} x {factor:.2f} {offset:+.2f}"]
    if p.components is not None:
        told += ["components x " + ", ".join(f"{factor:.2f}" for factor in p.components)]
    if p.hue is not None:
        told += [f"hue {p.hue:+.2f}"]
    if p.blur is not None:
        told += [f"blurred by {p.blur:.2f} px"]
    if p.stretch:
        told += ["stretched to black and white"]
    return ", ".join(told) or "as it is"


def _widths():
    """How many columns each of the parameters has."""
    return [sum(c.partition(" ")[0] == field for c in COLUMNS) for field in Parameters._fields]

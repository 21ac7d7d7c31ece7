"""Arrays and short texts as bytes, between judge and runner: nothing in them can run or be parsed.

A frame is its length (u32), its kind (u8) and the number of arrays (u16), and for every array its
dtype and number of axes (u8), its lengths (u32) and its bytes in C order; a text is one of bytes.
Needs NumPy only, as the runner's side lives without minigrad.

>>> unpack(1, pack(ARRAYS, [np.ones((1, 2))])[HEAD.size :])
[array([[1., 1.]])]
"""

import struct
from collections.abc import Sequence

import numpy as np

HEAD = struct.Struct("<IBH")  # length of what follows, kind, number of arrays
DTYPES = [np.dtype(c) for c in ("f8", "f4", "f2", "i8", "i4", "u1", "?", "c16")]
TEXT = 1000  # bytes of a text at most

JOB, READY, OURS, ARRAYS, NOT_LOADED, MISSING, MISFIT, RAISED = range(8)


class BadFrame(ValueError):
    """Bytes that are no frame."""


class Told(str):
    """A text, and the arrays with it: of a back that raised, the gradients as they stood."""

    arrays: tuple[np.ndarray, ...]

    def __new__(cls, text: str, arrays: Sequence[np.ndarray] = ()) -> "Told":
        told = super().__new__(cls, text)
        told.arrays = tuple(arrays)
        return told


def pack(kind: int, arrays: list[np.ndarray]) -> bytes:
    """A frame of arrays; raises BadFrame for a dtype that has no number here."""
    parts = []
    for a in arrays:
        if a.dtype not in DTYPES:
            raise BadFrame(f"an array of {a.dtype}")
        dims = struct.pack(f"<{a.ndim}I", *a.shape)
        parts += [bytes([DTYPES.index(a.dtype), a.ndim]), dims, a.tobytes()]
    body = b"".join(parts)
    return HEAD.pack(len(body), kind, len(arrays)) + body


def pack_text(kind: int, text: str) -> bytes:
    """A frame of a text, cut to TEXT bytes, and of the arrays that go with it."""
    data = text.encode("utf-8", "replace")
    row = np.frombuffer(data if kind == JOB else data[:TEXT], np.uint8)
    return pack(kind, [row, *getattr(text, "arrays", ())])


def unpack(count: int, body: bytes) -> list[np.ndarray]:
    """The arrays of a frame, fresh and writable; raises BadFrame unless its bytes are used up."""
    arrays, at = [], 0
    try:
        for _ in range(count):
            dtype, ndim = DTYPES[body[at]], body[at + 1]
            shape = struct.unpack_from(f"<{ndim}I", body, at + 2)
            at += 2 + 4 * ndim
            size = dtype.itemsize * int(np.prod(shape, dtype=object))
            if at + size > len(body):
                raise BadFrame("it is shorter than it says")
            arrays.append(np.frombuffer(body[at : at + size], dtype).reshape(shape).copy())
            at += size
    except (IndexError, struct.error, ValueError) as error:
        raise BadFrame(f"no arrays: {error}") from None
    if at != len(body):
        raise BadFrame(f"{len(body) - at} bytes are left over")
    return arrays


def text_of(body: bytes, count: int = 1) -> Told:
    """The text of a frame, and the arrays that go with it; raises BadFrame if it is none."""
    row, *arrays = unpack(count, body) or [np.empty(0)]
    if row.dtype != np.uint8 or row.ndim != 1 or (arrays and row.size > TEXT):
        raise BadFrame("a text is no row of bytes")
    return Told(row.tobytes().decode("utf-8", "replace"), arrays)

"""The pickles of CIFAR-10's python version, read by a machine that cannot call anything.

A pickle is a program for a stack machine, and Python's own calls whatever function it names. This
machine has the instructions that CIFAR's files use, and no calls: where these files ask NumPy for
an array of bytes, the request is recognised word for word and answered here.

>>> load(b"\\x80\\x02}(U\\x06labels](K\\x06K\\x09eu.")
{'labels': [6, 9]}
>>> load(b"cos\\nsystem\\n(U\\x04true\\x85R.")
Traceback (most recent call last):
ValueError: it is no pickle of CIFAR-10's: it asks for os system
"""

import enum
import pickletools
from typing import Any

import numpy as np


class Named(enum.Enum):
    """All that such a file asks for by name."""

    RECONSTRUCT = "numpy.core.multiarray _reconstruct"
    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"


class Made(enum.Enum):
    """What its requests make: stand-ins, until an array's bytes are there."""

    ARRAY = enum.auto()
    BYTE = enum.auto()


def load(content: bytes | bytearray) -> dict[str, Any]:
    """The dict that a pickle of CIFAR-10's builds; strings are read as Latin-1.

    Raises ValueError for any other pickle, and for what is none.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def since_mark():
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    try:
        for instruction, argument, _ in pickletools.genops(bytes(content)):
            match instruction.name:
                case "PROTO" | "STOP":
                    pass
                case "MARK":
                    marks.append(len(stack))
                case "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING":
                    stack.append(argument)
                case "NONE":
                    stack.append(None)
                case "NEWFALSE":
                    stack.append(False)
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "TUPLE":
                    stack.append(tuple(since_mark()))
                case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                    stack.append(tuple([stack.pop() for _ in range(int(name[-1]))][::-1]))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "APPENDS":
                    items = since_mark()
                    stack[-1].extend(items)
                case "SETITEMS":
                    items = since_mark()
                    if any(type(key) is not str for key in items[::2]):
                        raise ValueError("it has keys that are no strings")
                    stack[-1].update(zip(items[::2], items[1::2], strict=True))
                case "GLOBAL":
                    if argument not in {known.value for known in Named}:
                        raise ValueError(f"it asks for {str(argument)[:80]}")
                    stack.append(Named(argument))
                case "REDUCE":
                    arguments, function = stack.pop(), stack.pop()
                    stack.append(_called(function, arguments))
                case "BUILD":
                    state = stack.pop()
                    stack.append(_built(stack.pop(), state))
                case other:
                    raise ValueError(f"it has the instruction {other}")
    except ValueError as error:
        raise ValueError(f"it is no pickle of CIFAR-10's: {error}") from None
    except (IndexError, KeyError, AttributeError):
        raise ValueError(
            "it is no pickle of CIFAR-10's: its instructions do not fit together"
        ) from None
    if len(stack) != 1 or not isinstance(stack[0], dict):
        raise ValueError("it is no pickle of CIFAR-10's: what it builds is no dict")
    return stack[0]


def _called(function, arguments):
    match function, arguments:
        case Named.RECONSTRUCT, (Named.NDARRAY, (0,), "b"):
            return Made.ARRAY
        case Named.DTYPE, ("u1", 0, 1):
            return Made.BYTE
    raise ValueError("it asks for something other than an array of bytes")


def _built(made, state):
    match made, state:
        case Made.BYTE, (_, "|", None, None, None, *_):
            return Made.BYTE
        case Made.ARRAY, (1, (int(n), int(d)), Made.BYTE, False, str(text)):
            if n * d != len(text):
                raise ValueError(f"it makes an array of {n} x {d} from {len(text)} bytes")
            return np.frombuffer(text.encode("latin-1"), np.uint8).reshape(n, d)
    raise ValueError("it asks for something other than an array of bytes")

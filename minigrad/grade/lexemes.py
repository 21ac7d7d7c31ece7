"""Python source taken apart into lexemes, in linear time, whatever it is.

`tokenize` gives up on source that is not Python, and differs between versions.
"""

import re
from typing import Any

# Strings that do not end reach to the end of their line, or of the source if tripled: then no
# part of a hostile source is searched twice.
_LEXEME: Any = re.compile(
    r"""
    (?P<string>(?i:[rbuf]{0,2})(?:
        \"{3}(?:\\?.)*?(?:\"{3}|\Z) | '{3}(?:\\?.)*?(?:'{3}|\Z)
        | \"(?:\\.|[^\"\\\n])*\"?    | '(?:\\.|[^'\\\n])*'?))
    | (?P<comment>\#[^\n]*)
    | (?P<newline>\n)
    | (?P<space>(?:[ \t\f]|\\\n)+)
    | (?P<name>[^\W\d]\w*)
    | (?P<number>\.?\d(?:[eE][+-]|[\w.])*)
    | (?P<operator>\*\*=?|//=?|>>=?|<<=?|->|:=|[-+*/%&|^@=<>!]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def lexeme(source: str, at: int) -> re.Match[str]:
    """The lexeme that begins at a position; its kind is in lastgroup."""
    return _LEXEME.match(source, at)


def nesting(operator: str) -> int:
    """By how much a lexeme changes the depth of brackets."""
    return (operator in ("(", "[", "{")) - (operator in (")", "]", "}"))

"""Text of students made harmless: data in every output, structure in none.

>>> plain("a\\x1b[31mb\\n\\u202egnp.exe")
'a[31mb \\\\u202egnp.exe'
>>> spreadsheet("=HYPERLINK(1)")
"'=HYPERLINK(1)"
>>> print(markdown("<b> *x* | y"))
\\<b\\> \\*x\\* \\| y
"""

import re
import unicodedata

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the start of a formula
SHOWN = {"Cf", "Cs", "Zl", "Zp"}  # bidi, zero width, tags; surrogates; separators of lines
JOINERS = "\u200c\u200d"  # Persian, Hindi and emoji are spelled with these


def plain(text: str) -> str:
    r"""One line that shows all that is in it, and moves or colours nothing.

    Tabs and ends of lines become spaces, other C0 and C1 controls go, and what is invisible or
    turns the direction of writing is shown as \uXXXX. What is left is legal in XML and UTF-8.
    Plain text stays as it is.
    """
    return "".join(map(_shown, text))


def _shown(character):
    kind = unicodedata.category(character)
    code = ord(character)
    if kind == "Cc":
        return " " if character in "\t\n\v\f\r\x85" else ""
    if (kind in SHOWN and character not in JOINERS) or code & 0xFFFE == 0xFFFE:
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def spreadsheet(text: str) -> str:
    """Plain text that no spreadsheet takes for a formula: a ' stands before one.

    Source: OWASP, CSV Injection.
    """
    clean = plain(text)
    starts = text.startswith(FORMULA) or clean.lstrip().startswith(FORMULA)
    return "'" + clean if starts else clean


def markdown(text: str) -> str:
    """Plain text as Markdown that renders as itself: no markup, HTML, link or table in it.

    Source: CommonMark 0.31, backslash escapes; GitHub's extensions for tables and bare links.
    """
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&!$]", r"\\\g<0>", plain(text).strip())
    escaped = re.sub(r":(?=//)|(?<=www)\.", r"\\\g<0>", escaped, flags=re.IGNORECASE)
    return re.sub(r"^(\d*)([-+=]|(?<=\d)[.)](?!\S))", r"\1\\\2", escaped)

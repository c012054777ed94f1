r"""Patterns of AWS's service models, which are Java regular expressions, as Python ones.

Three things differ: Java knows Unicode categories such as `\p{L}`, its `\w`, `\d` and `\s` are ASCII, and its `.` stops
at every line terminator, not only at `\n`.
"""

import re
import sys
import unicodedata
from functools import cache

_TOKEN = re.compile(r"\\p\{(\w+)\}|\\.|.", re.DOTALL)
_ANY = r"[^\n\r\u0085\u2028\u2029]"
_POSIX = {"Alnum": "a-zA-Z0-9", "Alpha": "a-zA-Z", "Digit": "0-9"}


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return `pattern` of a service model for use with `fullmatch`."""
    return re.compile(translate(pattern), re.ASCII)


def translate(pattern: str) -> str:
    """Return the Python regular expression that accepts what Java's `pattern` accepts.

    >>> translate(r"[\\p{Alnum}_]+:.*")
    '[a-zA-Z0-9_]+:[^\\\\n\\\\r\\\\u0085\\\\u2028\\\\u2029]*'
    """
    in_class, parts = False, []
    for token in _TOKEN.finditer(pattern):
        text, category = token.group(), token.group(1)
        if category:
            members = _POSIX.get(category) or _members(category)
            text = members if in_class else f"[{members}]"
        elif text == "." and not in_class:
            text = _ANY
        in_class = (in_class or text == "[") and text != "]"
        parts.append(text)
    return "".join(parts)


@cache
def _members(category: str) -> str:
    """Return the code points of a Unicode category (`L`, `Lu`, ...) as the inside of a character class."""
    found = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith(category)]
    starts = [code for before, code in zip([-2, *found], found, strict=False) if code != before + 1]
    ends = [code for code, after in zip(found, [*found[1:], -2], strict=True) if after != code + 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends, strict=True))

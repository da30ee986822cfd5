"""Text that stands for an integer, a number, or true or false: the values of environment variables are always text."""

from __future__ import annotations

import math
import re
from typing import Final, Literal

TextType = Literal["int", "number", "bool"]

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)


def typed(text: str, type_: TextType) -> bool | float:
    """The value that `text` stands for.

    Raises:
        ValueError: it stands for none of this type; the message says what is needed, without the text.
    """
    text = text.strip()
    match type_:
        case "int" if _INTEGER.fullmatch(text):
            return int(text)
        case "number" if _INTEGER.fullmatch(text):
            return int(text)
        case "number" if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case "bool" if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        case "int":
            raise ValueError("an integer, such as 100")
        case "number":
            raise ValueError("a number, such as 100 or 1.5")
        case "bool":
            raise ValueError("true or false")

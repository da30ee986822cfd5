"""What queries share: the `.sql` files, which hold named statements with a comment on each, and the size of a page."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = 1000
"""The rows of a page: as many are read at once of what may be long."""

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_PART: Final = re.compile(r"\{(\w+)\}")
_PARTS_FILE: Final = "parts.sql"


def load_statements(file: str) -> dict[str, str]:
    """Load the statements of one file of `app/store/sql`, by name. `{name}` in them stands for a part of `parts.sql`.

    Raises:
        ValueError: the file has a name twice.
        KeyError: there is no such part.
    """
    return {name: _filled(text) for name, text in _load(file).items()}


@cache
def _parts() -> Mapping[str, str]:
    # Without their comments, which are the first lines.
    return {name: re.sub(r"\A(--.*\n)*", "", text) for name, text in _load(_PARTS_FILE).items()}


def _filled(text: str) -> str:
    return _PART.sub(lambda part: _filled(_parts()[part[1]]), text)


def _load(file: str) -> dict[str, str]:
    text = (resources.files("app.store") / "sql" / file).read_text(encoding="utf-8")
    _preamble, *parts = _NAME.split(text)
    names, statements = parts[::2], [statement.strip() for statement in parts[1::2]]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: a statement name is used twice")
    return dict(zip(names, statements, strict=True))

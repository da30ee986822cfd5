"""The fixed SQL: `.sql` files of named statements, each with a sentence on what it does."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_statements(file: str) -> dict[str, str]:
    """The statements of one file of `app/store/sql`, by name.

    Raises:
        ValueError: a name stands twice in the file.
    """
    text = (resources.files("app.store") / "sql" / file).read_text(encoding="utf-8")
    _preamble, *parts = _NAME.split(text)
    names, statements = parts[::2], [statement.strip() for statement in parts[1::2]]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: a statement's name stands twice")
    return dict(zip(names, statements, strict=True))

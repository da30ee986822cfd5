"""Loads the `.sql` files, which hold named statements with a comment on what each does."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_statements(file: str) -> dict[str, str]:
    """Load the statements of one file of `app/store/sql`, by name.

    Raises:
        ValueError: the file has a name twice.
    """
    text = (resources.files("app.store") / "sql" / file).read_text(encoding="utf-8")
    _preamble, *parts = _NAME.split(text)
    names, statements = parts[::2], [statement.strip() for statement in parts[1::2]]
    if len(set(names)) != len(names):
        raise ValueError(f"{file}: a statement name is used twice")
    return dict(zip(names, statements, strict=True))

"""How far an attempt has come with each of several tables, in one bookmark.

    {"tables": {"sales.orders": {"cursor_field": "updated_at", "type": "text", "value": "2024-05-01 12:00:00+00"},
                "sales.log": {"task": "0192f7c2-0000-7000-8000-000000000001"},
                "sales.new": {"task": "0192f7c2-0000-7000-8000-000000000001", "rows": 0}}}

A table that is read as a whole has the task that has loaded it: another attempt of this task need not do it again. One
with a cursor has it, too, while it has no rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import KeysView


class Bookmarks:
    """`task` is the one that reads now."""

    def __init__(self, text: str | None, *, task: str) -> None:
        self._tables = _tables_in(text)
        self._task = task

    @property
    def tables(self) -> KeysView[str]:
        return self._tables.keys()

    def of(self, table: str) -> str | None:
        """The bookmark of the table alone."""
        entry = self._tables.get(table, {})
        return jsontext.encode(entry) if "cursor_field" in entry else None

    def is_loaded(self, table: str) -> bool:
        """Whether this task has already loaded the whole table."""
        return self._tables.get(table, {}).get("task") == self._task

    def was_whole(self, table: str) -> bool:
        """Whether the last task has read all of the table, and not by a cursor."""
        return {*self._tables.get(table, {})} == {"task"}

    def reach(self, table: str, bookmark: str) -> None:
        self._tables[table] = jsontext.decode(bookmark)

    def finish(self, table: str, *, whole: bool) -> None:
        """The table was read, as a `whole` or up to a cursor that no row has, and it has no bookmark of its own."""
        self._tables[table] = {"task": self._task} if whole else {"task": self._task, "rows": 0}

    def forget(self, table: str) -> None:
        self._tables.pop(table, None)

    def text(self) -> str:
        return jsontext.encode({"tables": self._tables})


def _tables_in(text: str | None) -> dict[str, dict[str, Any]]:
    """Empty for the bookmark of a collection that read something else."""
    try:
        tables = jsontext.decode(text or "{}")["tables"]
        return {str(name): entry for name, entry in tables.items() if isinstance(entry, dict)}
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError):
        return {}

"""The form of bookmarks that were set by hand: those that cannot be read must not lead to a reading of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.bookmarks import READS_EVERYTHING
from app.connectors.contract.several import loads_several
from app.connectors.sources.sql.bookmark import TYPES, decode
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob


def bookmark_problem(value: Any, job: SourceJob) -> str | None:
    """Why it cannot be used; None if it can."""
    collection, parameters = job.collection, job.collection.parameters
    cursor_field = parameters.get("cursor_field") or collection.cursor_field
    if not loads_several(job):
        if cursor_field is None or parameters.get("mode") == "full_refresh":
            return READS_EVERYTHING
        return _problem_of_one(value, str(cursor_field))
    tables = value.get("tables") if isinstance(value, dict) else None
    if not isinstance(tables, dict) or not tables:
        return 'it must have the bookmark of each table, in the form {"tables": {"schema.table": {…}}}'
    for name, entry in tables.items():
        # Those that are read as a whole have the task that has read them.
        if not (isinstance(entry, dict) and "task" in entry and "cursor_field" not in entry):
            problem = _problem_of_one(entry, str(cursor_field))
            if problem:
                return f"table {name!r}: {problem}"
    return None


def _problem_of_one(value: Any, cursor_field: str) -> str | None:
    form = jsontext.encode({"cursor_field": cursor_field, "type": "…", "value": "…"})
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("type", "value")):
        return f"it must have the form {form}, with strings"
    if value.get("cursor_field") != cursor_field:
        return f"it is of cursor_field {value.get('cursor_field')!r}, but the collection has {cursor_field!r}"
    if value["type"] not in TYPES:
        return f"it has the unknown type {value['type']!r}; choose one of {', '.join(TYPES)}"
    begin = decode(jsontext.encode(value), cursor_field=cursor_field)
    if begin is None or (value["type"] in {"decimal", "float"} and not jsontext.is_finite(begin)):
        return f"{jsontext.preview(value['value'])} is not a value of type {value['type']}"
    return None

"""A plan as programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain.interval import format_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.plan.changes import Change
    from app.plan.tables import TableChange


def plan_document(
    changes: Sequence[Change], tables: Sequence[TableChange], rows: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """All changes and tables; `rows` are those of tables whose number is known."""
    return {
        "changes": [_change_document(each) for each in changes],
        "tables": [
            {
                "destination": each.destination,
                "table": each.table,
                "source": each.source,
                "collection": each.collection,
                "fate": each.fate,
                "reason": each.reason,
                **({"rows": found} if (found := rows.get((each.destination, each.table))) is not None else {}),
            }
            for each in tables
        ],
    }


def _change_document(change: Change) -> dict[str, Any]:
    fires = change.next_fire_at
    names = {change.kind.value: change.name} | ({"source": change.source} if change.source else {})
    optional = {
        "key": change.key or None,
        "before": change.before,
        "after": change.after,
        "next_fire_at": fires and format_moment(fires),
        "next_start_at": format_moment(fires + change.delay) if fires and change.delay else None,
    }
    found = {name: value for name, value in optional.items() if value is not None}
    return {"change": change.verb.value, "kind": change.kind.value, **names, **found}

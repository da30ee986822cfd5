"""What `columns` of a collection must not do to the key and the cursor that the catalogue names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.config.entry import Entry
    from app.domain.collection import Collection
    from app.domain.columns import ColumnRules


def check_columns(entry: Entry, collections: Iterable[Collection]) -> None:
    """Notes what is wrong. An attempt checks the keys and cursors that its source decides."""
    for index, collection in enumerate(collections):
        rules = collection.columns.rules if collection.columns else None
        if rules is None:
            continue
        if collection.parameters.get("bad_rows") == "keep" and (rules.include or rules.exclude or rules.hash):
            complaint = "'bad_rows: keep' keeps rows as they are in their files, with values that 'columns' hides"
            entry.refuse(("collections", index, "columns"), f"{complaint}: set 'bad_rows: skip' or 'refuse'")
        for key, field in _needed(collection):
            for part, complaint in _complaints(rules, key, field):
                entry.refuse(("collections", index, "columns", part), complaint)


def _needed(collection: Collection) -> Iterator[tuple[str, str]]:
    yield from (("primary_key", field) for field in collection.primary_key or ())
    if collection.cursor_field and collection.sync_mode != "full_refresh":
        yield "cursor_field", collection.cursor_field


def _complaints(rules: ColumnRules, key: str, field: str) -> Iterator[tuple[str, str]]:
    """What is wrong with which part of `columns`, for a field that the collection's `key` names."""
    source_name = rules.field_of(field)
    if source_name is not None and field not in rules.rename:
        yield "rename", f"makes '{field}' of '{source_name}', and '{key}' has the names of the source: write that there"
    elif not rules.takes(field):
        yield (
            "exclude" if rules.excludes(field) else "include",
            f"leaves out '{field}', which '{key}' names: take it too",
        )
    if key == "cursor_field" and rules.hashes(field):
        yield "hash", f"hashes '{field}', which is the '{key}': hashes have no order"

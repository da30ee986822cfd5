"""Records that lack fields of their table: a column that a record says nothing about stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.contract.batches import Columns, has_values
from app.connectors.warehouse.deleted import stated_fields
from app.connectors.warehouse.layout import PRESENT_COLUMN, ROW_COLUMN, VALID_TO_COLUMN, column_list, quoted
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any

    from app.connectors.contract.batches import Batch
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


class Partial:
    """The partial rows of one stage.

    `PRESENT_COLUMN` is added with the first of them. It has 1 or 0 for each column of the stage, in their order, and is
    NULL for a row that has all. A column that the stage gets later has no digit, and so is absent.
    """

    def __init__(self, session: Session, stage: Staged, *, number: int) -> None:
        self._session = session
        self._stage = stage
        self._places = stage.temporary(f"syncline_places_{number}")
        self._pairs = stage.temporary(f"syncline_pairs_{number}")
        self._fields: dict[str, str] = {}
        self._lacking: set[str] = set()
        self._has_column = False

    def widen(self, fields: dict[str, str]) -> None:
        """The stage's columns are these now (column → field); rows in it lack those that are new."""
        new = fields.keys() - self._fields.keys()
        if new and self._fields and self._stage.target.keeps_absent:
            self._note(new)
            digits = "1" * len(self._fields)
            self._session.run(
                f"UPDATE {self._stage.name} SET {PRESENT_COLUMN} = '{digits}' WHERE {PRESENT_COLUMN} IS NULL"  # noqa: S608 -- quoted identifiers
            )
        self._fields |= fields

    def presence(self, batch: Batch, fields: AbstractSet[str]) -> pa.Array | None:
        """What `PRESENT_COLUMN` needs for each row of `batch`, which has these `fields`; None if all rows have all."""
        table = self._stage.target.table
        if isinstance(batch, Columns) or not self._stage.target.keeps_absent or self._all_have_all(batch, fields):
            return None
        digits = [self._digits(stated_fields(record, table)) for record in batch]
        by_column = zip(*filter(None, digits), strict=True)
        lacking = {name for name, column in zip(self._fields, by_column, strict=False) if "0" in column}
        if not lacking:
            return None
        self._note(lacking)
        return pa.array(digits, pa.string())

    def _all_have_all(self, batch: list[dict[str, Any]], fields: AbstractSet[str]) -> bool:
        """Whether none of the records is partial, as far as this can be seen without looking at each of them."""
        marker = self._stage.target.table.delete_marker
        needed = {*self._fields.values()} - {marker}
        if marker is not None and marker in fields:
            needed.add(marker)
            if has_values(batch, marker):
                return False
        return fields <= needed and min(map(len, batch), default=0) >= len(needed)

    def _digits(self, stated: AbstractSet[str] | None) -> str | None:
        """None if all columns are stated."""
        if stated is None:
            return None
        digits = "".join("1" if field in stated else "0" for field in self._fields.values())
        return digits if "0" in digits else None

    def _note(self, lacking: AbstractSet[str]) -> None:
        self._lacking |= lacking
        if not self._has_column:
            self._session.run(f"ALTER TABLE {self._stage.name} ADD COLUMN {PRESENT_COLUMN} text")
            self._has_column = True

    def complete(self, *, first_number: int) -> int:
        """Adds a complete row, numbered from `first_number`, for each key whose newest staged row is partial.

        An absent column gets the value of the newest staged row of the key that has it, or else that of the target's
        row. Where both are missing, the oldest staged row made the row: its value, usually NULL, counts. Returns the
        number of added rows, which are the newest of their keys.
        """
        if not self._lacking:
            return 0
        if self._stage.target.newest_by is not None:
            self._number_by_version()
        self._find_incomplete()
        added = 0
        # Pairs of neighbours, again and again: a key with many rows takes few rounds, and a round one join.
        while merged := self._merge_pairs(first_number + added):
            added += merged
        added += self._add_completed(first_number + added)
        self._session.run(f"DROP TABLE {self._places}")
        self._lacking.clear()
        return added

    def _number_by_version(self) -> None:
        """Numbers the staged rows anew, so that of two rows of a key the newer one has the higher number."""
        stage = self._stage
        version, form = stage.version("staged"), stage.form("staged")
        comparable = version
        if form is not None:
            key = column_list(stage.target.key)
            of_one_form = f"min({form}) OVER (PARTITION BY {key}) = max({form}) OVER (PARTITION BY {key})"
            comparable = f"CASE WHEN {of_one_form} THEN {version} END"
        versions = f"SELECT {ROW_COLUMN} AS was, {version} IS NOT NULL AS has_version, {comparable} AS version"
        order = "row_number() OVER (ORDER BY has_version, version NULLS FIRST, was) - 1 AS place"
        self._session.run(
            f"""
            UPDATE {stage.name} AS staged SET {ROW_COLUMN} = ordered.place
            FROM (SELECT was, {order} FROM ({versions} FROM {stage.name} AS staged) AS versions) AS ordered
            WHERE staged.{ROW_COLUMN} = ordered.was
            """  # noqa: S608 -- quoted identifiers
        )

    def _find_incomplete(self) -> None:
        """Notes all staged rows of the keys whose newest row is partial, with their places in the order of arrival."""
        stage = self._stage
        key = column_list(stage.target.key)
        place = f"row_number() OVER (PARTITION BY incomplete.newest ORDER BY staged.{ROW_COLUMN})"
        self._session.run(
            f"""
            CREATE TEMPORARY TABLE {self._places} AS
            SELECT incomplete.newest AS of_key, staged.{ROW_COLUMN} AS number, {place} AS place
            FROM (
                SELECT {key}, {ROW_COLUMN} AS newest FROM {stage.newest()} AS staged WHERE {PRESENT_COLUMN} IS NOT NULL
            ) AS incomplete JOIN {stage.name} AS staged USING ({key})
            """  # noqa: S608 -- quoted identifiers
        )

    def _merge_pairs(self, first_number: int) -> int:
        """Adds a row for each pair of neighbours, which takes their place; returns how many there were."""
        stage = self._stage
        self._session.run(
            f"""
            CREATE TEMPORARY TABLE {self._pairs} AS
            SELECT older.of_key, older.number AS older, newer.number AS newer, newer.place >> 1 AS place,
                   {first_number} - 1 + row_number() OVER () AS number
            FROM {self._places} AS older JOIN {self._places} AS newer ON newer.of_key = older.of_key
            WHERE older.place % 2 = 1 AND newer.place = older.place + 1
            """  # noqa: S608 -- quoted identifiers
        )
        values = {name: f"newer.{quoted(name)}" for name in stage.columns}
        digits = ["'1'"] * len(values)
        for name, position in self._absent():
            values[name] = (
                f"CASE WHEN {_has('newer', position)} THEN newer.{quoted(name)} ELSE older.{quoted(name)} END"
            )
            either = f"{_has('older', position)} OR {_has('newer', position)}"
            digits[position - 1] = f"CASE WHEN {either} THEN '1' ELSE '0' END"
        merged = self._session.run(
            f"""
            INSERT INTO {stage.name} ({ROW_COLUMN}, {PRESENT_COLUMN}, {column_list(values)})
            SELECT pairs.number, {" || ".join(digits)}, {", ".join(values.values())}
            FROM {self._pairs} AS pairs
            JOIN {stage.name} AS older ON older.{ROW_COLUMN} = pairs.older
            JOIN {stage.name} AS newer ON newer.{ROW_COLUMN} = pairs.newer
            """  # noqa: S608 -- quoted identifiers
        )
        for statement in (
            f"DELETE FROM {self._places} WHERE number IN (SELECT older FROM {self._pairs})",  # noqa: S608 -- a quoted identifier
            f"DELETE FROM {self._places} WHERE number IN (SELECT newer FROM {self._pairs})",  # noqa: S608 -- a quoted identifier
            f"UPDATE {self._places} SET place = (place + 1) >> 1",  # noqa: S608 -- a quoted identifier
            f"INSERT INTO {self._places} SELECT of_key, number, place FROM {self._pairs}",  # noqa: S608 -- a quoted identifier
            f"DROP TABLE {self._pairs}",
        ):
            self._session.run(statement)
        return merged

    def _add_completed(self, first_number: int) -> int:
        """Adds what all staged rows of a key make together, with the target's values where none of them has any."""
        stage, target = self._stage, self._stage.target
        values = {name: f"staged.{quoted(name)}" for name in stage.columns}
        kept = ""
        if target.table.mode is not WriteMode.REPLACE:
            counts = f"AND kept.{VALID_TO_COLUMN} IS NULL" if target.table.mode is WriteMode.HISTORY else ""
            kept = f"LEFT JOIN {target.qualified} AS kept ON {stage.matches()} {counts}"
            for name, position in self._absent():
                own = f"{_has('staged', position)} OR kept.{quoted(target.key[0])} IS NULL"
                values[name] = f"CASE WHEN {own} THEN staged.{quoted(name)} ELSE kept.{quoted(name)} END"
        return self._session.run(
            f"""
            INSERT INTO {stage.name} ({ROW_COLUMN}, {column_list(values)})
            SELECT {first_number} - 1 + row_number() OVER (), {", ".join(values.values())}
            FROM {self._places} AS places JOIN {stage.name} AS staged ON staged.{ROW_COLUMN} = places.number {kept}
            """  # noqa: S608 -- quoted identifiers
        )

    def _absent(self) -> list[tuple[str, int]]:
        """Columns that some staged row lacks, with their positions in `PRESENT_COLUMN`."""
        return [(name, position) for position, name in enumerate(self._fields, 1) if name in self._lacking]


def _has(alias: str, position: int) -> str:
    return f"({alias}.{PRESENT_COLUMN} IS NULL OR substr({alias}.{PRESENT_COLUMN}, {position}, 1) = '1')"

"""Applies `flatten` of a collection: objects become fields of their own, before any destination sees the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.attempt.refusals import passed_through
from app.attempt.windows import INTERVAL_COLUMN
from app.connectors.contract.batches import Columns, as_list, records_of
from app.connectors.contract.passes import Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.values.flattening import Leaves, NameTakenError
from app.connectors.values.inference import infer_kinds
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Item


class Flattening:
    """One reading of a source, whose objects are taken apart down to `depth` levels of them."""

    def __init__(self, depth: int, *, subject: str) -> None:
        self._depth = depth
        self._subject = subject
        self._flat: dict[str, _Flat] = {}
        self._aside: set[str] = set()

    def apply(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yields the items of the source, without objects where they are taken apart.

        Raises:
            ConfigurationError: two values would become one field.
        """
        yield from passed_through(items, self._flatten)

    def _flatten(self, item: Item) -> Iterator[Item]:
        match item:
            case Table() if item.aside:
                self._aside.add(item.name)
                yield item
            case Table():
                yield self._announce(item)
            case Rows() if item.table not in self._aside:
                yield from self._flatten_rows(item)
            case _:
                yield item

    def _announce(self, source: Table) -> Table:
        flat = self._flat.get(source.name)
        if flat is None:
            flat = self._flat[source.name] = _Flat(source, depth=self._depth)
        try:
            return flat.announce(source)
        except NameTakenError as taken:
            raise self._taken_error(taken, source.name) from None

    def _flatten_rows(self, rows: Rows) -> Iterator[Item]:
        flat = self._flat[rows.table]
        try:
            batch = flat.flatten(rows.batch)
        except NameTakenError as taken:
            raise self._taken_error(taken, rows.table) from None
        if (wider := flat.widen(batch)) is not None:
            yield wider
        yield Rows(rows.table, batch, rows.size)

    def _taken_error(self, taken: NameTakenError, table: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._subject}: {' and '.join(map(repr, taken.paths))} of table {table!r} would both become "
            f"{taken.name!r}: rename one of the fields with 'columns.rename', leave it out, or set a smaller 'flatten'"
        )


class _Flat:
    """One table: as it was announced, the fields of objects that have come since, and what may still be an object."""

    def __init__(self, source: Table, *, depth: int) -> None:
        self._depth = depth
        self._whole = {*source.key, source.cursor_field, source.delete_marker, INTERVAL_COLUMN}
        whole = frozenset(field for field in self._whole if field is not None)
        self._leaves = Leaves(depth=depth, whole=whole)
        self._late: dict[str, Kind] = {}
        self._open: set[str] = set()
        self.table = source

    def announce(self, source: Table) -> Table:
        """The table with fields for what the source declares inside of objects.

        A field that may hold an object gets a column of its own only with a value that is none.
        """
        self._open |= {
            field for field, kind in source.columns.items() if kind is Kind.JSON and field not in self._whole
        }
        columns = {field: kind for field, kind in source.columns.items() if field not in self._open}
        for field in columns:
            self._leaves.name_of((field,))
        for path, kind in source.nested.items():
            if path[0] in self._open:
                cut = path[: self._depth + 1]
                columns[self._leaves.name_of(cut)] = kind if cut == path else Kind.JSON
        newest_by = source.newest_by
        if newest_by and newest_by[0] in self._open:
            cut = newest_by[: self._depth + 1]
            name = self._leaves.name_of(cut)
            columns.setdefault(name, Kind.JSON)
            newest_by = (name, *newest_by[self._depth + 1 :])
        self._late = {name: kind for name, kind in self._late.items() if name not in columns}
        self.table = replace(
            source,
            columns=columns | self._late,
            newest_by=newest_by,
            inferred=source.inferred.intersection(columns).union(self._late),
            nested={},
        )
        return self.table

    def flatten(self, batch: Batch) -> Batch:
        if isinstance(batch, Columns) and not any(map(_has_objects, batch.values.values())):
            return batch
        return [self._leaves.flatten(record) for record in records_of(batch)]

    def widen(self, batch: Batch) -> Table | None:
        """The table with the fields of objects that have their first values; None if there are none."""
        known = self.table.columns.keys()
        new = self._new_kinds(batch, known=known)
        if not new:
            return None
        self._late |= new
        self.table = replace(self.table, columns=self.table.columns | new, inferred=self.table.inferred.union(new))
        return self.table

    def _new_kinds(self, batch: Batch, *, known: Iterable[str]) -> dict[str, Kind]:
        if isinstance(batch, Columns):
            fields = [field for field in batch.values if field in self._open and field not in known]
            return {field: Kind.JSON for field in fields if any(v is not None for v in as_list(batch.values[field]))}
        inner = {name for path, name in self._leaves.names.items() if len(path) > 1}
        # What the source calls JSON stays that, and what it has not announced is the destination's matter.
        kinds = infer_kinds(batch, known=known, json=True)
        return {
            name: kind if name in inner else Kind.JSON
            for name, kind in kinds.items()
            if name in inner or name in self._open
        }


def _has_objects(values: Any) -> bool:
    return isinstance(values, list) and any(isinstance(value, dict) for value in values)

"""Applies `columns` of a collection to what its source yields: fields are left out, renamed and hashed.

Then objects are taken apart, if `flatten` says so.

Whatever comes after this sees only the new names. The source, and so the bookmark, knows only its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from app.attempt.flattening import Flattening
from app.attempt.refusals import passed_through
from app.attempt.shaping_checks import ChangedRules, check_needed, unknown_names_warnings
from app.attempt.windows import INTERVAL_COLUMN
from app.connectors.contract.batches import Columns, fields_of, has_values
from app.connectors.contract.blame import subject_of
from app.connectors.contract.passes import Rows
from app.connectors.contract.schema import Kind, Table, type_name
from app.connectors.values.hashing import hash_values
from app.domain.columns import ColumnRules
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from app.attempt.sink import Sink
    from app.attempt.writing import Writing
    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Item, Log
    from app.domain.attempt_protocol import SourceJob

_ALL: Final = ColumnRules()


def shaped(
    items: Iterable[Item], job: SourceJob, *, writing: Writing, sinks: Iterable[Sink], log: Log
) -> Iterable[Item]:
    """`items`, which go to these `sinks`, with the columns that the collection asks for."""
    rules = job.collection.columns or _ALL
    changed = [sink for sink in sinks if not sink.all_rows_are_by(rules)]
    if rules == _ALL and not changed:
        return items
    changes = ChangedRules(rules, changed, subject=subject_of(job), writing=writing, log=log)
    passed = Shaping(rules, changes, subject=subject_of(job), writing=writing, log=log).apply(items)
    return Flattening(rules.flatten, subject=subject_of(job)).apply(passed) if rules.flatten else passed


@dataclass(slots=True)
class _Shape:
    """A table as it is passed on, and the fields that it has had so far.

    `fields` are those that are kept, by their new names, and `hashed` the ones of these that are hashed. Of the latter,
    `late` were not announced by the source.
    """

    table: Table
    known: set[str] = field(default_factory=set)
    fields: dict[str, str] = field(default_factory=dict)
    hashed: dict[str, str] = field(default_factory=dict)
    late: dict[str, Kind] = field(default_factory=dict)


class Shaping:
    """One reading of a source."""

    def __init__(self, rules: ColumnRules, changes: ChangedRules, *, subject: str, writing: Writing, log: Log) -> None:
        self._rules = rules
        self._changes = changes
        self._subject = subject
        self._writing = writing
        self._log = log
        self._names = _Names(rules)
        self._shapes: dict[str, _Shape] = {}
        self._aside: set[str] = set()
        self._has_rows = False

    def apply(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yields the items of the source, shaped.

        Raises:
            ConfigurationError: the rules leave out or hash what rows are recognised by, give two fields one name, or
                contradict the rows that are there.
        """
        yield from passed_through(items, self._shape)
        if self._has_rows:
            for warning in unknown_names_warnings(self._rules, self._names.seen):
                self._log("warn", f"{self._subject}: {warning}")

    def _shape(self, item: Item) -> Iterator[Item]:
        match item:
            case Table() if item.aside:
                self._aside.add(item.name)
                yield item
            case Table():
                yield self._announce(item)
            case Rows() if item.table not in self._aside:
                yield from self._shape_rows(item)
            case _:
                yield item

    def _announce(self, source: Table) -> Table:
        needs_marker = self._writing.mode_for(source) is not WriteMode.APPEND
        check_needed(source, self._rules, needs_marker=needs_marker, subject=self._subject)
        self._changes.check(source)
        if source.delete_marker is not None and needs_marker:
            self._names.keep(source.delete_marker)
        shape = self._shapes.setdefault(source.name, _Shape(source))
        self._name_fields(shape, source.columns)
        shape.table = self._renamed(source, late=shape.late)
        if source.columns and not shape.table.columns:
            raise ConfigurationError(
                f"{self._subject}: 'columns' leaves out all fields of table {source.name!r}: "
                f"{', '.join(map(repr, source.columns))}"
            )
        return shape.table

    def _name_fields(self, shape: _Shape, fields: Iterable[str]) -> None:
        """Finds the names of fields that the table has not had before."""
        for each in fields:
            if each in shape.known:
                continue
            shape.known.add(each)
            name = self._names[each]
            if name is None:
                continue
            if (other := shape.fields.setdefault(name, each)) != each:
                raise ConfigurationError(
                    f"{self._subject}: the fields {other!r} and {each!r} of table {shape.table.name!r} would both "
                    f"become {name!r}: change 'columns.rename', or leave one of them out with 'columns.exclude'"
                )
            if self._hashes(each):
                shape.hashed[name] = each

    def _hashes(self, each: str) -> bool:
        return each != INTERVAL_COLUMN and self._rules.hashes(each)

    def _renamed(self, source: Table, *, late: dict[str, Kind]) -> Table:
        """The table under the new names, with the columns that were found `late`."""
        kinds = {each: Kind.TEXT if self._hashes(each) else kind for each, kind in source.columns.items()}
        hidden = {
            each: type_name(source.columns[each], source.digits.get(each))
            for each in filter(self._hashes, source.columns)
        }
        marker = None if source.delete_marker is None else self._names[source.delete_marker]
        return replace(
            source,
            columns=late | self._by_name(kinds),
            key=tuple(map(self._rules.name_of, source.key)),
            cursor_field=None if source.cursor_field is None else self._names[source.cursor_field],
            newest_by=(*map(self._rules.name_of, source.newest_by[:1]), *source.newest_by[1:]),
            digits=self._by_name({each: of for each, of in source.digits.items() if not self._hashes(each)}),
            source_types=self._by_name(hidden | source.source_types),
            required=self._all_by_name(source.required),
            inferred=self._all_by_name(source.inferred).union(late),
            delete_marker=marker,
            about_changes=self._renamed_about_changes(source),
            source_names=self._source_names(source),
            nested=self._renamed_nested(source),
        )

    def _renamed_nested(self, source: Table) -> dict[tuple[str, ...], Kind]:
        nested = ((self._names[path[0]], path, kind) for path, kind in source.nested.items())
        return {(name, *path[1:]): kind for name, path, kind in nested if name and not self._hashes(path[0])}

    def _renamed_about_changes(self, source: Table) -> frozenset[str]:
        prefix = source.change_prefix
        return frozenset(
            name for each, name in self._rules.rename.items() if prefix is not None and each.startswith(prefix)
        )

    def _source_names(self, source: Table) -> dict[str, str]:
        """New name → field, also of fields that may come later."""
        renamed = self._rules.rename.items()
        return {name: each for each, name in renamed if each in source.columns or name not in source.columns}

    def _by_name(self, by_field: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for each, value in by_field.items() if (name := self._names[each]) is not None}

    def _all_by_name(self, fields: AbstractSet[str]) -> frozenset[str]:
        return frozenset(name for each in fields if (name := self._names[each]) is not None)

    def _shape_rows(self, rows: Rows) -> Iterator[Item]:
        shape = self._shapes[rows.table]
        self._has_rows = self._has_rows or bool(len(rows.batch))
        self._name_fields(shape, sorted(fields_of(rows.batch) - shape.known))
        unannounced = shape.hashed.keys() - shape.table.columns.keys()
        if late := {name: Kind.TEXT for name in sorted(unannounced) if has_values(rows.batch, shape.hashed[name])}:
            # A destination would take them for JSON, in which a hash has quotes.
            shape.late |= late
            known = shape.table
            shape.table = replace(known, columns=known.columns | late, inferred=known.inferred.union(late))
            yield shape.table
        yield Rows(rows.table, self._shape_batch(rows.batch, shape), rows.size)

    def _shape_batch(self, batch: Batch, shape: _Shape) -> Batch:
        names = self._names
        shaped_batch: Batch
        if isinstance(batch, Columns):
            shaped_batch = Columns(self._by_name(batch.values))
        else:
            shaped_batch = [
                {name: value for each, value in record.items() if (name := names[each]) is not None} for record in batch
            ]
        for name, each in shape.hashed.items():
            try:
                hash_values(shaped_batch, name)
            except UnicodeEncodeError:
                raise ConfigurationError(
                    f"{self._subject}: 'columns.hash' cannot hash {each!r} of table {shape.table.name!r}: it has half "
                    "of a surrogate pair, which is not a character"
                ) from None
        return shaped_batch


class _Names(dict[str, str | None]):
    """Field → its new name, None if it is left out; what is not known yet is looked up in the rules."""

    def __init__(self, rules: ColumnRules) -> None:
        super().__init__({INTERVAL_COLUMN: INTERVAL_COLUMN})
        self._rules = rules

    def __missing__(self, each: str) -> str | None:
        name: str | None = self._rules.name_of(each) if self._rules.takes(each) else None
        self[each] = name
        return name

    def keep(self, each: str) -> None:
        """Keeps a field even if `include` does not take it."""
        self[each] = self._rules.name_of(each)

    @property
    def seen(self) -> set[str]:
        """The fields that were asked for."""
        return self.keys() - {INTERVAL_COLUMN}

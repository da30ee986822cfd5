"""What `columns` of a collection must not do: lose what rows are recognised by, or mix rows of different rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.connectors.contract.schema import Kind
from app.domain.choices import nearest
from app.domain.errors import ConfigurationError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from app.attempt.sink import Sink
    from app.attempt.writing import Writing
    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Table
    from app.domain.columns import ColumnRules

_RESET: Final = "'syncline sources reset'"


def check_needed(table: Table, rules: ColumnRules, *, needs_marker: bool, subject: str) -> None:
    """Checks the fields of `table`, under their names at the source, without which its rows cannot be written.

    Raises:
        ConfigurationError: the rules leave one of them out, or hash what must have an order.
    """
    where = f"of table {table.name!r}"
    for field in table.key:
        if not rules.takes(field):
            raise ConfigurationError(
                f"{subject}: 'columns' leaves out {field!r}, which is in the key {where}: take it too, hashed if "
                "nobody is to read it, or set another 'primary_key'"
            )
        if field not in table.columns and (source_name := rules.field_of(field)) is not None:
            raise ConfigurationError(
                f"{subject}: {field!r} in the key {where} is a new name, and keys have the names of the source: "
                f"set 'primary_key' to {source_name!r}"
            )
    cursor = [table.cursor_field] if table.cursor_field is not None and not table.full_refresh else []
    for field in dict.fromkeys([*cursor, *table.newest_by[:1]]):
        if not rules.takes(field):
            raise ConfigurationError(
                f"{subject}: 'columns' leaves out {field!r}, which tells the newer rows {where}: take it too"
            )
        if rules.hashes(field):
            raise ConfigurationError(
                f"{subject}: 'columns.hash' hashes {field!r}, which tells the newer rows {where}, and hashes have no "
                "order: do not hash it"
            )
    marker = table.delete_marker
    if needs_marker and marker is not None and rules.excludes(marker):
        raise ConfigurationError(
            f"{subject}: 'columns.exclude' leaves out {marker!r}, which says that a row {where} was deleted, and "
            "deleted rows would look like all others: do not exclude it"
        )


def unknown_names_warnings(rules: ColumnRules, seen: AbstractSet[str]) -> Iterator[str]:
    """A line for each name in the rules that no field of a reading had; `seen` are all its fields."""
    for key, name in rules.named_fields():
        if name in seen:
            continue
        source_name = rules.field_of(name)
        near = source_name or nearest(name, sorted(seen))
        hint = f"; did you mean {near!r}?" if near else ""
        yield f"'columns.{key}' names {name!r}, which no table and no record had{hint}"


class ChangedRules:
    """Rules that have changed since the destinations of these `sinks` got their rows."""

    def __init__(self, rules: ColumnRules, sinks: list[Sink], *, subject: str, writing: Writing, log: Log) -> None:
        self._rules = rules
        self._sinks = sinks
        self._earlier: dict[tuple[str, str], ColumnRules | None] = {}
        self._subject = subject
        self._writing = writing
        self._log = log
        self._has_warned = False

    def check(self, table: Table) -> None:
        """Checks that new rows of `table` are recognised beside those that are there; warns if they only differ.

        Raises:
            ConfigurationError: rows would be there twice.
        """
        for sink in self._sinks:
            mode = self._writing.arriving(table, sink.position).mode
            if mode is WriteMode.REPLACE:
                continue
            earlier = self._rules_of_rows(sink, table.name)
            if earlier is not None and earlier != self._rules:
                self._check_recognised(table, mode, earlier)
                self._warn(earlier)

    def _rules_of_rows(self, sink: Sink, table: str) -> ColumnRules | None:
        """Asked once for each table: later it has rows of this attempt."""
        asked = sink.name, table
        if asked not in self._earlier:
            self._earlier[asked] = sink.rules_of_rows(table)
        return self._earlier[asked]

    def _check_recognised(self, table: Table, mode: WriteMode, earlier: ColumnRules) -> None:
        for field in _recognised_by(table, mode):
            if self._flattens_otherwise(table, field, earlier):
                raise ConfigurationError(
                    f"{self._subject}: 'flatten' is {self._rules.flatten} and was {earlier.flatten}, so rows of table "
                    f"{table.name!r} that are there would not be recognised by {field!r}, and be there twice: undo the "
                    f"change, or run {_RESET}, which replaces them"
                )
            if self._differs(field, earlier):
                raise ConfigurationError(
                    f"{self._subject}: 'columns' names or hashes {field!r} in another way than before, so rows of "
                    f"table {table.name!r} that are there would not be recognised, and be there twice: undo the "
                    f"change, or run {_RESET}, which replaces them"
                )

    def _flattens_otherwise(self, table: Table, field: str, earlier: ColumnRules) -> bool:
        """Whether objects in it become other columns now, which happens to no field of the key."""
        is_whole = field in (*table.key, table.cursor_field)
        return self._rules.flatten != earlier.flatten and not is_whole and table.columns.get(field) is Kind.JSON

    def _warn(self, earlier: ColumnRules) -> None:
        if not self._has_warned:
            self._has_warned = True
            key = "columns" if self._rules.flatten == earlier.flatten else "flatten"
            self._log(
                "warn",
                f"{self._subject}: {key!r} has changed: rows that are there keep what they have until they come "
                f"again; {_RESET} loads all of them again",
            )

    def _differs(self, field: str, earlier: ColumnRules) -> bool:
        """Whether its column has another name or other values now; one that is new or gone does not count."""
        rules = self._rules
        if not (rules.takes(field) and earlier.takes(field)):
            return False
        return rules.name_of(field) != earlier.name_of(field) or rules.hashes(field) != earlier.hashes(field)


def _recognised_by(table: Table, mode: WriteMode) -> tuple[str, ...]:
    """The fields by which a row is recognised that comes again."""
    if mode is not WriteMode.APPEND:
        return (*table.key, *table.newest_by[:1])
    # Appended rows are recognised by all of their values, as far as their source sends them again.
    return tuple(table.columns) if table.cursor_field is not None and not table.full_refresh else ()

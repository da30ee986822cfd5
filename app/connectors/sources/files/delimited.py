"""CSV: https://www.rfc-editor.org/rfc/rfc4180, with other delimiters, quotes and escapes if the options say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.connectors.contract.batches import is_full
from app.connectors.sources.files.beginnings import begin
from app.connectors.sources.files.columns import Batch, misfit
from app.connectors.sources.files.escaped_rows import EscapedRows
from app.connectors.sources.files.lines import Lines
from app.connectors.sources.files.plain_rows import PlainRows
from app.connectors.values.casting import Unfit
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.sources.files.columns import Columns
    from app.connectors.sources.files.options import FilesParameters
    from app.connectors.sources.files.unpacking import Part


class Rows(Protocol):
    """Rows as lists of strings, None for NULL; `line` is where the last one began."""

    line: int

    def next(self) -> list[str | None] | None:
        """The next row, which has at least one field; None at the end."""


def read_csv(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`, in at least one batch unless it is empty; empty lines are skipped.

    Raises:
        ConfigurationError: a line is malformed or a value not of its column's kind; names file, line and column.
    """
    with part.stream() as stream:
        lines = Lines(stream, name=part.name, encoding=parameters.encoding)
        rows = _rows(lines, part.name, parameters)
        first = rows.next()
        while parameters.header is True and first and len(first) == 1 and (first[0] is None or first[0].isspace()):
            first = rows.next()
        if first is None:
            return
        names = _names(first, parameters.header, place=f"{part.name}, line {rows.line}")
        kinds = columns.add_text_columns(names)
        values = _Values(
            part.name,
            names,
            [columns.parser(name) for name in kinds],
            list(kinds.values()),
        )
        row = rows.next() if parameters.header is True else first
        records: list[dict[str, Any]] = []
        numbers: list[int] = []
        begun = 0
        while row is not None:
            records.append(values.record(row, rows.line))
            numbers.append(rows.line)
            if is_full(len(records), lines.size - begun):
                yield Batch(records, numbers, lines.size - begun)
                records, numbers, begun = [], [], lines.size
            row = rows.next()
        yield Batch(records, numbers, lines.size - begun)


def _rows(lines: Lines, file: str, parameters: FilesParameters) -> Rows:
    dialect = begin(lines, file, parameters)
    if dialect.escape is None:
        return PlainRows(lines, dialect, comment=parameters.comment)
    return EscapedRows(lines, dialect, comment=parameters.comment, encoding=parameters.encoding)


class _Values:
    """Turns rows into records."""

    def __init__(
        self,
        file: str,
        names: list[str],
        parsers: list[Callable[[str], Any] | None],
        kinds: list[Any],
    ) -> None:
        self._file = file
        self._names = names
        self._kinds = kinds
        self._parsers = [(index, parse) for index, parse in enumerate(parsers) if parse is not None]

    def record(self, row: list[str | None], line: int) -> dict[str, Any]:
        if len(row) != len(self._names):
            raise self._wrong_count(row, line)
        record: dict[str, Any] = dict(zip(self._names, row, strict=True))
        for index, parse in self._parsers:
            name = self._names[index]
            text = record[name]
            try:
                record[name] = parse(text) if text else None
            except Unfit as unfit:
                raise misfit(text, self._kinds[index], unfit, file=self._file, line=line, column=name) from None
        return record

    def _wrong_count(self, row: list[str | None], line: int) -> ConfigurationError:
        found, expected = len(row), len(self._names)
        place = f"{self._file}, line {line}"
        if found < expected:
            return ConfigurationError(
                f"{place}, column {self._names[found]!r}: the value is missing; the line has {found} of {expected}"
            )
        hint = "; set 'skip_lines' or 'comment' if the header comes after other lines" if expected == 1 else ""
        return ConfigurationError(
            f"{place}, column {expected + 1}: too many values; the line has {found} and the header {expected}{hint}"
        )


def _names(
    first: list[str | None],
    header: bool | tuple[str, ...],  # noqa: FBT001 -- an option
    *,
    place: str,
) -> list[str]:
    if isinstance(header, tuple):
        return list(header)
    names = [(name if header else "") or f"column_{number}" for number, name in enumerate(first, start=1)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{place}: the header names a column twice: {', '.join(map(repr, twice))}")
    return names

"""CSV: https://www.rfc-editor.org/rfc/rfc4180, with other delimiters, quotes and escapes if the options say so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.connectors.contract.batches import is_full
from app.connectors.sources.files.bad_rows import BadRowError, BadRows
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


# An empty text identifies no row.
_NOTHING: Final = (None, "")
_SPACED_QUOTE: Final = re.compile("\\s+[\"']")
_END_OF_FILE: Final = "\x1a"


class Rows(Protocol):
    """Rows as lists of strings, None for NULL; `line` is where the last one began, `text` how it stands in the file."""

    line: int

    @property
    def text(self) -> str: ...

    def next(self) -> list[str | None] | None:
        """The next row, which has at least one field; None at the end.

        Raises:
            BadRowError: it is malformed; the next call returns the one after it.
            ConfigurationError: so is perhaps all that follows.
        """


def read_csv(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`, in at least one batch unless it is empty; empty lines are skipped.

    Raises:
        ConfigurationError: a line is malformed or a value not of its column's kind; names file, line and column.
    """
    with part.stream() as stream:
        lines = Lines(stream, name=part.name, encoding=parameters.encoding)
        rows = _rows(lines, part.name, parameters)
        bad = BadRows(part.name, parameters)
        row = _first(rows, parameters, bad)
        if row is None:
            if bad.waiting:
                bad.check_end(0)
                yield Batch([], [], lines.size, bad.drain())
            return
        names = _names(row, parameters.header, place=f"{part.name}, line {rows.line}")
        kinds = columns.add_text_columns(names)
        values = _Values(part.name, names, [columns.parser(name) for name in names], list(kinds.values()))
        keyed = not bad.refused and bool(columns.key) and kinds.keys() >= set(columns.key)
        row = None if parameters.header is True else row
        records: list[dict[str, Any]] = []
        numbers: list[int] = []
        begun = good = 0
        while True:
            try:
                if row is None and (row := rows.next()) is None:
                    break
                record = values.record(row, rows.line)
                if keyed and (missing := columns.missing_key(record, file=part.name, line=rows.line, nothing=_NOTHING)):
                    raise missing
            except BadRowError as error:
                bad.add(error, line=rows.line, row=rows.text)
                row = None
                continue
            row = None
            records.append(record)
            numbers.append(rows.line)
            if is_full(len(records), lines.size - begun):
                good += len(records)
                yield Batch(records, numbers, lines.size - begun, bad.drain())
                records, numbers, begun = [], [], lines.size
        bad.check_end(good + len(records))
        yield Batch(records, numbers, lines.size - begun, bad.drain())


def _first(rows: Rows, parameters: FilesParameters, bad: BadRows) -> list[str | None] | None:
    """The header, or the first row that is not malformed if there is none."""
    while True:
        try:
            first = rows.next()
        except BadRowError as error:
            if parameters.header is True:
                raise
            bad.add(error, line=rows.line, row=rows.text)
            continue
        if parameters.header is not True or first is None or not _is_blank(first):
            return first


def _is_blank(row: list[str | None]) -> bool:
    return len(row) == 1 and (row[0] is None or row[0].isspace())


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

    def _wrong_count(self, row: list[str | None], line: int) -> BadRowError:
        found, expected = len(row), len(self._names)
        place = f"{self._file}, line {line}"
        if found < expected:
            return BadRowError(
                f"{place}, column {self._names[found]!r}: the value is missing; the line has {found} of {expected}"
                f"{_why_too_few(row)}"
            )
        hint = "; set 'skip_lines' or 'comment' if the header comes after other lines" if expected == 1 else ""
        if any(value and _SPACED_QUOTE.match(value) for value in (*row, *self._names)):
            hint = "; a quote after a space does not begin a quoted field: remove the space, or set 'quote: none'"
        return BadRowError(
            f"{place}, column {expected + 1}: too many values; the line has {found} and the header {expected}{hint}"
        )


def _why_too_few(row: list[str | None]) -> str:
    text = "".join(value or "" for value in row)
    if text.startswith(_END_OF_FILE):
        return ". It is Ctrl-Z, which old programs write at the end of a file: remove it"
    return ". It has only spaces: remove it" if text.isspace() else ""


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

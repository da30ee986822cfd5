"""CSV: https://www.rfc-editor.org/rfc/rfc4180, with other delimiters, quotes and escapes if the options say so."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.batches import is_full
from app.connectors.sources.files.columns import Batch, misfit, parser
from app.connectors.sources.files.formats import delimiter_of
from app.connectors.sources.files.lines import LONGEST_FIELD, Lines
from app.connectors.values.casting import Unfit
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.connectors.sources.files.columns import Columns
    from app.connectors.sources.files.options import FilesParameters
    from app.connectors.sources.files.unpacking import Part

_LONE_RETURN: Final = re.compile(r"\r(?!\n)")


def read_csv(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`, in at least one batch unless it is empty; empty lines are skipped.

    Raises:
        ConfigurationError: a line is malformed or a value not of its column's kind; names file, line and column.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with part.stream() as stream:
        rows = _Rows(Lines(stream, name=part.name, encoding=parameters.encoding), part.name, parameters)
        first = rows.next()
        while parameters.header is True and first and first[0].isspace() and len(first) == 1:
            first = rows.next()
        if first is None:
            return
        names = _names(first, parameters.header, place=f"{part.name}, line {rows.line}")
        kinds = columns.add_text_columns(names)
        values = _Values(
            part.name,
            names,
            [parser(kind, columns.digits.get(name)) for name, kind in kinds.items()],
            list(kinds.values()),
            parameters,
        )
        row = rows.next() if parameters.header is True else first
        records: list[dict[str, Any]] = []
        lines: list[int] = []
        begun = 0
        while row is not None:
            records.append(values.record(row, rows.line))
            lines.append(rows.line)
            if is_full(len(records), rows.size - begun):
                yield Batch(records, lines, rows.size - begun)
                records, lines, begun = [], [], rows.size
            row = rows.next()
        yield Batch(records, lines, rows.size - begun)


class _Rows:
    """Rows as lists of strings; `line` is where the last one began."""

    def __init__(self, lines: Lines, name: str, parameters: FilesParameters) -> None:
        self.line = 0
        self._lines = lines
        self._recent: list[str] = []
        self._delimiter = delimiter_of(name, parameters)
        self._quote = None if parameters.quote == "none" else parameters.quote
        self._escape = parameters.escape
        self._reader = csv.reader(
            self._record_lines(),
            delimiter=self._delimiter,
            quotechar=self._quote,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            escapechar=self._escape,
            strict=True,
        )

    @property
    def size(self) -> int:
        return self._lines.size

    def next(self) -> list[str] | None:
        """The next row that is not empty; None at the end."""
        row: list[str] = []
        while not row:
            self._recent.clear()
            self.line = self._lines.number + 1
            try:
                row = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                raise self._error_of(error) from None
        return row

    def _record_lines(self) -> Iterator[str]:
        for line in self._lines:
            self._recent.append(line)
            yield line

    def _error_of(self, error: csv.Error) -> ConfigurationError:
        text = "".join(self._recent)
        at, problem = first_flaw(text, delimiter=self._delimiter, quote=self._quote, escape=self._escape)
        before = text[:at]
        line, column = self.line + before.count("\n"), at - (before.rfind("\n") + 1) + 1
        if "field larger" in str(error):
            problem = f"the field is longer than {LONGEST_FIELD >> 20} Mi characters, or its quote is never closed"
        return self._lines.flaw(problem or str(error), line=line, column=column)


class _Values:
    """Turns rows into records."""

    def __init__(
        self,
        file: str,
        names: list[str],
        parsers: list[Callable[[str], Any] | None],
        kinds: list[Any],
        parameters: FilesParameters,
    ) -> None:
        self._file = file
        self._names = names
        self._kinds = kinds
        self._parsers = [(index, parse) for index, parse in enumerate(parsers) if parse is not None]
        self._nulls = frozenset(parameters.nulls)

    def record(self, row: list[str], line: int) -> dict[str, Any]:
        if len(row) != len(self._names):
            raise self._wrong_count(row, line)
        record: dict[str, Any] = dict(zip(self._names, row, strict=True))
        if self._nulls:
            record = {name: None if value in self._nulls else value for name, value in record.items()}
        for index, parse in self._parsers:
            name = self._names[index]
            text = record[name]
            try:
                record[name] = parse(text) if text else None
            except Unfit as unfit:
                raise misfit(text, self._kinds[index], unfit, file=self._file, line=line, column=name) from None
        return record

    def _wrong_count(self, row: list[str], line: int) -> ConfigurationError:
        found, expected = len(row), len(self._names)
        place = f"{self._file}, line {line}"
        if found < expected:
            return ConfigurationError(
                f"{place}, column {self._names[found]!r}: the value is missing; the line has {found} of {expected}"
            )
        return ConfigurationError(
            f"{place}, column {expected + 1}: too many values; the line has {found} and the header {expected}"
        )


def _names(first: list[str], header: bool | tuple[str, ...], *, place: str) -> list[str]:  # noqa: FBT001 -- an option
    if isinstance(header, tuple):
        return list(header)
    names = [(name if header else "") or f"column_{number}" for number, name in enumerate(first, start=1)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{place}: the header names a column twice: {', '.join(map(repr, twice))}")
    return names


def first_flaw(text: str, *, delimiter: str, quote: str | None, escape: str | None) -> tuple[int, str]:
    """The index where the text of a row is malformed, and why: Python's parser does not report the position."""
    escaped = f"|{re.escape(escape)}." if escape else ""
    mark, special = re.escape(quote or ""), re.escape((quote or "") + (escape or ""))
    plain = re.compile(rf"(?:[^{re.escape(delimiter + (escape or ''))}\n]++{escaped})*+", re.DOTALL)
    # Possessive: without a closing quote, backtracking would try every way to divide the text.
    quoted = re.compile(rf"{mark}(?:[^{special}]++|{mark}{mark}{escaped})*+{mark}", re.DOTALL) if quote else plain
    at = 0
    while at < len(text):
        begins_quoted = text[at] == quote
        field = (quoted if begins_quoted else plain).match(text, at)
        if field is None:
            return at, "the quote that opens here is never closed"
        at = field.end()
        if begins_quoted and text[at : at + 1] not in ("", delimiter, "\r", "\n"):
            return at, f"the closing quote must be followed by the delimiter {delimiter!r} or the end of the line"
        at += 1
    if lone := _LONE_RETURN.search(text):
        return lone.start(), "carriage return without a line feed: lines must end with a line feed"
    return 0, ""

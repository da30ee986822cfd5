"""Rows of CSV without escapes, by Python's own parser."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

from app.connectors.sources.files.flaws import LONE_RETURN, NEVER_CLOSED, TOO_LONG, ends_wrong
from app.connectors.sources.files.lines import LONGEST_FIELD
from app.connectors.sources.files.patterns import all_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.files.dialects import Dialect
    from app.connectors.sources.files.lines import Lines
    from app.domain.errors import ConfigurationError

_LONE_RETURN: Final = re.compile(r"\r(?!\n)")


class PlainRows:
    """Rows as lists of strings, None for NULL; `line` is where the last one began, `text` how it stands in the file."""

    def __init__(self, lines: Lines, dialect: Dialect, *, comment: str | None) -> None:
        csv.field_size_limit(LONGEST_FIELD)
        self.line = 0
        self._lines = lines
        self._dialect = dialect
        self._recent: list[str] = []
        self._nulls = dialect.nulls
        self._null_values = {_unquoted(null, dialect.quote) for null in dialect.nulls}
        self._fields = _fields_of(dialect)
        self._reader: Iterator[Any] = csv.reader(
            self._record_lines() if comment is None else self._uncommented_lines(comment),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
            strict=True,
        )

    @property
    def text(self) -> str:
        return "".join(self._recent)

    def next(self) -> list[str | None] | None:
        """The next row, which has at least one field; None at the end.

        Raises:
            BadRowError: it is malformed; the next call returns the one after it.
            ConfigurationError: so is perhaps all that follows.
        """
        row: list[str | None] = []
        while not row:
            self._recent.clear()
            self.line = self._lines.number + 1
            try:
                row = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                raise self._error_of(error) from None
            if not row and self._dialect.blank_rows:
                row = [""]
        if self._nulls and not self._null_values.isdisjoint(row):
            return self._with_nulls(row)
        return row

    def _record_lines(self) -> Iterator[str]:
        for line in self._lines:
            self._recent.append(line)
            yield line

    def _uncommented_lines(self, comment: str) -> Iterator[str]:
        for line in self._lines:
            if not self._recent and line.startswith(comment):
                self.line += 1
                continue
            self._recent.append(line)
            yield line

    def _with_nulls(self, row: list[str | None]) -> list[str | None]:
        """The parser has taken off the quotes, which tell text from NULL."""
        record = "".join(self._recent)
        if self._dialect.quote is None or self._dialect.quote not in record:
            return [None if value in self._nulls else value for value in row]
        # After the last field the pattern may match once more, in front of the line's end.
        fields = self._fields.findall(record)
        return [None if field in self._nulls else value for value, field in zip(row, fields, strict=False)]

    def _error_of(self, error: csv.Error) -> ConfigurationError:
        text = self.text
        at, problem = first_flaw(text, delimiter=self._dialect.delimiter, quote=self._dialect.quote)
        before = text[:at]
        line, column = self.line + before.count("\n"), at - (before.rfind("\n") + 1) + 1
        if "field larger" in str(error):
            problem = TOO_LONG
        elif problem and problem != NEVER_CLOSED and self._has_paired_quotes(text):
            # So the row ends with this line, whatever is wrong in it.
            return self._lines.bad_row(problem, line=line, column=column)
        return self._lines.flaw(problem or str(error), line=line, column=column)

    def _has_paired_quotes(self, text: str) -> bool:
        return self._dialect.quote is None or text.count(self._dialect.quote) % 2 == 0


def _unquoted(null: str, quote: str | None) -> str:
    is_quoted = quote is not None and len(null) > 1 and null[0] == null[-1] == quote
    return null[1:-1] if is_quoted else null


def _fields_of(dialect: Dialect) -> re.Pattern[str]:
    """Matches each field of a well-formed row as it stands there, with its quotes."""
    delimiter, quote = re.escape(dialect.delimiter), re.escape(dialect.quote or "")
    plain = rf"[^{delimiter}\r\n]*+"
    inside = all_of(rf"[^{quote}]++|{quote}{quote}")
    quoted = f"{quote}{inside}{quote}|" if quote else ""
    return re.compile(rf"({quoted}{plain})(?:{delimiter}|\r*\n|\Z)")


def first_flaw(text: str, *, delimiter: str, quote: str | None) -> tuple[int, str]:
    """The index where the text of a row is malformed, and why: Python's parser does not report the position."""
    mark = re.escape(quote or "")
    plain = re.compile(rf"[^{re.escape(delimiter)}\n]*+")
    # Without a closing quote, backtracking would try every way to divide the text.
    quoted = re.compile(mark + all_of(rf"[^{mark}]++|{mark}{mark}") + mark) if quote else plain
    at = 0
    while at < len(text):
        begins_quoted = text[at] == quote
        field = (quoted if begins_quoted else plain).match(text, at)
        if field is None:
            return at, NEVER_CLOSED
        at = field.end()
        if begins_quoted and text[at : at + 1] not in ("", delimiter, "\r", "\n"):
            return at, ends_wrong(delimiter)
        at += 1
    if lone := _LONE_RETURN.search(text):
        return lone.start(), LONE_RETURN
    return 0, ""

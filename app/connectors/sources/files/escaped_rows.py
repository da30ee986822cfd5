"""Rows of CSV with escapes. Python's own parser takes off an escape without telling what it stood before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.escapes import Escapes
from app.connectors.sources.files.flaws import LONE_RETURN, NEVER_CLOSED, TOO_LONG, ends_wrong
from app.connectors.sources.files.lines import LONGEST_FIELD
from app.connectors.sources.files.patterns import all_of
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.files.bad_rows import BadRowError
    from app.connectors.sources.files.dialects import Dialect
    from app.connectors.sources.files.lines import Lines

_LINE_ENDS: Final = frozenset({"\n", "\r\n"})
_ENDS_EARLY: Final = "the file ends in the middle of this row"


class EscapedRows:
    """Rows as lists of strings, None for NULL; `line` is where the last one began, `text` how it stands in the file."""

    def __init__(self, lines: Lines, dialect: Dialect, *, comment: str | None, encoding: str) -> None:
        self.line = 0
        self.text = ""
        self._lines = lines
        self._delimiter = dialect.delimiter
        self._quote = dialect.quote
        self._escape = dialect.escape or ""
        self._escaped_delimiter = self._escape + self._delimiter
        self._nulls = dialect.nulls
        self._comment = comment
        self._escapes = Escapes(dialect, encoding=encoding)
        self._end_mark = f"{self._escape}." if self._escapes.may_be_postgres else None
        self._settle_line_ends("".join(lines.peek(1)))
        self._blank = frozenset() if dialect.blank_rows else _LINE_ENDS
        self._plain = re.compile(self._plain_pattern(dialect), re.DOTALL)
        self._quoted = re.compile(_quoted_pattern(self._quote or "", self._escape), re.DOTALL)

    def next(self) -> list[str | None] | None:
        """The next row, which has at least one field; None at the end.

        Raises:
            BadRowError: it is malformed; the next call returns the one after it.
            ConfigurationError: so is perhaps all that follows.
        """
        while True:
            self.line = self._lines.number + 1
            line = next(self._lines, None)
            if line is None:
                return None
            if line in self._blank or (self._comment is not None and line.startswith(self._comment)):
                continue
            self.text = line
            text = line.removesuffix(self._end)
            if text == self._end_mark:
                self._expect_no_more()
                return None
            return self._row(line) if self._is_special(text) else self._split(text, line)

    def _settle_line_ends(self, first: str) -> None:
        """MySQL writes carriage returns in text as they are, so there the first line shows what ends a line."""
        self._end = "\r\n" if first.endswith("\r\n") else "\n"
        self._returns_are_text = self._escapes.may_be_mysql and self._quote is None
        if "\r" in first and not first.endswith("\n"):
            raise self._lines.flaw(LONE_RETURN, line=self._lines.number + 1, column=first.index("\r") + 1)

    def _plain_pattern(self, dialect: Dialect) -> str:
        delimiter, escape = re.escape(self._delimiter), re.escape(self._escape)
        if dialect.name == "postgres_csv":  # escapes count in quotes only
            return rf"[^{delimiter}\r\n]*+"
        escaped = rf"{escape}(?:\r\n|.)"
        if not self._returns_are_text:
            return all_of(rf"[^{delimiter}{escape}\r\n]++|{escaped}")
        if self._end == "\n":
            return all_of(rf"[^{delimiter}{escape}\n]++|{escaped}")
        return all_of(rf"[^{delimiter}{escape}\r]++|{escaped}|\r(?!\n)")

    def _is_special(self, text: str) -> bool:
        """Whether the delimiters in `text` and its end may not be what they look like."""
        quoted = self._quote is not None and self._quote in text
        escaped = self._escaped_delimiter in text or text.endswith(self._escape)
        return quoted or escaped or "\r" in text or "\n" in text

    def _split(self, text: str, line: str) -> list[str | None]:
        fields = text.split(self._delimiter)
        if self._escape not in text and self._nulls.isdisjoint(fields):
            return [*fields]
        try:
            return [self._value(field, quoted=False) for field in fields]
        except ConfigurationError:
            return self._row(line)  # fails with the place

    def _row(self, line: str) -> list[str | None]:
        """The fields of the row that begins with `line`; reads more lines if it goes on there."""
        row: list[str | None] = []
        flaw: BadRowError | None = None
        at = 0
        while True:
            column, number = at + 1, self._lines.number
            is_quoted = self._quote is not None and line.startswith(self._quote, at)
            field, line, at = self._quoted_field(line, at) if is_quoted else self._plain_field(line, at)
            try:
                row.append(self._value(field, quoted=is_quoted))
            except ConfigurationError as error:
                flaw = flaw or self._lines.bad_row(str(error), line=number, column=column)
            if not line.startswith(self._delimiter, at):
                break
            at += 1
        if at < len(line) and line[at:] not in _LINE_ENDS:
            kind = self._lines.bad_row if self._ends_here(line[at:]) else self._lines.flaw
            raise kind(self._problem(line[at]), line=self._lines.number, column=at + 1)
        if flaw is not None:
            raise flaw
        return row

    def _ends_here(self, rest: str) -> bool:
        """Whether a row with this malformed `rest` of its line ends with the line, whatever the rest means."""
        return not (self._quote and self._quote in rest) and not rest.rstrip("\r\n").endswith(self._escape)

    def _quoted_field(self, line: str, at: int) -> tuple[str, str, int]:
        """The field without its quotes, the line where it ends, and the index after it."""
        column, number = at + 1, self._lines.number
        field, at = "", at + 1
        while True:
            end = self._end_of(self._quoted, line, at)
            field += line[at:end]
            if end < len(line) and line[end] == self._quote:
                return field, line, end + 1
            line, at = self._more(field, NEVER_CLOSED, line=number, column=column), 0

    def _plain_field(self, line: str, at: int) -> tuple[str, str, int]:
        """The field, the line where it ends, and the index after it."""
        column, number = at + 1, self._lines.number
        field = ""
        while True:
            end = self._end_of(self._plain, line, at)
            field += line[at:end]
            if end < len(line) or not line.endswith("\n"):
                return field, line, end
            line, at = self._more(field, _ENDS_EARLY, line=number, column=column), 0

    def _end_of(self, pattern: re.Pattern[str], line: str, at: int) -> int:
        found = pattern.match(line, at)
        return found.end() if found else at

    def _more(self, field: str, problem: str, *, line: int, column: int) -> str:
        more = next(self._lines, None)
        if more is None:
            raise self._lines.flaw(problem, line=line, column=column)
        if len(field) > LONGEST_FIELD:
            raise self._lines.flaw(TOO_LONG, line=line, column=column)
        self.text += more
        return more

    def _value(self, field: str, *, quoted: bool) -> str | None:
        if (f"{self._quote}{field}{self._quote}" if quoted else field) in self._nulls:
            return None
        if not quoted and self._escape not in field:
            return field
        if quoted and field in self._nulls and self._escape in field:
            raise ConfigurationError(f"{field} means NULL, but here it is quoted, like text")
        return self._escapes.text_of(field, quoted=quoted)

    def _problem(self, character: str) -> str:
        if character == "\r":
            return LONE_RETURN
        if character == self._escape:
            return "the file ends after an escape"
        return ends_wrong(self._delimiter)

    def _expect_no_more(self) -> None:
        mark = self._lines.number
        for line in self._lines:
            if line.strip():
                problem = f"the mark '{self._end_mark}' in line {mark} ends the data, but more follows"
                raise self._lines.flaw(problem, line=self._lines.number, column=1)


def _quoted_pattern(quote: str, escape: str) -> str:
    mark, escape = re.escape(quote), re.escape(escape)
    return all_of(rf"[^{mark}{escape}]++|{mark}{mark}|{escape}(?:\r\n|.)")

"""What stands before the first row of CSV: Excel's `sep=;`, lines to skip, and a delimiter that nobody has named."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.connectors.sources.files.dialects import dialect_of
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.connectors.sources.files.dialects import Dialect
    from app.connectors.sources.files.lines import Lines
    from app.connectors.sources.files.options import FilesParameters

# Programs that open such a file and save it again append delimiters.
_SEPARATOR: Final = re.compile(r'"?sep=([^"\r\n])\1*"?\1*\r?\n?', re.IGNORECASE)
_DELIMITERS: Final = ",;|\t^~¦\x01"
_SAMPLE_LINES: Final = 20


def begin(lines: Lines, file: str, parameters: FilesParameters) -> Dialect:
    """Skips what stands before the first row, and returns the dialect of the rows.

    Raises:
        ConfigurationError: `sep=;` contradicts the options, or the lines have a delimiter that no option names.
    """
    dialect = dialect_of(file, parameters)
    # Databases write no such line, but may have a text that looks like it.
    separator = None if parameters.dialect else _separator(lines)
    line = lines.number + 1
    for _ in range(parameters.skip_lines):
        next(lines, None)
    if parameters.dialect is None and (found := _separator(lines)) is not None:
        separator, line = found, lines.number + 1
        next(lines)
    if separator is not None:
        return _with_separator(dialect, separator, f"{file}, line {line}", parameters)
    if parameters.delimiter is None:
        _refuse_other_delimiter(lines, file, dialect, parameters)
    return dialect


def _separator(lines: Lines) -> str | None:
    """The character in Excel's `sep=;`, if that is the next line."""
    found = _SEPARATOR.fullmatch("".join(lines.peek(1)))
    return found[1] if found else None


def _with_separator(dialect: Dialect, separator: str, place: str, parameters: FilesParameters) -> Dialect:
    if parameters.delimiter not in (None, separator):
        raise ConfigurationError(
            f"{place}: 'sep={separator}' names a different delimiter from "
            f"'delimiter: {_yaml(parameters.delimiter)}'; remove 'delimiter', or correct it"
        )
    return replace(dialect, delimiter=separator)


def _refuse_other_delimiter(lines: Lines, file: str, dialect: Dialect, parameters: FilesParameters) -> None:
    """Refuses lines of one column that would have the same number of columns with another delimiter."""
    if isinstance(parameters.header, tuple) and len(parameters.header) == 1:
        return
    ahead = lines.peek(_SAMPLE_LINES)
    sample = [line for line in ahead if line.strip() and not (parameters.comment and line[0] == parameters.comment)]
    if not sample or max(_columns(sample[:1], dialect)) > 1:
        return
    for other in _DELIMITERS:
        if other in (dialect.delimiter, dialect.quote, dialect.escape):
            continue
        columns = _columns(sample, replace(dialect, delimiter=other))
        if len(ahead) == _SAMPLE_LINES and len(columns) > 1:
            columns.pop()  # this row may go on
        if columns[0] > 1 and len(set(columns)) == 1:
            raise ConfigurationError(
                f"{file}, line {lines.number + 1}: with the delimiter {_yaml(dialect.delimiter)} this is one column, "
                f"with {_yaml(other)} the first lines have {columns[0]} columns each; set 'delimiter: {_yaml(other)}', "
                f"or 'delimiter: {_yaml(dialect.delimiter)}' if it is one column"
            )


def _columns(sample: list[str], dialect: Dialect) -> list[int]:
    """The number of columns of each row; 0 for rows that are malformed in any case."""
    rows = csv.reader(
        sample,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape,
    )
    try:
        return [len(row) for row in rows]
    except csv.Error:
        return [0]


def _yaml(character: str | None) -> str:
    return json.dumps(character, ensure_ascii=False)

"""JSON Lines: https://jsonlines.org; empty lines are skipped."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.contract.batches import is_full
from app.connectors.sources.files.bad_rows import BadRowError, BadRows
from app.connectors.sources.files.columns import Batch
from app.connectors.sources.files.lines import Lines
from app.connectors.values import jsontext
from app.connectors.values.repeats import may_repeat_names, repeated_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.files.columns import Columns
    from app.connectors.sources.files.options import FilesParameters
    from app.connectors.sources.files.unpacking import Part

_HALF_A_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_NON_FINITE: Final = re.compile(r"-?(nan|inf(inity)?)\b", re.IGNORECASE)
_AT_BYTE: Final = re.compile(r" \(byte (\d+)\)$")


def read_jsonl(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The objects of `part`.

    Raises:
        ConfigurationError: a line is not a JSON object, or a value not of its column's kind; names file, line, column.
    """
    with part.stream() as stream:
        lines = Lines(stream, name=part.name, encoding=parameters.encoding)
        bad = BadRows(part.name, parameters)
        good = 0
        for piece in _pieces(lines, bad):
            batch = _fitting(piece, lines, columns, bad, file=part.name)
            good += len(batch.records)
            yield batch
        bad.check_end(good)


@dataclass(slots=True)
class _Piece:
    """Some objects with the numbers and the texts of their lines; `size` is about how many bytes they take."""

    records: list[dict[str, Any]]
    numbers: list[int]
    texts: list[str]
    size: int

    def remove(self, wrong: dict[int, BadRowError], bad: BadRows) -> None:
        """Puts the objects with these indices aside, or raises what is wrong with them."""
        if not wrong:
            return
        for index, error in wrong.items():
            bad.add(error, line=self.numbers[index], row=self.texts[index])
        good = [index for index in range(len(self.records)) if index not in wrong]
        self.records = [self.records[index] for index in good]
        self.numbers = [self.numbers[index] for index in good]
        self.texts = [self.texts[index] for index in good]


def _pieces(lines: Lines, bad: BadRows) -> Iterator[_Piece]:
    """All objects; the last piece may have none, if there are bad rows that go with it."""
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    texts: list[str] = []
    begun = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            records.append(_record(line, lines))
        except BadRowError as error:
            bad.add(error, line=lines.number, row=line)
            continue
        numbers.append(lines.number)
        texts.append(line)
        if is_full(len(records), lines.size - begun):
            yield _Piece(records, numbers, texts, lines.size - begun)
            records, numbers, texts, begun = [], [], [], lines.size
    if records or bad.waiting:
        yield _Piece(records, numbers, texts, lines.size - begun)


def _fitting(piece: _Piece, lines: Lines, columns: Columns, bad: BadRows, *, file: str) -> Batch:
    """The objects of `piece` that fit the columns."""
    piece.remove(_repeated_names(piece, lines), bad)
    if columns.key and not bad.refused:
        piece.remove(_missing_keys(piece, columns, file), bad)
    while misfits := columns.learn(Batch(piece.records, piece.numbers, piece.size), file=file):
        piece.remove(misfits, bad)
    return Batch(piece.records, piece.numbers, piece.size, bad.drain())


def _repeated_names(piece: _Piece, lines: Lines) -> dict[int, BadRowError]:
    """Looks at a piece as a whole, and at each line only if something is missing there."""
    wrong: dict[int, BadRowError] = {}
    if not may_repeat_names("".join(piece.texts), piece.records):
        return wrong
    for index, (text, number) in enumerate(zip(piece.texts, piece.numbers, strict=True)):
        if (name := repeated_name(text)) is not None:
            written = json.dumps(name, ensure_ascii=False)
            column = text.find(written, text.find(written) + 1) + 1
            problem = f"the name {jsontext.preview(name)} occurs twice in one object; keep one of its values"
            wrong[index] = lines.bad_row(problem, line=number, column=max(column, 1))
    return wrong


def _missing_keys(piece: _Piece, columns: Columns, file: str) -> dict[int, BadRowError]:
    found = (
        columns.missing_key(record, file=file, line=line)
        for record, line in zip(piece.records, piece.numbers, strict=True)
    )
    return {index: error for index, error in enumerate(found) if error is not None}


def _record(line: str, lines: Lines) -> dict[str, Any]:
    try:
        record = jsontext.decode(line)
    except msgspec.DecodeError as error:
        text = str(error)
        found = _AT_BYTE.search(text)
        column = len(line.encode()[: int(found[1])].decode(errors="ignore")) if found else len(line.rstrip("\r\n"))
        problem = _AT_BYTE.sub("", text)
        # The decoder's place may be within the word.
        if number := _NON_FINITE.search(line, max(0, column - len("-inf")), column + len("-infinity")):
            column, problem = number.start(), f"JSON has no {number[0]}; write null"
        elif "trailing characters" in text:
            problem = "the line goes on after its object; write each object in a line of its own"
        elif "truncated" in text:
            problem = "the line ends within the object, as if the file had been cut off"
        if "truncated" in text and (half := _HALF_A_PAIR.search(line)):
            column, problem = half.start(), f"{half[0]} is half of a surrogate pair, which is not valid text"
        raise lines.bad_row(f"not valid JSON: {problem}", line=lines.number, column=column + 1) from None
    if not isinstance(record, dict):
        column = 1 + len(line) - len(line.lstrip())
        problem = f"{_name_of(record)}, not a JSON object"
        if isinstance(record, list):
            problem += "; write each of its objects in a line of its own, without brackets and commas around it"
        raise lines.bad_row(problem, line=lines.number, column=column)
    return record


def _name_of(value: Any) -> str:
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return "a string"
    return "null" if value is None else "a Boolean" if isinstance(value, bool) else "a number"

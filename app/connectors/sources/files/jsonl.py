"""JSON Lines: https://jsonlines.org; empty lines are skipped."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.connectors.contract.batches import is_full
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
_AT_BYTE: Final = re.compile(r" \(byte (\d+)\)$")


def read_jsonl(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The objects of `part`.

    Raises:
        ConfigurationError: a line is not a JSON object, or a value not of its column's kind; names file, line, column.
    """
    with part.stream() as stream:
        lines = Lines(stream, name=part.name, encoding=parameters.encoding)
        for batch in _batches(lines):
            columns.learn(batch, file=part.name)
            yield batch


def _batches(lines: Lines) -> Iterator[Batch]:
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    texts: list[str] = []
    begun = 0
    for line in lines:
        if not line.strip():
            continue
        records.append(_record(line, lines))
        numbers.append(lines.number)
        texts.append(line)
        if is_full(len(records), lines.size - begun):
            _refuse_repeated_names(texts, records, numbers, lines)
            yield Batch(records, numbers, lines.size - begun)
            records, numbers, texts, begun = [], [], [], lines.size
    if records:
        _refuse_repeated_names(texts, records, numbers, lines)
        yield Batch(records, numbers, lines.size - begun)


def _refuse_repeated_names(texts: list[str], records: list[Any], numbers: list[int], lines: Lines) -> None:
    """Looks at a batch as a whole, and at each line only if something is missing there."""
    if not may_repeat_names("".join(texts), records):
        return
    for text, number in zip(texts, numbers, strict=True):
        if (name := repeated_name(text)) is not None:
            written = json.dumps(name, ensure_ascii=False)
            column = text.find(written, text.find(written) + 1) + 1
            problem = f"the name {jsontext.preview(name)} stands twice in one object; keep one of its values"
            raise lines.flaw(problem, line=number, column=max(column, 1))


def _record(line: str, lines: Lines) -> dict[str, Any]:
    try:
        record = jsontext.decode(line)
    except msgspec.DecodeError as error:
        text = str(error)
        found = _AT_BYTE.search(text)
        column = len(line.encode()[: int(found[1])].decode(errors="ignore")) if found else len(line.rstrip("\r\n"))
        problem = _AT_BYTE.sub("", text)
        if "truncated" in text and (half := _HALF_A_PAIR.search(line)):
            column, problem = half.start(), f"{half[0]} is half of a surrogate pair, which is not valid text"
        raise lines.flaw(f"not valid JSON: {problem}", line=lines.number, column=column + 1) from None
    if not isinstance(record, dict):
        column = 1 + len(line) - len(line.lstrip())
        raise lines.flaw("not a JSON object", line=lines.number, column=column)
    return record

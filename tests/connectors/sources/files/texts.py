"""Texts of files as their readers see them, for tests without files."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.sources.files.columns import Batch, Columns
from app.connectors.sources.files.delimited import read_csv
from app.connectors.sources.files.jsonl import read_jsonl
from app.connectors.sources.files.notations import Notation
from app.connectors.sources.files.options import FilesParameters
from app.connectors.sources.files.unpacking import Part
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


def part(content: bytes, name: str = "a.csv") -> Part:
    @contextmanager
    def stream() -> Iterator[Any]:
        yield io.BytesIO(content)

    return Part(name, "csv", stream=stream, on_disk=lambda: pytest.fail("it is text"))


def columns_of(parameters: FilesParameters, *, key: tuple[str, ...] = ()) -> Columns:
    return Columns(
        parameters.types,
        key=key,
        known={},
        digits={},
        notation=Notation.of(parameters),
        closely=parameters.bad_rows != "refuse",
    )


def rows_of(content: bytes, *, name: str = "a.csv", **options: Any) -> list[dict[str, Any]]:
    parameters = FilesParameters.model_validate({"path": name} | options)
    columns = columns_of(parameters)
    return [record for batch in read_csv(part(content, name), parameters, columns) for record in batch.records]


def values_of(content: bytes, **options: Any) -> list[list[Any]]:
    return [list(record.values()) for record in rows_of(content, **options)]


def refusal_of(content: bytes, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        rows_of(content, **options)
    return str(refused.value)


def objects_of(content: bytes, **options: Any) -> list[Batch]:
    parameters = FilesParameters.model_validate({"path": "a.jsonl"} | options)
    return list(read_jsonl(part(content, "a.jsonl"), parameters, columns_of(parameters)))

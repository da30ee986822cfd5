"""The key `selected_streams`: some of a program's streams, and how they are read, in Jitsu Classic's words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from app.connectors.options.types import Options
from app.domain.keys import Several
from app.domain.text_or import TextOr


def _parse_name(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, dict | SelectedStream):
        raise PydanticCustomError("name_or_mapping", "must be a name or a mapping")
    return value


def _drop_empty(value: Any) -> Any:
    return None if value == "" else value


SyncMode = Literal["full_refresh", "incremental"]


class SelectedStream(Options):
    """One of the streams of the collection `all`, and how it is read, in Jitsu Classic's words."""

    name: str = Field(min_length=1)
    namespace: str | None = None
    sync_mode: Annotated[
        SyncMode | None, BeforeValidator(_drop_empty, json_schema_input_type=SyncMode | Literal[""] | None)
    ] = None
    cursor_field: Annotated[tuple[str, ...], Several] = ()


SelectedStreams = tuple[Annotated[SelectedStream, TextOr(_parse_name)], ...]

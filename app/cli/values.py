"""What options and arguments hold: each type reads its text and says what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from app.domain.api_token import id_in, name_problem
from app.domain.duration import parse_duration
from app.domain.errors import ConfigurationError
from app.domain.timestamp import read_day_or_time

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from click import Context, Parameter
    from click.shell_completion import CompletionItem

    from app.domain.feed import Place

_LOG_LINE: Final = re.compile(r"([0-9]{1,4}):([0-9]{1,9})")
_SEAL: Final = re.compile(r"[0-9a-fA-F]{64}")


class _DurationType(click.ParamType["dt.timedelta"]):
    name = "duration"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> dt.timedelta:
        try:
            duration = parse_duration(value)
        except ConfigurationError as error:
            self.fail(str(error), param, ctx)
        if not duration:
            self.fail("must be greater than zero", param, ctx)
        return duration


class _TimeType(click.ParamType["dt.datetime"]):
    name = "time"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> dt.datetime:
        try:
            return read_day_or_time(value)
        except (ValueError, OverflowError):
            expected = "use a day such as 2024-01-31, or a time such as 2024-01-31T12:00:00Z"
            self.fail(f"{value!r} is not a time; {expected}", param, ctx)


class _PathType(click.ParamType[Path]):
    """Whether it can be read is said where it is read."""

    name = "path"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Path:
        if not str(value):
            self.fail("must not be empty", param, ctx)
        return Path(value)


class _PoolsType(click.ParamType["tuple[str, ...]"]):
    name = "names"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> tuple[str, ...]:
        from app.domain.keys import parse_pools

        try:
            return parse_pools(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _PatternsType(click.ParamType["tuple[str, ...]"]):
    name = "patterns"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> tuple[str, ...]:
        patterns = tuple(filter(None, (each.strip() for each in str(value).split(","))))
        return patterns or self.fail("must not be empty", param, ctx)


class _NameType(click.ParamType[str]):
    name = "name"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("is not valid UTF-8", param, ctx)
        return str(value)


class _SourceType(_NameType):
    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 -- click's
        from app.cli.completing import complete_source

        return complete_source(ctx, incomplete)


class _CollectionType(_NameType):
    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 -- click's
        from app.cli.completing import complete_collection

        return complete_collection(ctx, ctx.params.get("source"), incomplete)


class _TaskType(_NameType):
    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        from app.cli.completing import complete_collection, complete_source

        given = ctx.params.get(str(param.name))
        return complete_collection(ctx, given[0], incomplete) if given else complete_source(ctx, incomplete)


class _TaskUuidType(click.ParamType["UUID"]):
    name = "uuid"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> UUID:
        from app.domain.task import uuid_in

        try:
            return uuid_in(value)
        except ValueError:
            self.fail(f"{value!r} is not the id of a task, nor the UUID at its end", param, ctx)


class _PlaceType(click.ParamType["Place"]):
    name = "id"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> Place:
        from app.domain.feed import read_place

        try:
            return read_place(value)
        except ValueError:
            self.fail(f"{value!r} is neither the id of an event nor a position", param, ctx)


class _EventTypesType(click.ParamType["frozenset[str]"]):
    name = "types"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> frozenset[str]:
        from app.domain.feed import read_types

        try:
            return read_types(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _TokenNameType(click.ParamType[str]):
    name = "text"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        if problem := name_problem(value):
            self.fail(problem, param, ctx)
        return str(value)


class _TokenIdType(click.ParamType[str]):
    name = "id"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        if (id_ := id_in(value)) is None:
            # The value is not shown: it may be a secret that was pasted by mistake.
            self.fail("expected 16 hexadecimal digits, as 'syncline token list' shows them", param, ctx)
        return id_


class _ArchiveType(click.ParamType[str]):
    name = "address"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        from app.connectors.options.addresses import WRITABLE, normalize_address

        try:
            return normalize_address(value, WRITABLE)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _LogLineType(click.ParamType["tuple[int, int]"]):
    name = "line"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> tuple[int, int]:
        if not (found := _LOG_LINE.fullmatch(value)):
            self.fail(f"{value!r} is not ATTEMPT:LINE, such as 1:17", param, ctx)
        return int(found[1]), int(found[2])


class _SealType(click.ParamType[bytes]):
    name = "hex"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> bytes:
        if not _SEAL.fullmatch(value):
            self.fail("expected 64 hexadecimal digits, as 'syncline events verify' prints them", param, ctx)
        return bytes.fromhex(value)


DURATION: Final = _DurationType()
"""A duration such as `90m`, greater than zero."""

TIME: Final = _TimeType()
"""A time in RFC 3339, or a day, which begins at midnight UTC."""

PATH: Final = _PathType()
"""The path of a file or directory."""

POOLS: Final = _PoolsType()
"""The names of pools, with commas between them."""

PATTERNS: Final = _PatternsType()
"""Names with wildcards, with commas between them."""

NAME: Final = _NameType()
"""A name in a catalogue."""

SOURCE: Final = _SourceType()
"""The name of a source, which shells complete."""

COLLECTION: Final = _CollectionType()
"""The name of a collection of the source in the parameter `source`."""

TASK: Final = _TaskType()
"""The id of a task, or a source, and then a collection."""

TASK_UUID: Final = _TaskUuidType()
"""The id of a task, or its UUID alone."""

PLACE: Final = _PlaceType()
"""The id of an event in the feed, or a position."""

EVENT_TYPES: Final = _EventTypesType()
"""Types of events, with commas between them."""

TOKEN_NAME: Final = _TokenNameType()
"""A name that can stand in the list of tokens."""

TOKEN_ID: Final = _TokenIdType()
"""The id of a token, also as part of the token itself."""

ARCHIVE: Final = _ArchiveType()
"""The directory of an archive, or its address in an object store."""

LOG_LINE: Final = _LogLineType()
"""The attempt and the number of a line of a log."""

SEAL: Final = _SealType()
"""A seal, as its hexadecimal digits."""

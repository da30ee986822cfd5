"""The options of the source `files`: where files are, how they are compressed, and how text becomes values."""

from __future__ import annotations

import codecs
import json
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from app.connectors.contract.kind import SourceKind
from app.connectors.contract.schema import Kind, parse_type
from app.connectors.options.addresses import READABLE, normalize_address, protocol_of
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options
from app.connectors.sources.files.time_formats import TimeFormat
from app.domain.keys import Several
from app.domain.numbers import Whole  # noqa: TC001 - pydantic reads the annotations
from app.domain.ports import HIGHEST_PORT
from app.domain.writing import Empty  # noqa: TC001 - pydantic reads the annotations

_CSV_ONLY: Final = ("dialect", "header", "skip_lines", "comment", "delimiter", "quote", "escape", "nulls")
_NOTATION: Final = ("decimal", "thousands", "date_format", "timestamp_format")
_TEXT_ONLY: Final = ("encoding", "empty", "bad_rows", "max_bad_rows", *_NOTATION, *_CSV_ONLY)

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["none", "gzip", "zip"]
DialectName = Literal["postgres_csv", "postgres_text", "mysql"]
_TEXT_DIALECTS: Final = ("postgres_text", "mysql")
Order = Literal["name", "modified"]
_TYPES: Final = tuple(kind.value for kind in Kind if kind not in (Kind.BIG_INTEGER, Kind.BYTES))


def _check_type(name: str) -> str:
    """A type's name, or `decimal(18,2)`."""
    if name not in _TYPES and not name.startswith("decimal("):
        raise ValueError(f"unknown type {name!r}; choose one of {', '.join(_TYPES)}, decimal(18,2)")
    try:
        parse_type(name)
    except ValueError:
        raise ValueError(f"{name!r}: write decimal(18,2) for 18 digits, 2 of them after the point") from None
    return name


TypeName = Annotated[str, AfterValidator(_check_type)]


def _one_character(value: str | None) -> str | None:
    if value is not None and (len(value) != 1 or value in "\r\n\0"):
        raise ValueError("must be a single character, but not a line end")
    return value


def _show(*characters: str | None) -> str:
    return " or ".join("none" if each is None else json.dumps(each, ensure_ascii=False) for each in characters)


def _check_url(address: str) -> None:
    """Raises ValueError, without quoting `address`, which may hold a secret."""
    try:
        url = urlsplit(address)
        wrong = not url.hostname or url.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise ValueError(f"a URL has no host, or no port from 1 to {HIGHEST_PORT}; write https://host:port/path")


class FilesOptions(Options):
    """What all collections of a source have in common: `storage_options` are passed to fsspec's file system."""

    storage_options: dict[str, Any] = Field(default_factory=dict, repr=False)


class FilesParameters(Options):
    """The files of one collection. None: from the file's name, or from `dialect`; `empty` None: the collection's."""

    path: Annotated[tuple[str, ...], Several, Field(min_length=1, repr=False)]
    order: Order = "name"
    format: Format | None = None
    compression: Compression | None = None
    members: str = Field(default="*", min_length=1)
    encoding: str = "utf-8"
    empty: Empty | None = None
    dialect: DialectName | None = None
    header: bool | Annotated[tuple[str, ...], Field(min_length=1)] = True
    skip_lines: Whole = Field(default=0, ge=0)
    comment: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    nulls: tuple[str, ...] | None = None
    types: dict[str, TypeName] = Field(default_factory=dict)
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    date_format: str | None = None
    timestamp_format: str | None = None
    bad_rows: Literal["refuse", "skip", "keep"] = "refuse"
    max_bad_rows: int | None = Field(default=None, ge=0)
    add_columns: tuple[Literal["_file", "_line"], ...] = ()

    @field_validator("path")
    @classmethod
    def _parse_addresses(cls, path: tuple[str, ...]) -> tuple[str, ...]:
        check_installed("type 'files'", "files", "fsspec")
        checked = tuple(normalize_address(address, READABLE) for address in path)
        for address in checked:
            if protocol_of(address) in ("http", "https"):
                _check_url(address)
        return checked

    @field_validator("delimiter", "comment")
    @classmethod
    def _check_character(cls, value: str | None) -> str | None:
        return _one_character(value)

    @field_validator("quote", "escape")
    @classmethod
    def _check_character_or_none(cls, value: str | None) -> str | None:
        return value if value == "none" else _one_character(value)

    @field_validator("encoding")
    @classmethod
    def _parse_encoding(cls, encoding: str) -> str:
        try:
            name = codecs.lookup(encoding).name
            "".encode(encoding)
        except (LookupError, ValueError):
            raise ValueError(
                f"unknown text encoding {encoding!r}; use a name that Python knows, such as utf-8"
            ) from None
        # A byte order mark is skipped for every encoding.
        return name.removesuffix("-sig")

    @field_validator("date_format", "timestamp_format")
    @classmethod
    def _check_time_format(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            TimeFormat(value, clock=info.field_name == "timestamp_format")
        return value

    @field_validator("header")
    @classmethod
    def _check_header(cls, header: bool | tuple[str, ...]) -> bool | tuple[str, ...]:  # noqa: FBT001 -- an option
        if isinstance(header, tuple) and len(set(header)) < len(header):
            raise ValueError("names a column twice")
        return header

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        needless = {"csv": (), "jsonl": _CSV_ONLY, "parquet": _TEXT_ONLY, None: ()}[self.format]
        if present := sorted(self.model_fields_set & set(needless)):
            raise ValueError(f"{', '.join(map(repr, present))} cannot be used with format {self.format!r}")
        if self.dialect is not None and "header" not in self.model_fields_set:
            raise ValueError(
                f"'dialect: {self.dialect}' needs 'header', as most exports of a database have no header: "
                "set it to the list of column names, or to true if the first line has them"
            )
        return self

    @model_validator(mode="after")
    def _check_characters(self) -> Self:
        quote, escape = self.quote_character, self.escape_character
        delimiters = (self.usual_delimiter,) if self.usual_delimiter else (",", "\t")
        shown = f"'quote' ({_show(quote)}) and 'escape' ({_show(escape)})"
        if {quote, escape} & set(delimiters):
            raise ValueError(f"'delimiter' ({_show(*delimiters)}) must differ from {shown}")
        if self.comment is not None and self.comment in (*delimiters, quote, escape):
            raise ValueError(f"'comment' must differ from 'delimiter' ({_show(*delimiters)}), {shown}")
        if self.max_bad_rows is not None and self.bad_rows == "refuse":
            raise ValueError("'max_bad_rows' needs 'bad_rows: skip' or 'bad_rows: keep'")
        if self.decimal == self.thousands:
            raise ValueError("'thousands' must differ from 'decimal'")
        return self

    @property
    def quote_character(self) -> str | None:
        return _character(self.quote, default=None if self.dialect in _TEXT_DIALECTS else '"')

    @property
    def escape_character(self) -> str | None:
        return _character(self.escape, default="\\" if self.dialect in _TEXT_DIALECTS else None)

    @property
    def usual_delimiter(self) -> str | None:
        """None: the file's name decides."""
        return self.delimiter or ("\t" if self.dialect in _TEXT_DIALECTS else None)


def _character(given: str | None, *, default: str | None) -> str | None:
    return None if given == "none" else given or default


KINDS: Final[dict[str, SourceKind]] = {
    "files": SourceKind(
        FilesOptions,
        FilesParameters,
        "app.connectors.sources.files.source:FilesSource",
        offers="by collection",
        heavy=("fsspec",),
        instead_of_intervals="files are read when they are new or have changed",
        bookmark_problem="app.connectors.sources.files.signatures:bookmark_problem",
        tries="read the files",
    ),
}

"""Dialects of CSV: which characters divide fields, and which text means NULL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.connectors.sources.files.formats import plain_suffix

if TYPE_CHECKING:
    from app.connectors.sources.files.options import DialectName, FilesParameters


@dataclass(frozen=True, slots=True)
class Dialect:
    """`name`: the database whose export it is, None for any other program.

    `nulls` are fields exactly as written, before unquoting and unescaping. `blank_rows`: an empty line is a row with
    one empty field, as in exports of a single column.
    """

    name: DialectName | None
    delimiter: str
    quote: str | None
    escape: str | None
    nulls: frozenset[str]
    blank_rows: bool


def dialect_of(file: str, parameters: FilesParameters) -> Dialect:
    """What the options say, then what the dialect that they name says, then what the file's name says."""
    quote, escape = parameters.quote_character, parameters.escape_character
    nulls = _nulls(parameters.dialect, escape) if parameters.nulls is None else parameters.nulls
    return Dialect(
        parameters.dialect,
        delimiter=parameters.usual_delimiter or ("\t" if plain_suffix(file) == ".tsv" else ","),
        quote=quote,
        # Doubled quotes need no escape.
        escape=None if escape == quote else escape,
        nulls=frozenset(nulls),
        blank_rows=parameters.dialect is not None,
    )


def _nulls(dialect: DialectName | None, escape: str | None) -> tuple[str, ...]:
    match dialect:
        case "postgres_csv":
            return ("",)
        case "postgres_text":
            return (r"\N",)
        case "mysql":
            return (f"{escape}N",) if escape else ("NULL",)
        case None:
            return ()

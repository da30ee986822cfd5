"""The table of column types that each destination's page shows, made from what its code does.

`python -m tests.connectors.destinations.type_tables` writes them into the pages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.connectors.contract.schema import Digits, Kind, Table, type_name
from app.connectors.destinations.dlt import columns as dlt
from app.connectors.destinations.duckdb.columns import TYPES as DUCKDB
from app.connectors.destinations.parquet import types as parquet
from app.connectors.destinations.postgres.columns import TYPES as POSTGRES
from app.connectors.destinations.singer import messages as singer
from app.connectors.values import casting, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.values.casting import Holds

PAGES: Final = Path(__file__).parents[3] / "docs" / "destinations"
_BEGIN: Final = "| Kind of column | Type | Values |\n| --- | --- | --- |\n"
_SINGER_BEGIN: Final = "| Kind of column | JSON Schema |\n| --- | --- |\n"
_TEN: Final = Digits(10, 2)
_EXAMPLES: Final = {Kind.DECIMAL: (_TEN, None)}


def table_of(page: str) -> str:
    """The table as Markdown."""
    return _begin(page) + "".join(_row(page, kind, digits) for kind, digits in columns())


def columns() -> list[tuple[Kind, Digits | None]]:
    """What each table has a row for."""
    return [(kind, digits) for kind in Kind for digits in _EXAMPLES.get(kind, (None,))]


def _begin(page: str) -> str:
    return _SINGER_BEGIN if page == "singer" else _BEGIN


def _row(page: str, kind: Kind, digits: Digits | None) -> str:
    name = type_name(kind, digits)
    if page == "singer":
        return f"| `{name}` | `{_singer(kind, digits)}` |\n"
    type_, holds = _TYPES[page](kind, digits)
    return f"| `{name}` | `{type_}` | {_describe(kind, holds)} |\n"


def _singer(kind: Kind, digits: Digits | None) -> str:
    """The schema without the type `null`, which every column allows."""
    message = json.loads(singer.schema_line(Table("t", {"c": kind}, digits={"c": digits} if digits else {})))
    schema = message["schema"]["properties"]["c"]
    if "type" in schema:
        schema["type"] = " ".join(set(schema["type"]) - {"null"})
    return json.dumps(schema)


def _postgres(kind: Kind, digits: Digits | None) -> tuple[str, Holds]:
    column = POSTGRES.column("c", _PG_NAMES.get(type_ := POSTGRES.new_type(kind, digits), type_))
    return type_, column.holds


# As PostgreSQL itself writes them.
_PG_NAMES: Final = {
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}


def _duckdb(kind: Kind, digits: Digits | None) -> tuple[str, Holds]:
    type_ = DUCKDB.new_type(kind, digits)
    return type_, DUCKDB.column("c", type_).holds


def _parquet(kind: Kind, digits: Digits | None) -> tuple[str, Holds]:
    name = parquet.type_name(kind, digits)
    return str(parquet.arrow_type(name)), parquet.column("c", name).holds


def _dlt(kind: Kind, digits: Digits | None) -> tuple[str, Holds]:
    from dlt.destinations import duckdb as destination  # noqa: PLC0415 -- dlt takes seconds

    capabilities = destination().capabilities()
    described = dlt.new_type(kind, digits, capabilities)
    column = dlt.column("c", described, kind, capabilities)
    return column.type + ("" if described.get("timezone", True) else " without a zone"), column.holds


_TYPES: Final[dict[str, Callable[[Kind, Digits | None], tuple[str, Holds]]]] = {
    "postgres": _postgres,
    "duckdb": _duckdb,
    "parquet": _parquet,
    "dlt": _dlt,
}


def _describe(kind: Kind, holds: Holds) -> str:  # noqa: C901, PLR0911 -- a sentence for each kind of values
    match holds:
        case casting.Integer(low, high):
            return f"{_bound(low)} to {_bound(high)}"
        case casting.Number(precision, scale, others):
            listed = f"; also {_list(others)}" if others else ""
            return f"exact, {precision - scale:,} digits before the point and {scale:,} after it{listed}"
        case casting.Floating(bits, non_finite):
            return f"binary floats of {bits} bits" + (
                "; also NaN and infinities" if non_finite else "; no NaN, no infinities"
            )
        case times.Timestamp(zone, _, infinite):
            return ("points in time" if zone else "without a zone") + ", years 1 to 9999" + _infinite(infinite)
        case times.Date(infinite):
            return "years 1 to 9999" + _infinite(infinite)
        case times.TimeOfDay(_, midnight):
            return "microseconds" + ("; also 24:00:00" if midnight else "; 24:00:00 is refused")
        case casting.Text(nul=nul) | casting.Json(nul=nul):
            return "any" if nul else "any without U+0000"
        case casting.Boolean():
            return "true and false"
        case casting.Uuid():
            return "in lower case"
        case casting.Bytes() | casting.Binary():
            return "any"
        case casting.Verbatim() if kind is Kind.INTERVAL:
            return "as PostgreSQL and DuckDB write them: `1 mon -2 days 03:00:00`"
    raise ValueError(f"{holds!r} of {kind} needs a description")


def _infinite(infinite: bool) -> str:  # noqa: FBT001
    return "; also infinity and -infinity" if infinite else "; no infinity"


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _bound(number: int) -> str:
    power = abs(number).bit_length() if number > 0 else abs(number).bit_length() - 1
    if abs(number) in (2**power, 2**power - 1):
        return f"{'-' if number < 0 else ''}2^{power}{' - 1' if number > 0 else ''}"
    digits = len(str(abs(number)))
    return f"{'-' if number < 0 else ''}(10^{digits} - 1)"


def with_table(page: str, text: str) -> str:
    """`text`, the page, with its table as the code has it now."""
    before, _, rest = text.partition(_begin(page))
    after = rest[rest.index("\n\n") + 1 :] if "\n\n" in rest else "\n"
    return before + table_of(page) + after


def read(page: str) -> str:
    return (PAGES / f"{page}.md").read_text()


def _main() -> None:
    for page in (*_TYPES, "singer"):
        (PAGES / f"{page}.md").write_text(with_table(page, read(page)))


if __name__ == "__main__":
    _main()

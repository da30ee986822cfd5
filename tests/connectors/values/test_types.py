"""Values and names that are easy to get wrong: each arrives as it is in every destination, or is refused by name."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Digits, Kind, Table, parse_type
from app.connectors.kinds import DESTINATIONS
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import WriteMode
from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.destinations.type_tables import columns as described_columns
from tests.connectors.passing import Collection, Sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb, Postgres

KINDS = ("postgres", "duckdb", "parquet")
TEXT = 'tab\t\\N \\. "q" é🙂 \u2028'
MOST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
NESTED: Any = {"a": [1, {"b": None, "": {}}], "é": "🙂", "n": 0.1}
SPAN = timedelta(hours=26, minutes=15, seconds=0.5)
MOMENT = datetime(2024, 2, 29, 10, 0, 0, 123456, UTC)
# Kind or type with digits, what is sent, and what is found: one value for all, or one for each of KINDS.
GOLDEN: list[tuple[Kind | str, Any, Any]] = [
    (Kind.BOOLEAN, True, True),
    (Kind.INTEGER, 2**63 - 1, 2**63 - 1),
    (Kind.INTEGER, -(2**63), -(2**63)),
    (Kind.INTEGER, Decimal("5.0"), 5),
    (Kind.BIG_INTEGER, 10**38 - 1, 10**38 - 1),
    (Kind.BIG_INTEGER, -(10**38) + 1, -(10**38) + 1),
    (Kind.NUMBER, Decimal("0.1"), (Decimal("0.1"), 0.1, 0.1)),
    (Kind.NUMBER, Decimal("1E-20"), (Decimal("1E-20"), 1e-20, 1e-20)),
    (
        Kind.NUMBER,
        1.7976931348623157e308,
        (Decimal("1.7976931348623157E+308"), 1.7976931348623157e308, 1.7976931348623157e308),
    ),
    (Kind.NUMBER, 2**53, 2**53),
    (Kind.DECIMAL, Decimal("0.1"), Decimal("0.1")),
    (
        Kind.DECIMAL,
        Decimal("-99999999999999999999.999999999999999999"),
        Decimal("-99999999999999999999.999999999999999999"),
    ),
    (Kind.DECIMAL, 5, 5),
    ("decimal(10,2)", Decimal("99999999.99"), Decimal("99999999.99")),
    ("decimal(10,2)", Decimal("-99999999.99"), Decimal("-99999999.99")),
    ("decimal(10,2)", "0.01", Decimal("0.01")),
    (Kind.FLOAT, 0.1, 0.1),
    (Kind.FLOAT, 5e-324, 5e-324),
    (Kind.FLOAT, -1.7976931348623157e308, -1.7976931348623157e308),
    (Kind.FLOAT, "Infinity", math.inf),
    (Kind.FLOAT, -math.inf, -math.inf),
    (Kind.TEXT, TEXT, TEXT),
    (Kind.TEXT, "", ""),
    (Kind.TEXT, "NULL", "NULL"),
    (Kind.TIMESTAMP, "2024-02-29T12:00:00.123456+02:00", MOMENT),
    (Kind.TIMESTAMP, "2024-02-29T10:00:00.123456", MOMENT),
    (Kind.TIMESTAMP, "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    (Kind.TIMESTAMP, "9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    (Kind.LOCAL_TIMESTAMP, "2024-02-29T10:00:00.123456", datetime(2024, 2, 29, 10, 0, 0, 123456)),  # noqa: DTZ001 - without a zone
    (Kind.LOCAL_TIMESTAMP, "0001-01-01 00:00:00", datetime(1, 1, 1)),  # noqa: DTZ001 - likewise
    (Kind.LOCAL_TIMESTAMP, "9999-12-31T23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001
    (Kind.DATE, "0001-01-01", date(1, 1, 1)),
    (Kind.DATE, "9999-12-31", date(9999, 12, 31)),
    (Kind.TIME, "23:59:59.999999", time(23, 59, 59, 999999)),
    (Kind.INTERVAL, "26:15:00.5", (SPAN, SPAN, "26:15:00.5")),
    (Kind.INTERVAL, "-2 days", (timedelta(days=-2), timedelta(days=-2), "-2 days")),
    (Kind.UUID, "00000000-0000-0000-0000-000000000001", (UUID(int=1), UUID(int=1), str(UUID(int=1)))),
    (Kind.UUID, "{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}", (UUID(MOST), UUID(MOST), MOST)),
    (Kind.JSON, NESTED, NESTED),
    (Kind.JSON, "1", "1"),
    (Kind.JSON, [[]] * 3, [[]] * 3),
    (Kind.BYTES, b"\x00\xff\\x41", b"\x00\xff\\x41"),
    (Kind.BYTES, b"", b""),
    *((kind, None, None) for kind in Kind),
]
# Kind, what is sent, where it is refused, and why; the others keep it.
REFUSED: list[tuple[Kind, Any, tuple[str, ...], str]] = [
    (Kind.BOOLEAN, 1, KINDS, "not a Boolean"),
    (Kind.INTEGER, 2**63, KINDS, "out of range"),
    (Kind.INTEGER, 1.5, KINDS, "fraction"),
    (Kind.BIG_INTEGER, 2**127, ("duckdb", "parquet"), "out of range"),
    (Kind.BIG_INTEGER, 10**38, ("parquet",), "out of range"),
    (Kind.NUMBER, Decimal("0.12345678901234567890"), ("duckdb", "parquet"), "more digits"),
    (Kind.DECIMAL, Decimal("NaN"), ("duckdb", "parquet"), "not a number"),
    (Kind.DECIMAL, Decimal("0.1234567890123456789"), ("duckdb", "parquet"), "too many digits after the decimal point"),
    (Kind.DECIMAL, 10**20, ("duckdb", "parquet"), "out of range"),
    (Kind.FLOAT, Decimal("0.12345678901234567890"), KINDS, "more digits"),
    (Kind.FLOAT, "nan", KINDS, "not a number"),
    (Kind.JSON, math.nan, KINDS, "JSON has no NaN"),
    (Kind.LOCAL_TIMESTAMP, "2024-02-29T12:00:00+02:00", KINDS, "offset"),
    (Kind.LOCAL_TIMESTAMP, "infinity", ("parquet",), "ISO 8601"),
    (Kind.TIMESTAMP, "infinity", ("parquet",), "ISO 8601"),
    (Kind.DATE, "-infinity", ("parquet",), "ISO 8601"),
    (Kind.TIME, "24:00:00", ("parquet",), "ISO 8601"),
    (Kind.TIME, "24:00:01", KINDS, "ISO 8601"),
    (Kind.UUID, "1", KINDS, "not a UUID"),
    (Kind.INTERVAL, "soon", ("postgres", "duckdb"), "soon"),
    (Kind.INTERVAL, "infinity", ("duckdb",), "intervals are finite there"),
    (Kind.BYTES, "\\x41", KINDS, "it is text, not bytes"),
    (Kind.BYTES, "a\\b", KINDS, "it is text, not bytes"),
    (Kind.BYTES, "", KINDS, "it is text, not bytes"),
    (Kind.TEXT, "a\0b", ("postgres",), "U+0000"),
    (Kind.TEXT, "\ud800", KINDS, "surrogate"),
    (Kind.TEXT, b"a", KINDS, "bytes, not text"),
    (Kind.JSON, {"a": "\0"}, ("postgres",), "U+0000"),
    (Kind.JSON, {"a": "\ud800"}, KINDS, "surrogate"),
    (Kind.TIMESTAMP, "2024-02-29T12:00:00.1234567Z", KINDS, "more precise"),
    (Kind.TIMESTAMP, "10000-01-01T00:00:00Z", KINDS, "ISO 8601"),
    (Kind.DATE, "2024-02-29T12:00:00Z", KINDS, "time of day"),
    (Kind.TIME, "12:00+02:00", KINDS, "offset"),
]


@pytest.fixture
def targets(postgres: Postgres, duckdb: Duckdb, tmp_path: Path) -> dict[str, Any]:
    return {"postgres": postgres, "duckdb": duckdb, "parquet": Lake(tmp_path / "lake")}


def collection(target: Any, tmp_path: Path, mode: WriteMode = WriteMode.APPEND) -> Collection:
    options = target.options if isinstance(target, Lake) else target.options()
    return Collection(options, tmp_path / "work", mode=mode)


def sent(
    columns: dict[str, Kind], *records: dict[str, Any], table: str = "t", digits: dict[str, Digits] | None = None
) -> Sent:
    return Sent(Table(table, columns, full_refresh=True, digits=digits or {}), Rows(table, list(records), 1))


def selected(target: Any, columns: str, *, table: str = "t") -> list[tuple[Any, ...]]:
    if isinstance(target, Lake):
        return target.select(columns, table=table)
    found: list[tuple[Any, ...]] = target.execute(f'SELECT {columns} FROM loaded."{table}" ORDER BY 1')
    return found


def parsed(type_: Kind | str) -> tuple[Kind, Digits | None]:
    return parse_type(type_) if isinstance(type_, str) else (type_, None)


@pytest.mark.parametrize(("kind", "digits"), described_columns())
def test_every_row_of_the_type_tables_has_values_that_are_read_back(kind: Kind, digits: Digits | None) -> None:
    assert [value for type_, value, _ in GOLDEN if parsed(type_) == (kind, digits) and value is not None]


@pytest.mark.parametrize("kind", KINDS)
def test_values_at_the_bounds_of_their_types_arrive_as_they_are(
    targets: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    described = {f"c{number}": parsed(type_) for number, (type_, _, _) in enumerate(GOLDEN)}
    columns = {name: each for name, (each, _) in described.items()}
    sizes = {name: digits for name, (_, digits) in described.items() if digits}
    record = {f"c{number}": value for number, (_, value, _) in enumerate(GOLDEN)}
    target = targets[kind]
    collection(target, tmp_path).load(sent(columns, record, digits=sizes))
    names = ", ".join(columns)
    rows = selected(target, names)
    for (each, value, expected), found in zip(GOLDEN, rows[0], strict=True):
        wanted = expected[KINDS.index(kind)] if isinstance(expected, tuple) else expected
        read = json.loads(found) if each is Kind.JSON and isinstance(found, str) and kind != "postgres" else found
        assert read == wanted, (each, value)
        assert type(read) is type(wanted) or not isinstance(wanted, str | bytes), (each, value)


# Kind, what is sent, and how PostgreSQL and DuckDB write what they hold.
ODD: list[tuple[Kind, Any, str, str]] = [
    (Kind.FLOAT, math.nan, "NaN", "nan"),
    (Kind.TIMESTAMP, "infinity", "infinity", "infinity"),
    (Kind.TIMESTAMP, "-infinity", "-infinity", "-infinity"),
    (Kind.LOCAL_TIMESTAMP, "infinity", "infinity", "infinity"),
    (Kind.DATE, "infinity", "infinity", "infinity"),
    (Kind.DATE, "-infinity", "-infinity", "-infinity"),
    (Kind.TIME, "24:00:00", "24:00:00", "24:00:00"),
    (Kind.INTERVAL, "1 mon", "1 mon", "1 month"),
    (Kind.INTERVAL, "30 days", "30 days", "30 days"),
    (
        Kind.INTERVAL,
        "1 year 2 mons -3 days +26:00:00.5",
        "1 year 2 mons -3 days +26:00:00.5",
        "1 year 2 months -3 days 26:00:00.5",
    ),
    (Kind.INTERVAL, "-01:30:00", "-01:30:00", "-01:30:00"),
    (Kind.INTERVAL, "-1 years +1 day", "-1 years +1 day", "-1 year 1 day"),
    (
        Kind.INTERVAL,
        "-1 years -2 mons +3 days -04:05:06.7",
        "-1 years -2 mons +3 days -04:05:06.7",
        "-1 year -2 months 3 days -04:05:06.7",
    ),
]


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT, WriteMode.HISTORY])
def test_values_that_python_does_not_have_are_kept_and_equal_themselves(
    targets: dict[str, Any], kind: str, mode: WriteMode, tmp_path: Path
) -> None:
    target = targets[kind]
    columns = {f"c{number}": each for number, (each, *_) in enumerate(ODD)}
    record = {f"c{number}": value for number, (_, value, *_) in enumerate(ODD)}
    # Ordinary values in the same batch, which are not all of one form any more.
    other = {
        name: {Kind.FLOAT: 1.5, Kind.TIME: "01:02:03", Kind.INTERVAL: "2 days"}.get(each, "2024-01-01")
        for name, each in columns.items()
    }
    table = Table("t", {"id": Kind.INTEGER} | columns, ("id",), full_refresh=True)
    collection_ = collection(target, tmp_path, mode)
    first = collection_.load(Sent(table, Rows("t", [{"id": 1} | record, {"id": 2} | other], 1)))
    assert first == 2
    again = collection_.load(Sent(table, Rows("t", [{"id": 1} | record, {"id": 2} | other], 1)))
    assert again == (2 if mode is WriteMode.APPEND else 0)
    texts = ", ".join(f"CAST({name} AS TEXT)" for name in columns)
    written = [each[2 if kind == "postgres" else 3] for each in ODD]
    assert list(target.execute(f"SELECT {texts} FROM loaded.t WHERE id = 1")[0]) == written


@pytest.mark.parametrize("kind", ["postgres", "duckdb"])
def test_a_month_is_not_thirty_days(targets: dict[str, Any], kind: str, tmp_path: Path) -> None:
    target = collection(targets[kind], tmp_path, WriteMode.UPSERT)
    table = Table("t", {"id": Kind.INTEGER, "span": Kind.INTERVAL}, ("id",))
    assert target.load(Sent(table, Rows("t", [{"id": 1, "span": "1 mon"}], 1), Checkpoint("1"))) == 1
    assert target.load(Sent(table, Rows("t", [{"id": 1, "span": "30 days"}], 1), Checkpoint("2"))) == 1
    assert selected(targets[kind], "CAST(span AS TEXT)") == [("30 days",)]


SAME_JSON = [
    ('{"b": 1, "a": {"y": [1.0, 2], "x": null}}', '{"a": {"x": null, "y": [1, 2.00]}, "b": 1.0}'),
    ("1.10", "1.1"),
    ("[100, 0.5, 0]", "[1e2, 5e-1, -0.0]"),
    ('"1.0"', '"1.0"'),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT, WriteMode.HISTORY])
@pytest.mark.parametrize("texts", SAME_JSON)
def test_json_that_means_the_same_is_the_same_row(
    targets: dict[str, Any], kind: str, mode: WriteMode, texts: tuple[str, str], tmp_path: Path
) -> None:
    if mode not in DESTINATIONS[kind].write_modes:
        pytest.skip("the destination has no such write mode")
    target = collection(targets[kind], tmp_path, mode)
    table = Table("t", {"id": Kind.INTEGER, "doc": Kind.JSON}, ("id",), cursor_field="id")
    for number, text in enumerate(texts):
        rows = Rows("t", [{"id": 1, "doc": jsontext.decode(text)}], 1)
        assert target.load(Sent(table, rows, Checkpoint(str(number)))) == (1 if number == 0 else 0)
    other = Rows("t", [{"id": 1, "doc": ["1.1"]}], 1)
    assert target.load(Sent(table, other, Checkpoint("2"))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_would_change_are_refused_with_table_and_column(
    targets: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    target = collection(targets[kind], tmp_path)
    for number, (each, value, refusing, why) in enumerate(REFUSED):
        source = sent({"c": each}, {"c": value}, table=f"t{number}")
        if kind in refusing:
            with pytest.raises(SynclineError, match=re.escape(why)) as refused:
                target.load(source)
            assert f"'t{number}'" in str(refused.value), (each, value)
        else:
            target.load(source)
            text = jsontext.encode(value) if each is Kind.JSON else str(value)
            assert selected(targets[kind], "CAST(c AS VARCHAR)", table=f"t{number}") == [(text,)], (each, value)


NAMES = [
    "id",
    "select",
    "order",
    "User",
    'a"b',
    "a.b",
    "a b",
    " ",
    "é🙂",
    "ü" * 31,
    "x" * 63,
    "$1",
    "%s",
    "%%",
    "null",
    "'",
    ";--",
]


@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, mode) for kind in KINDS for mode in DESTINATIONS[kind].write_modes],
)
def test_names_that_mean_something_elsewhere_are_names_of_columns(
    targets: dict[str, Any], kind: str, mode: WriteMode, tmp_path: Path
) -> None:
    target = collection(targets[kind], tmp_path, mode)
    for values in ((1, 2), (2, 3)):
        whole = mode is WriteMode.REPLACE
        table = Table("é🙂 t", dict.fromkeys(NAMES, Kind.INTEGER), ("id", 'a"b'), "order", full_refresh=whole)
        records = [dict.fromkeys(NAMES, value) for value in values]
        target.load(Sent(table, Rows("é🙂 t", records, 1), Checkpoint(str(max(values)))))
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    expected = (2, 3) if mode is WriteMode.REPLACE else (1, 2, 3)
    assert selected(targets[kind], names, table="é🙂 t") == [(value,) * len(NAMES) for value in expected]


@pytest.mark.parametrize("kind", KINDS)
def test_fields_that_would_be_one_column_are_refused_by_name(
    targets: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    target = collection(targets[kind], tmp_path)
    alike = {"postgres": [("x" * 63 + "1", "x" * 63 + "2"), ("ü" * 32 + "a", "ü" * 32 + "b")]}
    for first, second in alike.get(kind, [("Id", "iD"), ("Straße", "STRAßE")]):
        with pytest.raises(
            ConfigurationError, match=f"the fields '{first}' and '{second}' would both become the column"
        ):
            target.load(sent(dict.fromkeys([first, second], Kind.INTEGER), {first: 1, second: 2}))
    for none in ("", "a\0b"):
        with pytest.raises(ConfigurationError, match="cannot be a column name"):
            target.load(sent({none: Kind.INTEGER}, {none: 1}))
    with pytest.raises(ConfigurationError, match="name of a column that Syncline writes itself"):
        target.load(sent({"_syncline_valid_to": Kind.TEXT}, {"_syncline_valid_to": "x"}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_had_to_be_changed_finds_its_column_again(
    targets: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    target = collection(targets[kind], tmp_path)
    first, second = ("ü" * 40, "ü" * 40) if kind == "postgres" else ("Id", "ID")
    for name in (first, second):
        target.load(sent({name: Kind.INTEGER}, {name: 1}))
    column = "ü" * 31 if kind == "postgres" else "id"
    assert selected(targets[kind], f'"{column}"') == [(1,), (1,)]


def test_tables_whose_names_do_not_fit_or_are_one_are_refused(targets: dict[str, Any], tmp_path: Path) -> None:
    postgres, duckdb = (collection(targets[kind], tmp_path) for kind in ("postgres", "duckdb"))
    postgres.load(sent({"id": Kind.INTEGER}, {"id": 1}, table="ü" * 31))
    with pytest.raises(ConfigurationError, match="must have 1 to 63 bytes"):
        postgres.load(sent({"id": Kind.INTEGER}, {"id": 1}, table="ü" * 32))
    both = [Table(name, {"id": Kind.INTEGER}) for name in ("Made", "made")]
    postgres.load(Sent(*both))
    with pytest.raises(ConfigurationError, match="the tables 'Made' and 'made' would be one table in this destination"):
        duckdb.load(Sent(*both))

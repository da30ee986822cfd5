"""Every type of Parquet that other programs write is read as what it is, or refused by name."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from app.connectors.contract.schema import type_name
from app.connectors.sources.files.columns import Columns
from app.connectors.sources.files.parquet import read_parquet
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class OnDisk:
    """A part that is a file already."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        yield self._path


def read(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The types of the columns, and the records."""
    columns = Columns({}, key=(), known={}, digits={})
    records = [record for batch in read_parquet(OnDisk(path), columns) for record in batch.records]  # type: ignore[arg-type]
    return {name: type_name(kind, columns.digits.get(name)) for name, kind in columns.kinds.items()}, records


def written(path: Path, column: Any, **options: Any) -> Path:
    parquet.write_table(pa.table({"v": column}), path, **options)
    return path


@pytest.mark.parametrize(
    ("column", "type_", "values"),
    [
        (pa.array([Decimal("1.10"), None], pa.decimal128(18, 2)), "decimal(18,2)", [Decimal("1.10"), None]),
        (pa.array([Decimal("0.5")], pa.decimal256(50, 3)), "decimal(50,3)", [Decimal("0.500")]),
        (pa.array([0.1, float("inf")], pa.float32()), "float", [0.1, float("inf")]),
        (pa.array([0.1, -0.0], pa.float64()), "float", [0.1, -0.0]),
        (pa.array([0.5], pa.float16()), "float", [0.5]),
        (pa.array([UUID(int=1)], pa.uuid()), "uuid", [str(UUID(int=1))]),
        (pa.array(['{"a": 1.10}'], pa.json_()), "json", [{"a": Decimal("1.10")}]),
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), "boolean", [True, False]),
        (pa.array(["x"], pa.string_view()), "text", ["x"]),
        (pa.array([b"x"], pa.binary_view()), "bytes", [b"x"]),
        (pa.array([timedelta(hours=26, microseconds=5)], pa.duration("us")), "interval", ["26:00:00.000005"]),
        (pa.array([86_400_000_000, 0], pa.time64("us")), "time", ["24:00:00", "00:00:00"]),
        (pa.array([1], pa.timestamp("us")), "local timestamp", ["1970-01-01T00:00:00.000001"]),
        (pa.array([1], pa.timestamp("us", "UTC")), "timestamp", ["1970-01-01T00:00:00.000001+00:00"]),
        (pa.array([{"a": 0.1}], pa.struct([("a", pa.float32())])), "json", [{"a": 0.1}]),
        (pa.array([[0.1, None]], pa.list_(pa.float32())), "json", [[0.1, None]]),
        (pa.array([[("k", 0.1)]], pa.map_(pa.string(), pa.float32())), "json", [[["k", 0.1]]]),
    ],
)
def test_values_are_what_was_written(tmp_path: Path, column: Any, type_: str, values: list[Any]) -> None:
    types, records = read(written(tmp_path / "a.parquet", column))
    assert types == {"v": type_}
    assert repr([record["v"] for record in records]) == repr(values)


def test_files_of_duckdb_have_its_uuids_json_and_intervals(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            COPY (
                SELECT '00000000-0000-0000-0000-000000000001'::UUID AS u, '{{"a": [1]}}'::JSON AS j,
                       INTERVAL '14 months 3 days 4.5 seconds' AS i, INTERVAL '0 days' AS none,
                       1.50::DECIMAL(10, 2) AS d
            ) TO '{tmp_path}/a.parquet'
            """
        )
    assert read(tmp_path / "a.parquet") == (
        {"u": "uuid", "j": "json", "i": "interval", "none": "interval", "d": "decimal(10,2)"},
        [{"u": str(UUID(int=1)), "j": {"a": [1]}, "i": "14 mon 3 days 00:00:04.500000", "none": "00:00:00",
          "d": Decimal("1.50")}],
    )  # fmt: skip


def test_int96_has_the_years_that_nanoseconds_do_not_reach(tmp_path: Path) -> None:
    texts = ["0001-01-01T00:00:00", "2024-02-29T01:02:03.000004", "9999-12-31T00:00:00"]
    column = pa.array([*map(datetime.fromisoformat, texts), None], pa.timestamp("us"))
    _, records = read(written(tmp_path / "a.parquet", column, use_deprecated_int96_timestamps=True))
    assert [record["v"] for record in records] == [*texts, None]


def test_int96_that_is_finer_than_microseconds_is_refused(tmp_path: Path) -> None:
    column = pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))
    file = written(tmp_path / "a.parquet", column, use_deprecated_int96_timestamps=True)
    with pytest.raises(
        ConfigurationError, match=r"\.parquet, column 'v': a time is more precise than microseconds; write"
    ):
        read(file)

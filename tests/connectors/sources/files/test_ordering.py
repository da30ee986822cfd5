"""The order in which files are read: with a key, the row of the last one stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.sources.files.ordering import by_name, modified_of
from tests.connectors.sources.files.filing import Filing, serving, zip_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse

SECOND = 1_000_000_000


@pytest.fixture
def shelf(tmp_path: Path) -> Filing:
    return Filing(tmp_path)


def names(shelf: Filing, **parameters: Any) -> list[str]:
    return [record["name"] for record in shelf.read(**parameters)[0]]


def write(shelf: Filing, name: str, *, modified: int) -> None:
    path = shelf.write(name, f"name\n{name}\n")
    os.utime(path, ns=(modified, modified))


@pytest.mark.parametrize(
    "ordered",
    [
        ["export_9.csv", "export_10.csv", "export_100.csv"],
        ["2024-9-30", "2024-10-1", "2024-10-02"],
        ["a", "a1", "a1b", "a2", "b"],
        ["v1.2.3", "v1.2.10", "v1.10.0"],
        ["01", "1", "02", "2", "10"],
        ["part-9/10.csv", "part-10/9.csv"],
        ["٣", "٢"][::-1],
    ],
)
def test_numbers_in_names_are_compared_as_numbers(ordered: list[str]) -> None:
    for mixed in (ordered[::-1], sorted(ordered), sorted(ordered, reverse=True)):
        assert sorted(mixed, key=by_name) == ordered


def test_files_and_members_are_read_in_the_order_of_the_numbers_in_their_names(shelf: Filing) -> None:
    for number in (10, 9, 100):
        write(shelf, f"export_{number}.csv", modified=number)
    shelf.write("z.zip", zip_of(**{f"m{number}_csv": f"name\nm{number}\n" for number in (10, 9)}))
    assert names(shelf) == ["export_9.csv", "export_10.csv", "export_100.csv", "m9", "m10"]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize(("order", "kept"), [("name", "ten"), ("modified", "nine")])
def test_with_a_key_the_file_that_is_read_last_counts(
    tmp_path: Path, warehouse: Warehouse, order: str, kept: str
) -> None:
    filing = Filing(tmp_path, {"warehouse": warehouse.options()}, collection={"primary_key": ["id"]})
    for name, text, modified in (("export_9.csv", "nine", 20), ("export_10.csv", "ten", 10)):
        path = filing.write(name, f"id,text\n1,{text}\n")
        os.utime(path, (modified, modified))
    filing.run(order=order)
    assert warehouse.execute("SELECT text FROM loaded.made") == [(kept,)]


def test_files_are_read_in_the_order_of_their_times_over_all_addresses(shelf: Filing) -> None:
    for name, modified in (("a.csv", 3), ("b.csv", 2), ("c2.csv", 1), ("c1.csv", 1)):
        write(shelf, name, modified=modified)
    path = [f"{shelf.inbox}/[ab].csv", f"{shelf.inbox}/c*.csv"]
    assert names(shelf, path=path) == ["a.csv", "b.csv", "c1.csv", "c2.csv"]
    assert names(shelf, path=path, order="modified") == ["c1.csv", "c2.csv", "b.csv", "a.csv"]


def test_over_http_the_time_is_that_of_the_server_and_its_absence_an_error(shelf: Filing) -> None:
    write(shelf, "a.csv", modified=2_000 * SECOND)
    write(shelf, "b.csv", modified=1_000 * SECOND)
    with serving(shelf.inbox) as server:
        path = [f"{server.url}/a.csv", f"{server.url}/b.csv"]
        assert names(shelf, path=path) == ["a.csv", "b.csv"]
        assert names(shelf, path=path, order="modified") == ["b.csv", "a.csv"]
        server.validators = "etag"
        said = str(shelf.failure(path=path, order="modified"))
    assert f"'order: modified' does not work for {server.url}/a.csv, because its storage does not say when" in said
    assert "use 'order: name', and list the files in 'path'" in said


@pytest.mark.parametrize(
    ("described", "seconds"),
    [
        ({"LastModified": datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)}, 5),
        ({"Last-Modified": "Thu, 01 Jan 1970 00:00:05 GMT"}, 5),
        ({"updated": "1970-01-01T00:00:05.250Z"}, 5.25),
        ({"mtime": 5.5}, 5.5),
        ({"mtime": 5.5, "mtime_ns": 5_000_000_000}, 5),
        ({"Last-Modified": "yesterday"}, None),
        ({"ETag": "x", "size": 1}, None),
    ],
)
def test_every_file_system_tells_the_time_in_its_way(described: dict[str, Any], seconds: float | None) -> None:
    assert modified_of(described) == (None if seconds is None else seconds * SECOND)

"""Fields that the source has since it was last asked what it offers: their columns are of the kind that it tells."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.connectors.attempts import Postgres, Told, Trial

if TYPE_CHECKING:
    from pathlib import Path

# A tap and a connector in one. What it offers and has is in a file beside it, which is no part of its configuration.
PROGRAM = """
import json, pathlib, sys
home = pathlib.Path(__file__).parent
has = json.loads((home / "has.json").read_text())
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2])) | dict(zip(sys.argv[1::2], sys.argv[2::2]))
airbyte = not sys.argv[1].startswith("-")
def say(**message):
    print(json.dumps(message), flush=True)
schema = {"properties": has["properties"]}
if sys.argv[1] == "spec":
    say(type="SPEC", spec={"connectionSpecification": {}})
elif "discover" in sys.argv or "--discover" in sys.argv:
    with (home / "asked").open("a") as asked:
        asked.write("x")
    if has.get("silent"):
        sys.exit("OSError: the API is down")
    if airbyte:
        say(type="CATALOG", catalog={"streams": [{"name": "made", "json_schema": schema}]})
    else:
        say(streams=[{"tap_stream_id": "made", "stream": "made", "key_properties": [], "schema": schema}])
else:
    known = json.load(open(arguments["--catalog"]))["streams"][0]
    for number, fields in enumerate(has["records"]):
        if airbyte:
            say(type="RECORD", record={"stream": "made", "emitted_at": 1, "data": fields})
            continue
        if number % 2 == 0:
            # Most taps say what the catalog has that they were given.
            say(type="SCHEMA", stream="made", key_properties=[], schema=known["schema"])
        say(type="RECORD", stream="made", record=fields)
"""
FIELDS: dict[str, Any] = {
    "id": {"type": "integer"},
    "at": {"type": "string", "format": "date-time"},
    "count": {"type": "integer"},
    "price": {"type": ["null", "number"]},
    "paid": {"type": "number", "multipleOf": 0.01, "minimum": -9999.99, "maximum": 9999.99},
}
TYPES = {
    "id": "bigint",
    "at": "timestamp with time zone",
    "count": "bigint",
    "price": "numeric",
    "note": "jsonb",
    "more": "jsonb",
}


@dataclass
class Origin:
    directory: Path
    trial: Trial

    def has(self, *records: dict[str, Any], offers: str, **more: Any) -> None:
        properties = {name: FIELDS[name] for name in offers.split()}
        text = json.dumps({"records": records, "properties": properties} | more)
        (self.directory / "has.json").write_text(text)

    def run(self, **changes: Any) -> Told:
        return self.trial.run(**changes)

    @property
    def asked(self) -> int:
        """How often it was asked what it offers."""
        return len((self.directory / "asked").read_text())


@pytest.fixture(params=["singer", "airbyte"])
def origin(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Origin:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py")]
    collection = {"name": "made", "type": "made", "table_name": "made", "sync_mode": "full_refresh"}
    warehouse = {"warehouse": postgres.options()}
    return Origin(tmp_path, Trial(tmp_path, warehouse, request.param, {"command": command}, collection))


def types(postgres: Postgres) -> dict[str, str]:
    found = postgres.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'loaded' AND table_name = 'made' AND column_name NOT LIKE '\\_%' ORDER BY 1"
    )
    return dict(found)


def test_a_field_that_is_new_gets_the_kind_that_the_source_tells_now(origin: Origin, postgres: Postgres) -> None:
    origin.has({"id": 1}, offers="id")
    assert origin.run().finished
    assert (types(postgres), origin.asked) == ({"id": "bigint"}, 1)
    origin.has(
        {"id": 1, "at": None},
        {"id": 2, "at": "2026-01-02T03:04:05Z", "count": 7},
        {"id": 3, "price": 1.25},
        {"id": 4, "at": "2026-01-02T03:04:06Z"},
        offers="id at count price",
    )
    assert origin.run().finished
    new = ("id", "at", "count", "price")
    assert types(postgres) == {name: TYPES[name] for name in new}
    assert postgres.execute(
        "SELECT id, extract(second FROM at)::int, count, price::float FROM loaded.made ORDER BY 1"
    ) == [
        (1, None, None, None),
        (2, 5, 7, None),
        (3, None, None, 1.25),
        (4, 6, None, None),
    ]
    assert origin.asked == 2
    assert origin.run().finished
    assert origin.asked == 2, "what it said then is remembered"


def test_a_field_that_the_source_never_tells_of_is_asked_for_once(origin: Origin, postgres: Postgres) -> None:
    origin.has({"id": 1}, offers="id")
    origin.run()
    for fields, asked in (({"note": {"a": 1}}, 2), ({"note": "b"}, 2), ({"note": 3, "more": []}, 3)):
        origin.has({"id": 1} | fields, offers="id")
        assert origin.run().finished
        assert origin.asked == asked
    assert types(postgres) == {name: TYPES[name] for name in ("id", "note", "more")}


def test_a_source_that_cannot_be_asked_leaves_no_column_of_a_guessed_kind(origin: Origin, postgres: Postgres) -> None:
    origin.has({"id": 1}, offers="id")
    origin.run()
    origin.has({"id": 1, "count": 7}, offers="id count", silent=True)
    told = origin.run()
    assert "field 'count' is new" in told.failed.error
    assert "the API is down" in told.failed.error
    assert told.failed.retryable
    assert types(postgres) == {"id": "bigint"}
    origin.has({"id": 1, "count": 7}, offers="id count")
    assert origin.run(again=1).finished
    assert types(postgres) == {name: TYPES[name] for name in ("id", "count")}


def test_a_decimal_that_is_new_gets_the_digits_that_the_source_tells_now(origin: Origin, postgres: Postgres) -> None:
    origin.has({"id": 1}, offers="id")
    origin.run()
    origin.has({"id": 2, "paid": 19.99}, {"id": 3, "paid": 5}, offers="id paid")
    assert origin.run().finished
    sizes = "SELECT numeric_precision, numeric_scale FROM information_schema.columns WHERE column_name = 'paid'"
    assert postgres.execute(sizes) == [(6, 2)]

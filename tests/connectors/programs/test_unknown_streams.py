"""Records of streams that no catalog has: mostly those that are wanted, under another name."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.programs.unknown_streams import UnknownStreams
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError
from tests.connectors.attempts import Postgres, Told, Trial, record, schema, state
from tests.connectors.sources.airbyte.connecting import Connection, stream, stream_state
from tests.connectors.sources.airbyte.connecting import record as airbyte_record

if TYPE_CHECKING:
    from pathlib import Path

KEY = {"source_defined_primary_key": [["id"]]}


class Tap:
    """A tap whose catalog has the streams `made` and `other`, and which writes what it is told."""

    def __init__(self, directory: Path, postgres: Postgres) -> None:
        self._postgres = postgres
        self._said = directory / "said"
        tap = directory / "tap.py"
        tap.write_text(
            "import json, sys\n"
            "if '--discover' in sys.argv:\n"
            "    print(json.dumps({'streams': [{'tap_stream_id': f'public-{name}', 'stream': name,\n"
            "        'key_properties': ['id'], 'schema': {}} for name in ('made', 'other')]}))\n"
            "else:\n"
            f"    print(open({str(self._said)!r}).read())\n"
        )
        command = [sys.executable, str(tap)]
        self.trial = Trial(directory, {"warehouse": postgres.options()}, "singer", {"command": command, "config": {}})
        self.trial.commit_records = 1

    def load(self, *messages: dict[str, Any], again: int = 0) -> Told:
        self._said.write_text("\n".join(map(json.dumps, messages)))
        return self.trial.run(again=again)

    def rows_of(self, table: str, column: str) -> list[Any]:
        found = self._postgres.execute(f"SELECT {column} FROM loaded.{table} ORDER BY {column}::text")
        return [value for (value,) in found]


@pytest.fixture
def tap(tmp_path: Path, postgres: Postgres) -> Tap:
    return Tap(tmp_path, postgres)


def named(name: str, message: dict[str, Any]) -> dict[str, Any]:
    return message | {"stream": name}


def of(name: str, *numbers: int) -> list[dict[str, Any]]:
    return [named(name, schema(["id"], id="integer")), *(named(name, record(id=number)) for number in numbers)]


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
@pytest.mark.parametrize(
    ("name", "difference"),
    [
        ("Made", "'Made' and 'public-made' differ only in the namespace and case. Set"),
        ("PUBLIC-made", "'PUBLIC-made' and 'public-made' differ only in case. Set"),
        ("shop.made", "'shop.made' and 'public-made' differ only in the namespace. Set"),
        ("people", "would be lost. Set 'catalog' to one with the stream names that the tap uses"),
    ],
)
def test_a_tap_that_calls_its_stream_otherwise_fails_and_nothing_is_emptied_or_moves(
    tap: Tap, mode: str, name: str, difference: str
) -> None:
    tap.trial.collection["sync_mode"] = mode
    assert tap.load(*of("made", 1, 2), state({"at": 2})).finished
    wrong = [*of(name, 3), state({"at": 3}), *of(name, 4), state({"at": 4})]
    first = tap.load(*wrong)
    assert f"the tap sent records of '{name}', which its catalog does not have, and none of 'public-made'" in str(
        first.failed.error
    )
    assert difference in first.failed.error
    assert first.failed.retryable, "the catalog was that of an earlier attempt"
    again = tap.load(*wrong, again=1)
    assert (again.failed.error, again.failed.retryable) == (first.failed.error, False)
    assert (first.committed, again.committed, tap.rows_of("made", "id")) == ([], [], [1, 2])


def test_streams_that_the_catalog_has_or_that_come_beside_a_wanted_one_are_left_out(tap: Tap) -> None:
    told = tap.load(*of("other", 1), *of("public-other", 1), state({"at": 1}))
    assert told.finished.rows_written == 0, "nobody wants it"
    assert [line.level for line in told.messages if isinstance(line, LogLine) and "skipping" in line.message] == [
        "info",
        "info",
    ]
    told = tap.load(*of("people", 1), state({"at": 1}), *of("made", 2), state({"at": 2}))
    assert told.finished.rows_written == 1
    assert {str(committed.bookmark) for committed in told.committed} == {"{'at': 2}"}
    assert ("warn", "skipping stream 'people': it is not in the catalog") in [
        (line.level, line.message) for line in told.messages if isinstance(line, LogLine)
    ]


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
def test_children_beside_the_schema_of_a_wanted_stream_that_has_no_new_rows_are_left_out(tap: Tap, mode: str) -> None:
    tap.trial.collection |= {"sync_mode": mode, "empty": "allow"}
    assert tap.load(*of("made", 1), state({"at": 1})).finished
    told = tap.load(*of("made"), *of("made_lines", 1), state({"at": 2}))
    assert (told.finished.rows_written, tap.rows_of("made", "id")) == (0, [] if mode == "full_refresh" else [1])
    assert tap.rows_of("_syncline_bookmarks", "bookmark") == [None if mode == "full_refresh" else {"at": 2}]


def test_what_is_like_a_wanted_stream_is_not_left_out_whatever_its_schema_says(tap: Tap) -> None:
    told = tap.load(*of("made"), *of("lines", 1), *of("Made", 1), state({"at": 1}))
    assert "sent records of 'Made', which its catalog does not have, and none of 'public-made'" in told.failed.error
    assert told.committed == []


def test_a_stream_that_select_leaves_out_is_no_stranger_unless_it_is_like_one_that_is_wanted(tap: Tap) -> None:
    tap.trial.collection |= {"name": "all", "type": "all", "parameters": {"select": ["made", "other"]}}
    assert tap.load(*of("people", 1), state({"at": 1})).finished
    told = tap.load(*of("Other", 1), *of("made", 2), state({"at": 2}), *of("made", 3), state({"at": 3}))
    assert "'Other' and 'public-other' differ only in" in told.failed.error
    assert (told.committed, tap.rows_of("_syncline_bookmarks", "bookmark")) == ([], [{"at": 1}])


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
@pytest.mark.parametrize(
    ("called", "difference"),
    [
        (("Made", "public"), "'public.Made' and 'public.made' differ only in case"),
        (("made", "PUBLIC"), "'PUBLIC.made' and 'public.made' differ only in case"),
        (("made", "shop"), "'shop.made' and 'public.made' differ only in the namespace"),
        (("people", "public"), "sent records of 'public.people'"),
        (("Made", None), "'Made' and 'public.made' differ only in the namespace and case"),
    ],
)
def test_a_connector_that_calls_its_stream_otherwise_fails_and_nothing_is_emptied_or_moves(
    tmp_path: Path, postgres: Postgres, mode: str, called: tuple[str, str | None], difference: str
) -> None:
    name, namespace = called
    connection = Connection(tmp_path, {"warehouse": postgres.options()})
    connection.collection["sync_mode"] = mode
    connection.config["catalog"] = {"streams": [stream(namespace="public", **KEY)]}
    right = airbyte_record(namespace="public", id=1, at=1)
    assert connection.run(lines=[right, stream_state("made", {"at": 1})]).finished
    wrong = airbyte_record(name, namespace=namespace, id=2, at=2)
    told = connection.run(lines=[wrong, stream_state("made", {"at": 2}), wrong])
    assert "which its catalog does not have, and none of 'public.made', which the coll" in told.failed.error
    assert difference in told.failed.error
    assert (told.failed.retryable, told.committed) == (False, [])
    assert postgres.execute("SELECT id FROM loaded.made") == [(1,)]


def test_no_bookmark_stands_for_rows_that_may_have_been_left_out(tmp_path: Path) -> None:
    connection = Connection(tmp_path)
    connection.config["catalog"] = {"streams": [stream(**KEY)]}
    stranger, wanted = airbyte_record("Made", id=1, at=1), airbyte_record(id=2, at=2)
    said = connection.read(stranger, stream_state("made", {"at": 1}), wanted, stream_state("made", {"at": 2}), stranger)
    assert [level for level, _ in said.log] == ["warn"]
    assert len(said.checkpoints) == 2, "that after the wanted row, and the end"


def test_records_without_a_namespace_that_several_streams_could_have_are_refused(tmp_path: Path) -> None:
    connection = Connection(tmp_path)
    connection.collection |= {"name": "all", "type": "all"}
    connection.config["catalog"] = {"streams": [stream(namespace="a"), stream(namespace="b")]}
    complete = [airbyte_record(namespace=each, id=1, at=1) for each in "ab"]
    failure = connection.failure(*complete, airbyte_record(id=1, at=1))
    assert "records of stream 'made' without a namespace, which may belong to any of 'a.made', 'b.made'" in str(failure)


def test_many_strangers_are_one_short_error() -> None:
    strangers = UnknownStreams((f"wanted {number}" for number in range(9)), program="the tap")
    for number in range(9):
        strangers.note_unknown(f"stranger {number}")
    with pytest.raises(ConfigurationError, match=r"'stranger 4' and 4 more, which .* 'wanted 4' and 4 more, which"):
        strangers.refuse(may_be_outdated=False)

"""Files of which readers see all or nothing, wherever an attempt is killed."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import fsspec  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.parquet import destination as parquet
from app.connectors.destinations.parquet.manifest import escape
from app.connectors.destinations.parquet.storage import LocalStorage, ObjectStorage
from app.domain.attempt_protocol import LogLine
from app.domain.errors import ConfigurationError, LeaseLostError, OvertakenError, SynclineError
from app.domain.writing import SchemaPolicy, WriteMode
from tests.connectors.attempts import Scene
from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.passing import COLUMNS, Collection, Crash, Killer, Origin, Sent
from tests.connectors.warehouse.models import APPEND, PASSES, REPLACE, WAYS, checked_passes
from tests.deploy_files import ROOT
from tests.properties import examples

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = itertools.count()
POSSIBLE = [way for way in WAYS if way[0] in (APPEND, REPLACE)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    """Crashes before and after each file that appears, too."""
    killer = Killer(monkeypatch)
    for method in ("put", "create", "replace"):
        killer.watch(LocalStorage, method)
    return killer


@examples(20, share_fixtures=True)
@given(way=st.sampled_from(POSSIBLE), passes=PASSES, crashes=st.lists(st.integers(0, 16), min_size=5, max_size=5))
def test_whatever_passes_bring_and_wherever_they_crash_the_manifest_names_what_its_mode_says(
    killer: Killer, tmp_path: Path, way: tuple[WriteMode, bool, bool], passes: list[Any], crashes: list[int]
) -> None:
    lake = Lake(tmp_path / f"lake {next(NUMBERS)}")
    collection = Collection(lake.options, tmp_path / "work", mode=way[0])
    crashing = [(*each[:3], crash_at) for each, crash_at in zip(passes, crashes, strict=False)]
    for table in checked_passes(collection, killer, way, crashing):
        assert lake.rows() == table


@examples(10, share_fixtures=True)
@given(way=st.sampled_from(POSSIBLE), passes=PASSES)
def test_an_object_store_is_written_by_the_same_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[WriteMode, bool, bool], passes: list[Any]
) -> None:
    system, root = fsspec.filesystem("memory"), f"/bucket/{next(NUMBERS)}"
    with monkeypatch.context() as patched:
        storage = ObjectStorage(system, root, secrets=[])
        patched.setattr(parquet, "make_storage", lambda options: storage)  # noqa: ARG005 -- its signature
        collection = Collection({"type": "parquet", "path": "s3 in truth"}, tmp_path / "work", mode=way[0])
        for table in checked_passes(collection, Killer(patched), way, passes):
            manifest = json.loads(system.cat_file(f"{root}/_syncline/source/collection/latest.json"))
            files = [system.cat_file(f"{root}/{file['name']}") for file in manifest["tables"]["t"]["files"]]
            rows = [row for file in files for row in pq.read_table(pa.BufferReader(file)).to_pylist()]
            assert Counter((row["id"], row["at"], row["v"]) for row in rows) == table


@pytest.mark.parametrize("point", ["child.staged", "child.committed"])
def test_a_sigkill_at_a_commit_loses_nothing_and_doubles_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    scene = Scene(tmp_path, {"lake": lake.options})
    scene.config["key"] = []
    scene.run()
    with monkeypatch.context() as armed:
        armed.setenv("SYNCLINE_FAIL_POINTS", f"{point}=kill")
        killed = scene.start(rows=30)
        list(killed.messages())
        assert killed.close() == -signal.SIGKILL
    scene.run(rows=30, again=1)
    read = [pq.read_table(lake.path / file["name"]) for file in lake.manifest["tables"]["made"]["files"]]
    assert sorted(pa.concat_tables(read)["id"].to_pylist()) == list(range(30))


def test_files_that_no_manifest_names_go_when_the_next_attempt_begins(
    lake: Lake, tmp_path: Path, killer: Killer
) -> None:
    origin = Origin(keyed=False, full_refresh=True)
    collection = Collection(lake.options, tmp_path / "work")
    origin.change(1, "a", later=1)
    collection.load(origin)
    (kept,) = lake.files
    neighbour = lake.path / "t" / "of another collection.parquet"
    neighbour.touch()
    killer.after(7)
    with pytest.raises(Crash):
        collection.load(origin)
    assert len(lake.files) == 3
    assert [file["name"] for file in lake.manifest["tables"]["t"]["files"]] == [kept]
    killer.after(0)
    collection.load(origin, again=1)
    assert kept in lake.files, "readers may still read it"
    collection.load(origin)
    assert kept not in lake.files
    assert neighbour.exists()


def test_an_attempt_that_was_overtaken_commits_nothing_and_one_that_comes_late_is_refused(
    lake: Lake, tmp_path: Path
) -> None:
    origin = Origin(keyed=False, full_refresh=True)
    origin.change(1, "a", later=1)
    collection = Collection(lake.options, tmp_path / "work")
    zombie = collection.destination()
    zombie.open()
    zombie.begin(Table("t", COLUMNS, mode=REPLACE, full_refresh=True))
    zombie.write("t", [{"id": 9, "at": 9, "v": "late"}])
    collection.load(origin, again=2)
    with pytest.raises(LeaseLostError, match="a newer attempt is writing collection 'collection' of source 'source'"):
        zombie.commit(None, final=True)
    with pytest.raises(LeaseLostError):
        collection.load(origin, again=1)
    collection.tasks -= 1
    with pytest.raises(OvertakenError, match="task 0192f7c2-0000-7000-8000-000000000001"):
        collection.load(origin, again=3)
    assert lake.rows() == Counter([(1, 1, "a")])


@pytest.mark.parametrize("at", ["create", "starting_with", "replace"])
def test_an_attempt_that_is_overtaken_while_it_opens_takes_no_file_and_hides_no_manifest(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    origin = Origin(keyed=False, full_refresh=False)
    collection = Collection(lake.options, tmp_path / "work", mode=APPEND)
    origin.change(1, "a", later=1)
    collection.load(origin)
    origin.change(2, "b", later=1)
    slow = collection.destination()
    original = getattr(LocalStorage, at)

    def overtaken(*arguments: Any) -> Any:
        """`create` stands still after it, the others before: what is listed, or shown, then is not new any more."""
        monkeypatch.setattr(LocalStorage, at, original)
        done = original(*arguments) if at == "create" else None
        collection.load(origin)
        return done if at == "create" else original(*arguments)

    monkeypatch.setattr(LocalStorage, at, overtaken)
    with pytest.raises(LeaseLostError):
        slow.open()
    assert lake.rows() == Counter([(1, 1, "a"), (2, 2, "b")])
    assert lake.manifest["version"] == max(int(path.stem) for path in lake.path.glob("_syncline/*/*/0*.json"))


def test_what_a_killed_process_had_half_written_goes_with_the_next_attempt(lake: Lake, tmp_path: Path) -> None:
    origin = Origin(keyed=False, full_refresh=True)
    collection = Collection(lake.options, tmp_path / "work")
    collection.load(origin)
    (shown,) = lake.path.glob("_syncline/*/*/latest.json")
    old, new = shown.with_name("latest.json.1.part"), shown.with_name("latest.json.2.part")
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    os.utime(new, (2**32, 2**32))
    collection.load(origin)
    assert (old.exists(), new.exists()) == (False, True), "one that is newer may be written at this moment"


@pytest.mark.parametrize("kind", ["local", "objects"])
def test_a_file_can_be_created_once(tmp_path: Path, kind: str) -> None:
    system, root = fsspec.filesystem("memory"), f"/bucket/{next(NUMBERS)}"
    storage = LocalStorage(tmp_path) if kind == "local" else ObjectStorage(system, root, secrets=[])
    assert storage.create("a/1.json", b"first")
    assert not storage.create("a/1.json", b"second")
    assert storage.read("a/1.json") == b"first"
    storage.replace("a/1.json", b"third")
    assert storage.read("a/1.json") == b"third"
    assert storage.names("a") == ["1.json"]
    assert storage.names("b") == []


def test_a_store_that_creates_a_file_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("memory")
    write = type(system).pipe_file

    def unconditionally(self: Any, path: str, value: bytes, mode: str) -> None:  # noqa: ARG001 -- as it does
        write(self, path, value)

    monkeypatch.setattr(type(system), "pipe_file", unconditionally)
    storage = ObjectStorage(system, f"/bucket/{next(NUMBERS)}", secrets=[])
    with pytest.raises(ConfigurationError, match="use a store that supports them"):
        storage.create("a/1.json", b"first")


def test_an_option_that_is_only_looked_at_when_the_store_is_asked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise TypeError("Session() got an unexpected keyword argument 'endpoint' beside hunter2")

    system = fsspec.filesystem("memory")
    monkeypatch.setattr(type(system), "ls", refused)
    storage = ObjectStorage(system, "/bucket", secrets=["hunter2"])
    with pytest.raises(
        ConfigurationError, match=r"'storage_options' are not valid for MemoryFileSystem: .* 'endpoint' beside \*"
    ):
        storage.names("a")


def test_a_replaced_table_without_rows_can_be_read(lake: Lake, tmp_path: Path) -> None:
    origin = Origin(keyed=False, full_refresh=True)
    collection = Collection(lake.options, tmp_path / "work")
    origin.change(1, "a", later=1)
    collection.load(origin)
    origin.rows.clear()
    collection.load(origin)
    (file,) = lake.manifest["tables"]["t"]["files"]
    assert pq.read_table(lake.path / file["name"]).column_names[:3] == list(COLUMNS)


def test_replaced_files_stay_if_a_reading_suddenly_brings_nothing_or_far_less(lake: Lake, tmp_path: Path) -> None:
    collection = Collection(lake.options, tmp_path / "work", empty="refuse", max_shrink=50)
    table = Table("t", COLUMNS, full_refresh=True)

    def sent(rows: int) -> Sent:
        return Sent(table, Rows("t", [{"id": number} for number in range(rows)], 1), Checkpoint(str(rows)))

    collection.load(sent(2000))
    before = lake.manifest
    with pytest.raises(SynclineError, match="table 't' has 2,000 rows, but the source sent none: the table stays as"):
        collection.load(sent(0))
    with pytest.raises(SynclineError, match="table 't' has 2,000 rows, but the source sent only 999, and 'max_shrink'"):
        collection.load(sent(999))
    assert (lake.manifest["tables"], lake.manifest["bookmark"]) == (before["tables"], "2000")
    collection.load(sent(1000))
    assert lake.rows().total() == 1000
    collection.empty = "allow"
    collection.load(sent(0))
    collection.empty = "refuse"
    collection.load(sent(0))
    assert lake.rows().total() == 0


def test_files_that_somebody_has_removed_do_not_count(lake: Lake, tmp_path: Path) -> None:
    collection = Collection(lake.options, tmp_path / "work", empty="refuse")
    table = Table("t", {"id": Kind.INTEGER}, full_refresh=True)
    collection.load(Sent(table, Rows("t", [{"id": 1}], 1)))
    for name in lake.files:
        (lake.path / name).unlink()
    collection.load(Sent(table))
    assert collection.load(Sent(table, Rows("t", [{"id": 1}], 1))) == 1


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.HISTORY, None])
def test_rows_that_would_have_to_change_are_refused(lake: Lake, tmp_path: Path, mode: WriteMode | None) -> None:
    collection = Collection(lake.options, tmp_path / "work", mode=mode)
    with pytest.raises(ConfigurationError, match=r"destination 'd': table 't': write_mode '.*' changes single rows"):
        collection.load(Origin(keyed=True, full_refresh=False))


def test_columns_that_come_later_are_null_in_earlier_files(lake: Lake, tmp_path: Path) -> None:
    collection = Collection(lake.options, tmp_path / "work", mode=APPEND)
    collection.load(
        Sent(
            Table("t", {"id": Kind.INTEGER}),
            Rows("t", [{"id": 1}], 1),
            Table("t", {"id": Kind.INTEGER, "more": Kind.TEXT}),
            Rows("t", [{"id": 2, "more": "x"}, {"id": 3, "unannounced": [1]}], 1),
            Checkpoint("1"),
        )
    )
    table = lake.manifest["tables"]["t"]
    assert table["columns"] == {"id": "integer", "more": "text", "unannounced": "json"}
    rows = lake.select("id, more, unannounced", table="t")
    assert rows == [(1, None, None), (2, "x", None), (3, None, "[1]")]


@pytest.mark.parametrize(("policy", "columns"), [(SchemaPolicy.FREEZE, None), (SchemaPolicy.DISCARD, ["id"])])
def test_new_fields_are_refused_or_left_out_as_the_policy_says(
    lake: Lake, tmp_path: Path, policy: SchemaPolicy, columns: list[str] | None
) -> None:
    collection = Collection(lake.options, tmp_path / "work", mode=APPEND, policy=policy)
    collection.load(Sent(Table("t", {"id": Kind.INTEGER}), Rows("t", [{"id": 1}], 1), Checkpoint("1")))
    wider = Sent(Table("t", {"id": Kind.INTEGER, "new": Kind.TEXT}), Rows("t", [{"id": 2, "new": "x"}], 1))
    if columns is None:
        with pytest.raises(ConfigurationError, match="table 't' has no column for 'new'"):
            collection.load(wider)
    else:
        collection.load(wider)
        (line,) = [each for each in collection.told if isinstance(each, LogLine)]
        assert "'new'; left out" in line.message
    assert list(lake.manifest["tables"]["t"]["columns"]) == ["id"]


def test_names_become_directories_that_cannot_be_mistaken() -> None:
    names = ["orders", "a/b", "a%2Fb", "..", ".hidden", "_own", "a=b", "*", "é🙂 x", "ü" * 120, "ü" * 121, "nul\0"]
    made = [escape(name) for name in names]
    assert len(set(made)) == len(names)
    assert made[0] == "orders"
    assert made[8] == "é🙂 x"
    assert all(name[0] not in "._" and len(name.encode()) <= 200 and not set("/*=\0") & set(name) for name in made)


def test_the_page_shows_how_to_read_a_table(lake: Lake, tmp_path: Path) -> None:
    origin = Origin(keyed=False, full_refresh=False)
    origin.change(1, "a", later=1)
    Collection(lake.options, tmp_path / "work").load(origin)
    page = (ROOT / "docs" / "destinations" / "parquet.md").read_text()
    (shown,) = [
        block for block in re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "read_parquet" in block
    ]
    statements = shown.replace("/srv/lake", str(lake.path)).replace("shop/orders", "source/collection")
    with duckdb.connect() as connection:
        *first, last = filter(str.strip, statements.replace("shop_orders", "t").split(";"))
        for statement in first:
            connection.execute(statement)
        assert connection.execute(last).fetchall()[0][:3] == (1, 1, "a")

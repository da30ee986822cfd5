"""`syncline sources`, as people type it."""

from __future__ import annotations

import http.server
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
import yaml
from click.testing import CliRunner

from app.cli.main import cli
from tests.connectors.sources.sql.origins import Copying
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CATALOGUE = """
sources:
  shop:
    type: sql
    destinations: [nowhere]
    config: {{url: "sqlite:///{file}"}}
  load:
    type: synthetic
    destinations: [nowhere]
    collections: [made]
  broken:
    type: sql
    destinations: [nowhere]
    config: {{url: "postgresql://me:very-secret@127.0.0.1:1/none"}}
    collections: [one]
  cache:
    type: redis
    destinations: [nowhere]
    config: {{host: 127.0.0.1}}
    collections: [{{name: keys, parameters: {{redis_key: "*"}}}}]
destinations:
  nowhere: {{type: none}}
"""
TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, updated_at TIMESTAMP NOT NULL);
CREATE TABLE "yes/no" (body TEXT);
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(TABLES)
    path = tmp_path / "syncline.yaml"
    path.write_text(CATALOGUE.format(file=tmp_path / "shop.db"))
    return path


def syncline(config: Path, *arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SYNCLINE_DATA_DIR": str(config.parent / "data"), "SYNCLINE_CONFIG": str(config)}
    for name in ("DATABASE_URL", "DATABASE_DIRECT_URL"):
        environment.pop(name, None)
    environment |= {"DATABASE_URL": url} if url else {}
    command = [sys.executable, "-m", "app.cli", "sources", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@contextmanager
def answering_json(pages: Mapping[str, tuple[int, Any]]) -> Iterator[str]:
    """The address of a server with these pages: path → status and content."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing: the answers count."""

        def do_GET(self) -> None:
            status, content = pages[self.path]
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with answering(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}/"


def results(tested: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The last column of the table by the first."""
    _, *rows = tested.stdout.splitlines()
    return {row.split("  ")[0]: row.rsplit("  ", 1)[1] for row in rows}


def test_a_source_is_tried_without_a_database(config: Path) -> None:
    works = syncline(config, "test", "load", "made")
    assert (works.returncode, works.stdout.splitlines()) == (
        0,
        ["NAME       TRIED    RESULT", "load.made  nothing  ok", "nowhere    nothing  ok"],
    )
    broken = syncline(config, "test", "broken", "--config", str(config))
    assert (broken.returncode, results(broken)) == (1, {"broken.one": "failed", "nowhere": "ok"})
    assert f"{config}:" in broken.stderr
    assert ": sources.broken.collections[0]: source 'broken', collection 'one': cannot connect" in broken.stderr
    assert "very-secret" not in broken.stderr


def test_every_collection_of_a_source_is_tried(config: Path) -> None:
    text = config.read_text()

    def name(collections: str) -> None:
        config.write_text(text.replace('shop.db"}\n', f'shop.db"}}\n    collections: {collections}\n', 1))

    name("[users, {name: yes_no, type: yes/no}]")
    good = syncline(config, "test", "shop")
    assert (good.returncode, results(good)) == (0, {"shop.users": "ok", "shop.yes_no": "ok", "nowhere": "ok"})
    name("[userz, users, {name: no, type: yes/yes}, {name: yes_no, type: yes/no}]")
    wrong = syncline(config, "test", "shop")
    assert (wrong.returncode, results(wrong)) == (
        1,
        {"shop.userz": "failed", "shop.users": "ok", "shop.no": "failed", "shop.yes_no": "ok", "nowhere": "ok"},
    )
    line = 1 + config.read_text().splitlines().index(
        next(each for each in config.read_text().splitlines() if "userz" in each)
    )
    first, second, last = wrong.stderr.splitlines()
    assert first.startswith(f"{config}:{line}: sources.shop.collections[0]: source 'shop', collection 'userz': ")
    assert second.startswith(f"{config}:{line}: sources.shop.collections[2]: source 'shop', collection 'no': ")
    assert last == "2 of 5 tests failed."
    only = syncline(config, "test", "shop", "yes_no", "users")
    assert (only.returncode, results(only)) == (0, {"shop.yes_no": "ok", "shop.users": "ok", "nowhere": "ok"})


def test_each_resource_of_an_api_is_tried(config: Path) -> None:
    pages = {"/users": (200, [{"id": 1}, {"id": 2}]), "/invoices": (403, []), "/orders": (200, [])}
    with answering_json(pages) as url:
        settings = f'{{client: {{base_url: "{url}"}}, resources: [users, invoices, orders]}}'
        api = f"  api: {{type: rest, destinations: nowhere, config: {settings}}}"
        config.write_text(config.read_text().replace("sources:\n", f"sources:\n{api}\n"))
        tested = syncline(config, "test", "api", "--json")
    documents = {each["name"]: each for each in json.loads(tested.stdout)}
    assert {name: each["ok"] for name, each in documents.items()} == {
        "api.all.users": True,
        "api.all.invoices": False,
        "api.all.orders": True,
        "nowhere": True,
    }
    assert documents["api.all.users"]["found"] == "2 rows"
    assert "resource 'invoices': cannot read: 403" in documents["api.all.invoices"]["error"]
    assert (documents["api.all.invoices"]["key"], documents["api.all.invoices"]["place"]) == (
        "sources.api",
        f"{config}:3",
    )
    assert tested.returncode == 1


def test_the_destinations_of_a_source_are_tried_with_it(config: Path) -> None:
    destinations = 'destinations:\n  dead: {type: postgres, url: "postgresql://me:very-secret@127.0.0.1:1/none"}\n'
    text = config.read_text().replace("destinations:\n  nowhere", f"{destinations}  nowhere")
    config.write_text(
        text.replace(
            "type: synthetic\n    destinations: [nowhere]", "type: synthetic\n    destinations: [dead, nowhere]"
        )
    )
    tested = syncline(config, "test", "load")
    assert (tested.returncode, results(tested)) == (1, {"load.made": "ok", "dead": "failed", "nowhere": "ok"})
    line = 1 + config.read_text().splitlines().index(destinations.splitlines()[1])
    assert tested.stderr.startswith(f"{config}:{line}: destinations.dead: destination 'dead': cannot connect: ")
    assert "very-secret" not in tested.stderr


@pytest.mark.long
def test_a_package_that_cannot_be_installed_is_told_with_its_installers_reason(config: Path) -> None:
    tap = "  tap: {type: singer, destinations: nowhere, config: {package: 'tap-made@file:///no/such/tap_made-1.0-py3-none-any.whl'}}"
    config.write_text(config.read_text().replace("sources:\n", f"sources:\n{tap}\n"))
    tested = syncline(config, "test", "tap")
    first, *_, last = tested.stderr.splitlines()
    assert (
        first == "syncline: installing tap-made@file:///no/such/tap_made-1.0-py3-none-any.whl, which may take minutes"
    )
    assert "the end of its output: " in tested.stderr
    assert "/no/such/tap_made-1.0-py3-none-any.whl" in tested.stderr.partition("the end of its output: ")[2]
    assert "\nsyncline: installed" not in tested.stderr
    assert (tested.returncode, last) == (1, "1 of 2 tests failed.")


def test_what_a_source_offers_is_listed_before_it_has_collections(config: Path) -> None:
    listed = syncline(config, "discover", "shop")
    assert listed.returncode == 0, listed.stderr
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["NAME", "SYNC", "MODES", "KEY", "CURSOR", "FIELDS", "COLUMNS"]
    assert [row.split() for row in rows] == [
        [
            "users",
            "full_refresh,",
            "incremental",
            "id",
            "updated_at,",
            "id",
            "id",
            "integer,",
            "updated_at",
            "timestamp",
        ],
        ["yes/no", "full_refresh", "-", "-", "body", "text"],
    ]
    document = json.loads(syncline(config, "discover", "shop", "--json").stdout)
    assert document["collections"][1] == {
        "name": "yes/no",
        "columns": [{"name": "body", "type": "text"}],
        "primary_key": [],
        "cursor_fields": [],
        "sync_modes": ["full_refresh"],
    }


def test_the_collections_printed_can_be_pasted(config: Path) -> None:
    printed = syncline(config, "discover", "shop", "--yaml").stdout
    assert "        # cursor_field: updated_at\n        # or: id\n" in printed
    assert yaml.safe_load(printed) == {
        "collections": [{"name": "users", "primary_key": ["id"]}, {"name": "yes_no", "type": "yes/no"}]
    }
    text = config.read_text().replace('shop.db"}\n', f'shop.db"}}\n{printed}', 1)
    config.write_text(text)
    assert results(syncline(config, "test", "shop", "yes_no"))["shop.yes_no"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["discover", "cache"],
            "a source of type 'redis' cannot be discovered: list its collections in the catalogue",
        ),
        (["discover", "load", "--yaml"], "a source of type 'synthetic' offers only the collections that are"),
        (["discover", "missing"], "Source [missing] doesn't exist; choose one of "),
        (["discover", "sh\u200bop\n"], r"Source [sh\u200bop\n] doesn't exist; did you mean 'shop'? choose one of "),
        (["test", "load", "missing"], "Collection [missing] doesn't exist in source [load]; the only one is 'made'"),
        (["reset", "load", "missing"], "Collection [missing] doesn't exist in source [load]"),
        (
            ["backfill", "cache", "keys", "--from", "2024-01-01", "--to", "2024-01-02"],
            "cannot read an interval",
        ),
        (
            ["backfill", "load", "made", "--from", "2024-01-01", "--to", "2024-01-01"],
            "must be after the start (2024-01-01",
        ),
        (
            ["backfill", "load", "made", "--from", "yesterday", "--to", "2024-01-01"],
            "Invalid value for '--from': 'yesterday'",
        ),
        (
            ["backfill", "load", "made", "--from", "2024-01-01", "--to", "2024-01-02", "--slice", "x"],
            "Invalid value for '--slice': duration 'x' is not valid",
        ),
        (["discover", "load", "--yaml", "--json"], "--yaml and --json cannot be combined"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(config: Path, arguments: list[str], complaint: str) -> None:
    environment = {"SYNCLINE_DATA_DIR": str(config.parent / "data"), "SYNCLINE_CONFIG": str(config)}
    refused = CliRunner().invoke(cli, ["sources", *arguments], env=environment)
    assert refused.exit_code == 2
    assert complaint in refused.stderr


def test_a_collection_is_reset(config: Path, database_url: str) -> None:
    done = syncline(config, "reset", "load", "made", url=database_url)
    assert (done.returncode, done.stdout) == (0, "load.made will be reloaded by its next task.\n"), done.stderr
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT collection FROM syncline.resets").fetchall() == [("made",)]


def test_a_source_is_paused_and_resumed(config: Path, database_url: str) -> None:
    def answer(*arguments: str) -> tuple[int, str, str]:
        done = syncline(config, *arguments, url=database_url)
        return done.returncode, done.stdout, done.stderr

    assert answer("pause", "load", "made") == (0, "load.made is paused until it is resumed.\n", "")
    assert answer("pause", "load", "--until", "2099-01-01") == (0, "load is paused until 2099-01-01T00:00:00Z.\n", "")
    both = "The pause of load.made is over, but all of load is paused.\n"
    assert answer("resume", "load", "made") == (0, both, "")
    why = "syncline: the whole source [load] is paused: resume the source\n"
    assert answer("resume", "load", "made") == (1, "", why)
    assert answer("pause", "load", "made")[0] == 0
    assert answer("resume", "load") == (0, "load goes on.\nload.made is still paused: it was paused alone.\n", "")
    assert answer("resume", "load", "made") == (0, "load.made goes on.\n", "")
    assert answer("resume", "load", "made") == (0, "load.made was not paused.\n", "")
    why = "syncline: a pause must end in the future; to end one, resume\n"
    assert answer("pause", "load", "--until", "2020-01-01") == (2, "", why)
    for command in ("pause", "resume"):
        code, _, error = answer(command, "load", "nothing")
        assert (code, error.startswith("syncline: Collection [nothing] doesn't exist in source [load]")) == (2, True)


def test_a_reset_drops_tables_after_a_question(config: Path, database_url: str, tmp_path: Path) -> None:
    lake = {"type": "duckdb", "path": str(tmp_path / "lake.duckdb")}

    def tables() -> list[str]:
        with duckdb.connect(str(tmp_path / "lake.duckdb")) as connection:
            return [
                name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
            ]

    config.write_text(
        config.read_text()
        .replace("destinations: [nowhere]", "destinations: [lake]\n    collections: [users]", 1)
        .replace(
            "destinations:\n  nowhere",
            f"destinations:\n  lake: {{type: duckdb, path: {tmp_path}/lake.duckdb}}\n  nowhere",
        )
    )
    copying = Copying(f"sqlite:///{tmp_path}/shop.db", tmp_path, {"lake": lake})
    copying.source, copying.collection = "shop", {"name": "users", "type": "users", "table_name": "shop_users"}
    assert copying.run().finished
    refused = syncline(config, "reset", "shop", "users", "--drop", url=database_url)
    assert refused.returncode == 1
    assert refused.stdout.startswith("lake: shop_users\nDrop this table? [y/N]"), refused.stdout
    assert tables() == ["_syncline_bookmarks", "shop_users"]
    done = syncline(config, "reset", "shop", "users", "--drop", "--yes", url=database_url)
    assert done.stdout.splitlines() == [
        "lake: shop_users",
        "lake: shop_users was dropped.",
        "shop.users will be reloaded by its next task.",
    ], done.stderr
    assert tables() == ["_syncline_bookmarks"]
    again = syncline(config, "reset", "shop", "users", "--drop", url=database_url)
    assert again.stdout.startswith("There are no tables to drop.\n")
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT collection FROM syncline.resets").fetchall() == [("users",)]


def test_tables_of_an_unfinished_task_are_not_dropped(config: Path, database_url: str) -> None:
    asked = ("backfill", "load", "made", "--from", "2024-01-01", "--to", "2024-02-01")
    task = syncline(config, *asked, url=database_url).stdout.strip()
    refused = syncline(config, "reset", "load", "made", "--drop", url=database_url)
    assert refused.returncode == 2
    assert f"load.made has the unfinished task {task[-36:]}: cancel it" in refused.stderr


def test_pauses_and_resets_say_who_requested_them_and_why(
    config: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    for command in ("pause", "resume", "reset"):
        done = syncline(config, command, "load", "made", "--note", f"{command} it", url=database_url)
        assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT type, data -> 'who', data ->> 'note' FROM syncline.events ORDER BY xid")
        alice = {"kind": "command", "name": "alice"}
        assert rows.fetchall() == [
            ("CollectionPaused", alice, "pause it"),
            ("CollectionResumed", alice, "resume it"),
            ("CollectionReset", alice, "reset it"),
        ]


def test_a_backfill_says_who_requested_it_and_why(
    config: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    asked = ("backfill", "load", "made", "--from", "2024-01-01", "--to", "2024-02-01", "--note", "prices were wrong")
    done = syncline(config, *asked, url=database_url)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT data -> 'who', data ->> 'note' FROM syncline.events").fetchall()
    assert rows == [({"kind": "command", "name": "alice"}, "prices were wrong")]


def test_a_backfill_is_asked_for_once(config: Path, database_url: str) -> None:
    asked = ("backfill", "load", "made", "--from", "2024-01-01", "--to", "2024-02-01T12:00:00+01:00")
    first, again = (syncline(config, *asked, url=database_url) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT trigger, backfill, priority / 10^12 FROM syncline.all_tasks").fetchall()
    assert [row[:2] for row in rows] == [("backfill", "2024-01-01T00:00:00Z/2024-02-01T11:00:00Z")]
    other = syncline(config, *asked[:-1], "2024-03-01", url=database_url)
    assert (other.returncode, other.stdout) == (1, "")
    assert other.stderr == f"syncline: Task [{first.stdout.strip()}] is active: try again when it has ended\n"

"""`syncline sources preview`: rows and types are shown, and nothing is loaded anywhere."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  shop:
    type: sql
    destinations: [warehouse, file, lake, target, nowhere, dlt]
    config: {{url: "sqlite:///{directory}/shop.db"}}
    collections:
      - name: users
        columns: {{rename: {{full: Full Name}}, hash: phone, exclude: unwanted}}
  made:
    type: python
    destinations: [file]
    config: {{function: made, path: "{directory}"}}
    collections: [rows, none, alike, failing]
destinations:
  warehouse: {{type: postgres, url: "{url}", schema: shop}}
  file: {{type: duckdb, path: "{directory}/shop.duckdb", naming: snake_case}}
  lake: {{type: parquet, path: "{directory}/lake"}}
  target: {{type: singer, command: [cat]}}
  nowhere: {{type: none}}
  dlt: {{type: "dlt:duckdb", dataset: shop, credentials: "duckdb:///{directory}/dlt.duckdb"}}
  away: {{type: postgres, url: "postgresql://me:very-secret@127.0.0.1:1/none"}}
"""
ROWS = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY, full TEXT, total NUMERIC(18,2), at TIMESTAMP, phone TEXT, note TEXT, raw BLOB, unwanted TEXT
);
INSERT INTO users
WITH RECURSIVE each(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM each WHERE n < 25)
SELECT n, 'Ada ' || n, n / 4.0, '2024-01-01 00:00:00', '555', replace(hex(zeroblob(n * 200)), '0', 'x'), x'00ff', 'no'
FROM each;
UPDATE users SET note = NULL WHERE id = 1;
UPDATE users SET full = char(27) || '[31mred' WHERE id = 2;
"""
MODULE = """
def rows(context):
    yield from ({"n": each, "tags": ["a", each], "secret": "an-admin-token"} for each in range(100))
def none(context):
    yield from ()
def alike(context):
    yield {"url": 1, "URL": 2}
def failing(context):
    raise RuntimeError("out of order")
"""


@pytest.fixture
def config(tmp_path: Path, database_url: str) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(ROWS)
    (tmp_path / "made.py").write_text(MODULE)
    path = tmp_path / "syncline.yaml"
    path.write_text("server: {admin_token: an-admin-token}\n" + CATALOGUE.format(directory=tmp_path, url=database_url))
    return path


def environment(config: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return kept | {"SYNCLINE_DATA_DIR": str(config.parent / "data"), "SYNCLINE_CONFIG": str(config)}


def preview(config: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", "sources", "preview", *arguments]
    done = subprocess.run(command, env=environment(config), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    return done


def previewed(config: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(preview(config, *arguments, "--json", code=code).stdout)


def columns_of(document: Any) -> dict[str, dict[str, str]]:
    (table,) = document["tables"]
    return {
        each["field"]: {"source": each["type"]} | {where: column["type"] for where, column in each["columns"].items()}
        for each in table["columns"]
    }


def test_the_first_rows_and_the_types_that_their_columns_get(config: Path, database_url: str) -> None:
    files = {path.name for path in config.parent.iterdir()}
    document = previewed(config, "shop")
    assert (document["source"], document["collection"]) == ("shop", "users")
    (table,) = document["tables"]
    assert table["table"] == "shop_users"
    assert len(table["rows"]) == 10
    assert columns_of(document)["at"] == {
        "source": "TIMESTAMP",
        "warehouse": "timestamp with time zone",
        "file": "TIMESTAMP WITH TIME ZONE",
        "lake": "timestamp",
        "target": "string, date-time",
        "dlt": "timestamp",
    }
    by_field = {each["field"]: each for each in table["columns"]}
    assert by_field["Full Name"]["columns"]["file"] == {"name": "full_name", "type": "VARCHAR"}
    assert "unwanted" not in by_field
    first, *_, last = table["rows"]
    assert (first["id"], first["Full Name"], first["note"], first["raw"]) == (1, "Ada 1", None, "\\x00ff")
    assert first["phone"] not in (None, "555")
    assert last["note"] == f"{'x' * 1000}… (4,000 characters)"
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'shop'").fetchall()
    assert found == [], "nothing may be made in the destination"
    assert {path.name for path in config.parent.iterdir()} == files | {"data"}


def test_a_column_that_exists_keeps_its_type(config: Path, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute("CREATE TABLE shop.shop_users (id numeric(9) PRIMARY KEY, note varchar(10))")
    shown = columns_of(previewed(config, "shop", "users"))
    assert (shown["id"]["warehouse"], shown["note"]["warehouse"]) == ("numeric(9,0)", "character varying(10)")
    assert shown["raw"]["warehouse"] == "bytea"
    with psycopg.connect(database_url) as connection:
        columns = connection.execute(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.shop_users'::regclass AND attnum > 0"
        )
        assert columns.fetchone() == (2,)


def test_types_that_only_the_values_show_are_marked(config: Path) -> None:
    (table,) = previewed(config, "made", "rows", "--rows", "3")["tables"]
    assert [(each["field"], each["type"], each["inferred"]) for each in table["columns"]] == [
        ("n", "integer", True),
        ("tags", "json", True),
        ("secret", "text", True),
    ]
    assert table["rows"][2] == {"n": 2, "tags": ["a", 2], "secret": "***"}
    assert len(table["rows"]) == 3


def test_a_destination_that_does_not_answer_is_named_and_the_others_are_shown(config: Path) -> None:
    config.write_text(config.read_text().replace("destinations: [file]", "destinations: [file, away]"))
    done = preview(config, "made", "rows", code=1)
    assert done.stdout.startswith("FIELD   TYPE               file (duckdb)\nn       integer, inferred  BIGINT\n")
    assert done.stderr.startswith("syncline: destination 'away': ")
    assert "very-secret" not in done.stderr + done.stdout


def test_a_destination_that_would_refuse_the_table_says_why(config: Path) -> None:
    (table,) = previewed(config, "made", "alike", code=1)["tables"]
    assert table["refused"]["file"].startswith(
        "destination 'file': table 'made_alike': the fields 'url' and 'URL' would"
    )
    assert table["rows"] == [{"url": 1, "URL": 2}]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("made",), 2, "the source 'made' has 4 collections: choose one of rows, none, alike, failing"),
        (("made", "row"), 2, "did you mean 'rows'?"),
        (("mad",), 2, "did you mean 'made'?"),
        (("made", "failing"), 1, "out of order"),
    ],
)
def test_what_cannot_be_shown_is_one_line(config: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = preview(config, *arguments, code=code)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert told in done.stderr


def test_a_collection_without_rows_says_so(config: Path) -> None:
    assert preview(config, "made", "none").stdout.endswith(
        "The source has no rows, and does not say which columns it would have.\n"
    )


def test_a_terminal_shows_long_values_cut_and_no_line_wider_than_itself(config: Path) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "sources", "preview", "shop"],
        env=environment(config) | {"COLUMNS": "80"},
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    pieces: list[bytes] = []
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 65536):
            pieces.append(piece)
    os.close(ours)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    types, *blocks = b"".join(pieces).decode().replace("\r\n", "\n").split("\n\n")
    assert "warehouse (postgres)" in types
    assert len(blocks) > 1
    assert all(len(line) <= 80 for block in blocks for line in block.splitlines())
    shown = "\n".join(blocks)
    assert f"{'x' * 39}…" in shown
    assert "\\x1b[31mred" in shown
    assert "\x1b" not in shown
    assert "NULL" in shown

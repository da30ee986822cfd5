"""What databases export themselves is read as they hold it, value by value."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql  # type: ignore[import-untyped]
import pytest

from tests.connectors.sources.files.filing import Filing
from tests.servers.mysql import MISSING, PROGRAM, running_mariadb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connectors.attempts import Postgres

TEXTS = [
    None,
    "",
    "N",
    "\\N",
    "NULL",
    '"',
    '""',
    '"x"',
    "'",
    ",",
    "a,b",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "both\r\nends",
    "ends\r",
    "ends\n",
    "\\",
    "ends\\",
    "\\\\t",
    "C:\\new\\table\\012\\x41",
    "\\.",
    " spaces ",
    "#",
    "\b\f\v\x1a",
    "é€😀",
    "\u2028",
    'all of "it", \\N\t\\\r\n"\\"',
]
NUL = "a\x00012"
"""No text of PostgreSQL has it; MySQL writes it as an escaped zero, whatever digits follow."""


@pytest.fixture
def shelf(tmp_path: Path) -> Filing:
    return Filing(tmp_path)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a server with `shop.made`, which has the texts twice: alone, and before a number."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    with running_mariadb(tmp_path_factory.mktemp("mariadb"), zone="UTC") as socket:
        with closing(connect(socket)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
            cursor.execute("CREATE TABLE shop.made (id INT, a TEXT, n INT, b TEXT)")
            rows = [(number, text, number, text) for number, text in enumerate([*TEXTS, NUL])]
            cursor.executemany("INSERT INTO shop.made VALUES (%s, %s, %s, %s)", rows)
        yield socket


def connect(socket: Path) -> Any:
    return pymysql.connect(unix_socket=str(socket), user="root", charset="utf8mb4", autocommit=True)


def copied(postgres: Postgres, statement: str) -> bytes:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE made (id int, a text, n int, b text)")
        for number, text in enumerate(TEXTS):
            connection.execute("INSERT INTO made VALUES (%s, %s, %s, %s)", (number, text, number, text))
        with connection.cursor().copy(statement.encode()) as copy:
            return b"".join(bytes(piece) for piece in copy)


def assert_read(shelf: Filing, texts: list[str | None], **parameters: Any) -> None:
    records, _ = shelf.read(**parameters)
    assert [tuple(record.values()) for record in records] == [
        (str(i), text, str(i), text) for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("copy", "parameters"),
    [
        ("FORMAT text", {"dialect": "postgres_text"}),
        ("FORMAT text, HEADER", {"dialect": "postgres_text", "header": True}),
        ("FORMAT text, DELIMITER '|', NULL '~'", {"dialect": "postgres_text", "delimiter": "|", "nulls": ["~"]}),
        ("FORMAT text", {"delimiter": "\t", "quote": "none", "escape": "\\", "nulls": ["\\N"]}),
        ("FORMAT csv", {"dialect": "postgres_csv"}),
        ("FORMAT csv", {"nulls": [""]}),
        ("FORMAT csv, HEADER", {"dialect": "postgres_csv", "header": True}),
        (
            "FORMAT csv, DELIMITER E'\\t', NULL 'NULL'",
            {"dialect": "postgres_csv", "delimiter": "\t", "nulls": ["NULL"]},
        ),
        ("FORMAT csv, NULL '\\N', FORCE_QUOTE *", {"dialect": "postgres_csv", "nulls": ["\\N"]}),
        ("FORMAT csv, ESCAPE '\\'", {"dialect": "postgres_csv", "escape": "\\"}),
        ("FORMAT csv, QUOTE '''', DELIMITER ';'", {"dialect": "postgres_csv", "quote": "'", "delimiter": ";"}),
    ],
)
def test_what_postgres_copies_is_read_as_it_is(
    shelf: Filing, postgres: Postgres, copy: str, parameters: dict[str, Any]
) -> None:
    shelf.write("made.csv", copied(postgres, f"COPY (SELECT * FROM made ORDER BY id) TO STDOUT ({copy})"))
    assert_read(shelf, TEXTS, **{"header": ["id", "a", "n", "b"]} | parameters)


@pytest.mark.parametrize("form", ["text", "csv"])
def test_a_single_column_of_postgres_is_read_as_it_is(shelf: Filing, postgres: Postgres, form: str) -> None:
    content = copied(postgres, f"COPY (SELECT a FROM made ORDER BY id) TO STDOUT (FORMAT {form})")
    shelf.write("made.csv", content)
    records, _ = shelf.read(dialect=f"postgres_{form}", header=["a"])
    assert [record["a"] for record in records] == TEXTS


QUOTED = {"dialect": "mysql", "delimiter": ",", "quote": '"'}


@pytest.mark.parametrize(
    ("clauses", "parameters"),
    [
        ("", {"dialect": "mysql"}),
        ("LINES TERMINATED BY '\\r\\n'", {"dialect": "mysql"}),
        ("FIELDS TERMINATED BY ','", {"dialect": "mysql", "delimiter": ","}),
        ("FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'", QUOTED),
        ("FIELDS TERMINATED BY ',' ENCLOSED BY '\"'", QUOTED),
        ("FIELDS TERMINATED BY ',' ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n'", QUOTED),
        (
            "FIELDS TERMINATED BY ';' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '#'",
            QUOTED | {"delimiter": ";", "escape": "#"},
        ),
    ],
)
def test_what_mysql_exports_is_read_as_it_is(
    shelf: Filing, mariadb: Path, clauses: str, parameters: dict[str, Any]
) -> None:
    export(mariadb, shelf.inbox / "made.csv", clauses)
    assert_read(shelf, [*TEXTS, NUL], header=["id", "a", "n", "b"], **parameters)


def test_what_mysql_exports_is_read_with_options_of_ones_own(shelf: Filing, mariadb: Path) -> None:
    export(mariadb, shelf.inbox / "made.csv", "", where=f"id < {len(TEXTS)}")
    options: dict[str, Any] = {"delimiter": "\t", "quote": "none", "escape": "\\", "nulls": ["\\N"]}
    assert_read(shelf, TEXTS, header=["id", "a", "n", "b"], **options)


def export(socket: Path, path: Path, clauses: str, *, where: str = "true") -> None:
    with closing(connect(socket)) as connection, connection.cursor() as cursor:
        into = f"INTO OUTFILE '{path}' CHARACTER SET utf8mb4 {clauses}"
        cursor.execute(f"SELECT * {into} FROM shop.made WHERE {where} ORDER BY id")

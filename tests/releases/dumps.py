"""The dumps of the databases of past releases: plain SQL, which needs no program to be restored."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from app.bootstrap.postgres_programs import find_wheel
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY: Final = Path(__file__).parent
_ENDING: Final = ".sql.gz"
OWNER: Final = "syncline_owner"
# Of psql, and a setting that servers before PostgreSQL 17 do not have.
_NOT_FOR_ALL: Final = re.compile(r"^(\\(un)?restrict .*|SET transaction_timeout = 0;)\n", re.MULTILINE)


def file_of(release: str) -> Path:
    return DIRECTORY / f"{release}{_ENDING}"


def list_dumps() -> list[Path]:
    """From the oldest release to the newest."""
    return sorted(DIRECTORY.glob(f"*{_ENDING}"), key=lambda file: [int(part) for part in release_of(file).split(".")])


def release_of(file: Path) -> str:
    return file.name.removesuffix(_ENDING)


def dump(url: str, *, instead: Mapping[str, str]) -> str:
    """The schemas of a database, dumped as docs/operations.md says, except that it is text.

    `instead` has what is written in the place of some words.
    """
    command = [
        str(find_wheel() / "pg_dump"),
        *("--schema=syncline", "--schema=reporting", "--no-owner"),
        # Not every server has been built with lz4.
        "--no-toast-compression",
        # Statements instead of the data of COPY, so that every client can send them.
        *("--inserts", "--rows-per-insert=100", url),
    ]
    done = subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = _NOT_FOR_ALL.sub("", done.stdout)
    for word, other in instead.items():
        text = text.replace(word, other)
    return text


def write(text: str, file: Path) -> None:
    # Without the time, so that the same text is the same file.
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def restore(file: Path, url: str) -> None:
    """Restore a dump into an empty database of a server that has the roles, as docs/operations.md says.

    The server's transaction ids are higher than those of the events afterwards.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        database = sql.Identifier(database_name(url))
        connection.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, sql.Identifier(OWNER)))
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        connection.execute(read(file))
    with psycopg.connect(url, autocommit=True) as connection:
        # As pg_resetwal would on a server that may be stopped. Nothing is lost if the server crashes here.
        connection.execute("SET synchronous_commit = off")
        connection.execute(_OUTGROW)


_OUTGROW: Final = """
DO $$ BEGIN
  WHILE pg_current_xact_id() <= (SELECT max(xid) FROM syncline.events) LOOP COMMIT; END LOOP;
END $$
"""

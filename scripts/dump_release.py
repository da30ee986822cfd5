"""Fills a database with the code of a checkout, this one's by default, and leaves a dump of it in tests/releases."""  # noqa: INP001 - a script

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from socket import gethostname

import psycopg

from tests.releases.contents import list_missing, list_traces
from tests.releases.dumps import dump, file_of, write
from tests.releases.life import live
from tests.servers.postgres import ROOT, create_database, drop_database, running_server

# What a dump may cost the repository.
MOST_BYTES = 300 * 1024
# Instead of this machine's name.
HOST = "worker.example"
# A server that has served others has higher ones, and every server that the dump is restored into has to reach them.
HIGHEST_XID = 100_000
_STATE = "SELECT version_num, (SELECT max(xid)::text::bigint FROM syncline.events) FROM syncline.alembic_version"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "checkout", nargs="?", type=Path, default=ROOT, help="a checkout with a .venv made by `make install`"
    )
    parser.add_argument("--output", type=Path, help="the file; tests/releases/VERSION.sql.gz by default")
    options = parser.parse_args(arguments)
    python = str((options.checkout / ".venv" / "bin" / "python").absolute())
    file = options.output or file_of(_release(python))
    if file.exists():
        sys.exit(f"{file} exists: raise the version in pyproject.toml first, remove the file, or give --output FILE")
    text = _fill_and_dump(python)
    if traces := list_traces(text, options.checkout.absolute()):
        places = "\n".join(traces)
        sys.exit(f"the dump tells of this machine: give `dump` in {__file__} another word to write\n{places}")
    write(text, file)
    size = file.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{file} has {size} bytes, more than {MOST_BYTES}: let tests/releases/life.py do less")
    print(f"{file}: {size} bytes")  # noqa: T201 - for the terminal


def _release(python: str) -> str:
    program = "import importlib.metadata; print(importlib.metadata.version('syncline'))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 -- the program is written here
    if done.returncode != 0:
        sys.exit(f"{python} cannot import Syncline: run `make install` in that checkout. {done.stderr}")
    return done.stdout.strip()


def _fill_and_dump(python: str) -> str:
    with running_server() as server, tempfile.TemporaryDirectory(prefix="syncline-life-") as name:
        url = create_database(server.url)
        try:
            # Elsewhere than in this checkout, whose code Python would find first.
            with contextlib.chdir(name):
                live(Path(name), url, python=python)
            with psycopg.connect(url, autocommit=True) as connection:
                _check(connection)
                connection.execute("UPDATE syncline.workers SET host = %s", [HOST])
            return dump(url, instead={name: "/srv/syncline", f"worker {gethostname()} (": f"worker {HOST} ("})
        finally:
            drop_database(url, server_url=server.url)


def _check(connection: psycopg.Connection) -> None:
    [(schema, xid)] = connection.execute(_STATE)
    if missing := list_missing(connection, schema):
        sys.exit(f"the database lacks {', '.join(missing)}: see tests/releases/life.py, which has to make it")
    if xid > HIGHEST_XID:
        sys.exit(f"the server's transaction ids have reached {xid}: use a new server, or none in TEST_DATABASE_URL")


if __name__ == "__main__":
    main(sys.argv[1:])

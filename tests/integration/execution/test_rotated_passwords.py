"""Attempts go on when a password changes: one of a file is read again at once, one of a program is masked."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from app.config.reader import load_catalogue
from app.config.watch import CatalogueWatcher
from app.domain import events
from app.execution.destination_check import check_destination
from tests.harness import Store, opened_store, running_worker, until, write_config
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.servers.postgres import TcpServer

SECRET = "hunter22-of-today"
TAP = """
import json, sys
print(open(sys.argv[1]).read(), file=sys.stderr, flush=True)
schema = {"type": "SCHEMA", "stream": "made", "key_properties": ["id"], "schema": {"properties": {"id": {}}}}
print(json.dumps(schema))
print(json.dumps({"type": "RECORD", "stream": "made", "record": {"id": 1}}))
"""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as store:
        yield store


@dataclass
class Destination:
    """A destination in the test's own database, whose login is a role of its own."""

    directory: Path
    address: dict[str, Any]
    rotate: Callable[[str], None]

    @property
    def file(self) -> Path:
        return self.directory / "password"

    def config(self, **login: Any) -> Path:
        """A catalogue with this login; its tap prints what is in the file `secret` before its row."""
        (self.directory / "tap.py").write_text(TAP)
        tap = {
            "type": "singer",
            "destinations": ["warehouse"],
            "config": {
                "command": [sys.executable, str(self.directory / "tap.py"), str(self.directory / "secret")],
                "catalog": {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]},
            },
            "collections": [{"name": "c", "type": "made"}],
        }
        warehouse = {"type": "postgres", "schema": "loaded"} | self.address | login
        return write_config(self.directory / "syncline.yaml", {"s": tap}, {"warehouse": warehouse})


@pytest.fixture
def destination(database_url: str, tcp_postgres: TcpServer, tmp_path: Path) -> Iterator[Destination]:
    database = database_name(database_url)
    role = sql.Identifier(f"loader_{database}")
    (tmp_path / "secret").write_text(SECRET)
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        admin.execute(sql.SQL("CREATE SCHEMA loaded AUTHORIZATION {}").format(role))

        def rotate(password: str) -> None:
            admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))

        address = {"host": tcp_postgres["host"], "port": tcp_postgres["port"], "database": database}
        yield Destination(tmp_path, address | {"user": f"loader_{database}"}, rotate)
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


async def test_a_password_that_changed_under_way_is_read_again_at_once(
    store: Store, database_url: str, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job was made with the old password; the file already has the new one when the login is refused."""
    before, now = (f"{when}-{uuid.uuid4()}" for when in ("before", "now"))
    destination.file.write_text(before)
    path = destination.config(password=f"${{file.{destination.file}}}")
    looks: list[str] = []
    refresh_files = CatalogueWatcher.refresh_files

    async def look(watcher: CatalogueWatcher) -> None:
        looks.append(destination.file.read_text())
        if len(looks) > 1:
            await refresh_files(watcher)

    monkeypatch.setattr(CatalogueWatcher, "refresh_files", look)
    async with running_worker(database_url, path):
        destination.rotate(now)
        destination.file.write_text(now)
        (destination.directory / "secret").write_text(f"{before} {now}")
        task = await store.schedule()
        assert await store.ended(task) == "SUCCESS"
    assert (await store.folded(task)).attempt == 1
    lines = await store.messages(task)
    assert any(line.endswith("; a password has changed since: trying again") for line in lines)
    assert any("*** ***" in line for line in lines), "old and new ones are masked"
    assert [before in line or now in line for line in lines] == [False] * len(lines)
    assert looks == [now, now]


@pytest.mark.parametrize(
    ("login", "last"),
    [
        ({"password": "outdated-password"}, events.TASK_FAILED),
        ({"password": "${file.FILE}"}, events.ATTEMPT_FAILED),
        ({"password_command": "cat FILE"}, events.ATTEMPT_FAILED),
    ],
    ids=["fixed", "file", "program"],
)
async def test_a_refused_login_is_lasting_only_with_a_fixed_password(
    store: Store, database_url: str, destination: Destination, login: dict[str, str], last: str
) -> None:
    destination.file.write_text("outdated-password")
    path = destination.config(**{key: value.replace("FILE", str(destination.file)) for key, value in login.items()})
    destination.rotate("the-password-of-today")
    async with running_worker(database_url, path):
        task = await store.schedule()

        async def third() -> str | None:
            return next(iter((await store.types(task))[2:]), None)

        assert await until(third) == last
        lines = str(await store.messages(task))
    assert "authentication failed" in lines
    assert "outdated-password" not in lines


async def test_a_password_of_a_program_is_masked_in_all_that_follows(
    store: Store, database_url: str, destination: Destination
) -> None:
    destination.rotate(SECRET)
    path = destination.config(password_command=["cat", str(destination.directory / "secret")])
    async with running_worker(database_url, path):
        task = await store.schedule()
        assert await store.ended(task) == "SUCCESS"
    lines = await store.messages(task)
    assert any(line.endswith("***") for line in lines)
    assert SECRET not in str(lines)


async def test_a_password_of_a_program_is_masked_in_answers(destination: Destination) -> None:
    """A trial's error may repeat it: here it is the name of a schema as well."""
    destination.rotate(SECRET)
    path = destination.config(password_command=["cat", str(destination.directory / "secret")], schema=SECRET)
    catalogue = load_catalogue(path, {})
    answer = await check_destination(catalogue, catalogue.destinations["warehouse"], data_dir=destination.directory)
    assert answer.error is not None
    assert "cannot write to schema '***'" in answer.error
    assert SECRET not in answer.error

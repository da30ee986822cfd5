"""Passwords of the store, the sources and the destinations change while attempts run, and no task fails."""

from __future__ import annotations

import json
import shlex
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.cluster import Api
    from tests.servers.postgres import TcpServer

ROUNDS = 4
ROWS = 1000
SOURCES = ("by_file", "by_program")


@dataclass
class Roles:
    """Logins whose passwords change, each with a file that has the newest."""

    admin: psycopg.Connection
    directory: Path
    database: str
    passwords: list[str] = field(default_factory=list)

    def name(self, of: str) -> str:
        return f"{of}_{self.database}"

    def file(self, of: str) -> Path:
        return self.directory / f"{of}.password"

    def create(self, of: str, rights: str) -> None:
        self.admin.execute(f'CREATE ROLE "{self.name(of)}" LOGIN {rights}'.encode())
        self.rotate(of)

    def rotate(self, of: str) -> None:
        """First at the server, then in the file."""
        self.tell(of, self.change(of))

    def change(self, of: str) -> str:
        self.passwords.append(password := f"password-{uuid.uuid4()}")
        alter = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.name(of)), sql.Literal(password))
        self.admin.execute(alter)
        return password

    def tell(self, of: str, password: str) -> None:
        """The file is replaced by another one, as vaults and kubelets do it."""
        new = self.file(of).with_suffix(".new")
        new.write_text(password + "\n")
        new.replace(self.file(of))

    def cut_off(self, of: str) -> None:
        """Every connection of the role must log in again."""
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [self.name(of)])

    def drop(self, of: str) -> None:
        self.admin.execute(f'DROP OWNED BY "{self.name(of)}" CASCADE'.encode())
        self.admin.execute(f'DROP ROLE "{self.name(of)}"'.encode())


@pytest.fixture
def roles(database_url: str, tmp_path: Path) -> Iterator[Roles]:
    with psycopg.connect(database_url, autocommit=True) as admin:
        made = Roles(admin, tmp_path, database_name(database_url))
        admin.execute(f"CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, {ROWS}) AS n".encode())
        admin.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
        for of, rights in (("store", "SUPERUSER"), ("reader", ""), ("loader", "")):
            made.create(of, rights)
        admin.execute(f'GRANT SELECT ON orders TO "{made.name("reader")}"'.encode())
        admin.execute(f'GRANT CREATE ON DATABASE "{made.database}" TO "{made.name("loader")}"'.encode())
        yield made
        for of in ("loader", "reader", "store"):
            made.cut_off(of)
            made.drop(of)


@pytest.fixture
def cluster(roles: Roles, tcp_postgres: TcpServer, tmp_path: Path) -> Iterator[Cluster]:
    host, port = tcp_postgres["host"], tcp_postgres["port"]

    def url(of: str, password: str = "") -> str:
        return f"postgresql://{roles.name(of)}{password}@{host}:{port}/{roles.database}"

    source = {"type": "sql", "destinations": [*SOURCES], "collections": ["orders"]}
    # As slow as real ones, so that attempts end, and connections are refused, while one runs.
    slow = 'sleep 0.2; cat "$0"; sleep 0.2'
    by_program = {of: ["sh", "-c", slow, str(roles.file(of))] for of in ("store", "reader", "loader")}
    config = {
        "server": {"admin_token": TOKEN, "drain_seconds": 1, "sources_reload_sec": 3600},
        "sources": {
            "by_file": source | {"config": {"url": url("reader", f":${{file.{roles.file('reader')}}}")}},
            "by_program": source | {"config": {"url": url("reader"), "password_command": by_program["reader"]}},
        },
        "destinations": {
            "by_file": {
                "type": "postgres",
                "schema": "by_file",
                "host": host,
                "port": port,
                "user": roles.name("loader"),
                "password": f"${{file.{roles.file('loader')}}}",
                "database": roles.database,
            },
            "by_program": {
                "type": "postgres",
                "schema": "by_program",
                "url": url("loader"),
                "password_command": by_program["loader"],
            },
        },
    }
    with Cluster(tmp_path, json.dumps(config), url("store")) as running:
        running.environment["DATABASE_PASSWORD_COMMAND"] = shlex.join(by_program["store"])
        yield running


@pytest.mark.long
def test_no_task_fails_while_all_passwords_change(cluster: Cluster, roles: Roles) -> None:
    assert cluster.start("migrate").wait() == 0
    api, worker = cluster.api(), cluster.worker()
    for number in range(1, ROUNDS + 1):
        started = count(roles, "TaskStarted")
        for source in SOURCES:
            wait_until(f"{source} has a task", partial(accepts_task, api, source))
        # With attempts that have their jobs, but are not logged in everywhere.
        wait_until("attempts run", partial(more_than, started, roles, "TaskStarted"))
        for of in ("reader", "loader", "store"):
            roles.rotate(of)
        roles.cut_off("store")
        ended = number * len(SOURCES)
        wait_until("all have ended", partial(more_than, ended - 1, roles, "TaskSucceeded", "TaskFailed"))
    assert count(roles, "TaskFailed") == 0
    for destination in SOURCES:
        for source in SOURCES:
            table = f"SELECT count(*) FROM {destination}.{source}_orders"
            assert roles.admin.execute(table.encode()).fetchone() == (ROWS,)
    wait_until("the API is ready", api.is_ready)
    assert [api.process.stop(), worker.stop()] == [0, 0]
    lines = roles.admin.execute("SELECT string_agg(message, '') FROM syncline.log_events").fetchone()
    told = f"{lines}{''.join(process.text for process in cluster.processes)}"
    assert [password for password in roles.passwords if password in told] == []
    assert "Traceback" not in told


def accepts_task(api: Api, source: str) -> bool:
    """Whether there is a task: not while the API has lost its connections."""
    answer = api.call("POST", "/tasks", source=source, collection="orders")
    assert answer.status_code in {httpx.codes.OK, httpx.codes.CREATED, httpx.codes.SERVICE_UNAVAILABLE}, answer.text
    return answer.status_code != httpx.codes.SERVICE_UNAVAILABLE


def count(roles: Roles, *types: str) -> int:
    """How many events there are of these types."""
    row = roles.admin.execute("SELECT count(*) FROM syncline.events WHERE type = ANY(%s)", [[*types]]).fetchone()
    assert row is not None
    return int(row[0])


def more_than(number: int, roles: Roles, *types: str) -> bool:
    return count(roles, *types) > number


def test_a_refused_login_is_told_in_words(cluster: Cluster, roles: Roles) -> None:
    api = cluster.api()
    right = roles.change("store")
    roles.cut_off("store")

    def says_so() -> bool:
        answer = httpx.get(f"{api.address}/readyz", trust_env=False)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or answer.json()["database"] != "refused":
            return False
        assert "PostgreSQL refuses the login" in answer.json()["error"]
        return True

    wait_until("it says so", says_so)
    wait_until("requests are told, too", partial(is_refused, api))
    assert "password authentication failed" in wait_until("the log says why", lambda: refusal_in(api))
    assert [password for password in roles.passwords if password in api.process.text] == []
    roles.tell("store", right)
    wait_until("it is ready again", api.is_ready)


def refusal_in(api: Api) -> str | None:
    return next((line for line in api.process.text.splitlines() if "database.login_refused" in line), None)


def is_refused(api: Api) -> bool:
    answer = api.call("POST", "/tasks", source="by_file", collection="orders")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
    return "PostgreSQL refuses the login of this process" in answer.json()["error"]

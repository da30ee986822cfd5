"""A dump is restored as docs/operations.md says, by the login that it describes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.bootstrap.postgres_programs import find_wheel
from tests.harness import opened_store
from tests.servers.postgres import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path("docs/operations.md").read_text(encoding="utf-8")
[ROLES] = re.findall(r"```sql\n(CREATE ROLE syncline_owner.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^pg_(?:dump|restore) .*\.dump.*$", PAGE, re.MULTILINE)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own: roles belong to the whole server."""
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as server:
        yield server


async def test_a_dump_is_restored_by_the_documented_login_with_the_documented_commands(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with psycopg.connect(server.url, autocommit=True) as admin:
        for statement in filter(str.strip, re.sub("--.*", "", ROLES).split(";")):
            admin.execute(statement.encode())
            if "DATABASE" in statement:
                admin.execute(statement.replace("DATABASE syncline", "DATABASE restored").encode())
    tcp = server.tcp
    old, new = (f"postgresql://syncline:change-me@{tcp.host}:{tcp.port}/{name}" for name in ("syncline", "restored"))
    migrate(old)
    async with opened_store(old) as store:
        task = await store.schedule("c")

    assert len(COMMANDS) == 2
    environment = {
        "PATH": f"{find_wheel()}:{os.defpath}",
        "DATABASE_URL": old,
        "NEW_DATABASE_URL": new,
    }
    for command in COMMANDS:
        assert run(command, directory=tmp_path, environment=environment) == (0, "")

    async with opened_store(new) as store:
        assert await store.status(task) == "SCHEDULED"
        owners = await store.admin.fetch(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('syncline', 'reporting')"
        )
        assert [tuple(row) for row in owners] == [("syncline_owner",)]
        await store.schedule("another")


def run(command: str, *, directory: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", "-c", command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr

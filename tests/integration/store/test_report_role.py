"""What the role `syncline_report` can reach: everything that it may see is looked through for what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors, sql

from app.domain.api_token import make_token
from tests.harness import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "signed-page-token"  # what a bookmark may hold

VISIBLE = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND has_schema_privilege('syncline_report', n.oid, 'USAGE')
  AND has_any_column_privilege('syncline_report', c.oid, 'SELECT')
"""

WRITABLE = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('syncline', 'reporting', 'public') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (has_table_privilege('syncline_report', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')
       OR has_any_column_privilege('syncline_report', c.oid, 'INSERT, UPDATE, REFERENCES'))
UNION ALL SELECT n.nspname FROM pg_namespace n
WHERE n.nspname IN ('syncline', 'reporting') AND has_schema_privilege('syncline_report', n.oid, 'CREATE')
"""

MEMBERSHIPS = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'syncline_report'::regrole"

# The views read with their owner's rights; nothing that belongs to us may run with more than the caller's.
DEFINERS = """
SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('syncline', 'reporting') AND has_function_privilege('syncline_report', p.oid, 'EXECUTE')
"""


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[psycopg.Connection]:
    """A superuser's connection to a database with a token, and a bookmark that holds a secret."""
    made = make_token()
    async with opened_store(database_url) as store:
        worker = await store.worker()
        claim = await store.claimed(worker, "orders")
        await store.streams.save_bookmark(
            worker, claim, destination="warehouse", rows=1, bookmark={"next": SECRET}, commit=1
        )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO syncline.api_tokens (id, name, scope, hash, created_at) VALUES (%s, 'ci', 'admin', %s, now())",
            [made.id, made.hash],
        )
        assert SECRET in str(connection.execute("SELECT data FROM syncline.events").fetchall())
        assert SECRET in str(connection.execute("SELECT bookmark FROM syncline.bookmarks").fetchall())
        yield connection


def test_nothing_that_it_may_read_shows_a_token_or_a_bookmark(filled: psycopg.Connection) -> None:
    [(id_, hash_)] = filled.execute("SELECT id, hash FROM syncline.api_tokens").fetchall()
    visible = [name for (name,) in filled.execute(VISIBLE).fetchall()]
    assert "reporting.task_events" in visible
    assert all(name.startswith("reporting.") for name in visible)
    filled.execute("SET SESSION AUTHORIZATION syncline_report")
    seen = {}
    for name in visible:
        relation = sql.Identifier(*name.split("."))
        seen[name] = str(filled.execute(sql.SQL("SELECT t::text FROM {} t").format(relation)).fetchall())
    assert "BookmarkSaved" in seen["reporting.task_events"]
    for name, text in seen.items():
        for secret in (SECRET, id_, hash_.hex()):
            assert secret not in text, name


@pytest.mark.parametrize(
    "statement",
    [
        "TABLE syncline.api_tokens",
        "SELECT hash FROM syncline.api_tokens",
        "TABLE syncline.bookmarks",
        "TABLE syncline.catalogues",
        "TABLE syncline.digest_key",
        "SELECT data FROM syncline.events",
        "SELECT syncline.uuid7(now())",
        "SET ROLE syncline_app",
        "SET ROLE syncline_owner",
        "SELECT pg_read_file('/etc/hostname')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_it_is_refused_whatever_it_tries(filled: psycopg.Connection, statement: str) -> None:
    filled.execute("SET SESSION AUTHORIZATION syncline_report")
    with pytest.raises(errors.InsufficientPrivilege):
        filled.execute(statement.encode())


@pytest.mark.parametrize("query", [WRITABLE, MEMBERSHIPS])
def test_it_can_write_nothing_and_be_nobody_else(filled: psycopg.Connection, query: str) -> None:
    assert filled.execute(query.encode()).fetchall() == []


def test_it_can_call_nothing_but_what_looks_back_and_that_shows_no_bookmark(filled: psycopg.Connection) -> None:
    functions = {name for (name,) in filled.execute(DEFINERS.encode()).fetchall()}
    assert functions == {
        "reporting.tasks_as_of(timestamp with time zone,text,text)",
        "reporting.queue_as_of(timestamp with time zone)",
        "reporting.collections_as_of(timestamp with time zone)",
    }
    filled.execute("SET SESSION AUTHORIZATION syncline_report")
    for call in ("tasks_as_of(now())", "queue_as_of(now())", "collections_as_of(now())"):
        seen = str(filled.execute(f"SELECT a::text FROM reporting.{call} a".encode()).fetchall())
        assert "orders" in seen
        assert SECRET not in seen


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO syncline.api_tokens (id, name, scope, hash, created_at) VALUES ('a', '', 'admin', '', now())",
        "UPDATE syncline.api_tokens SET scope = 'admin'",
        "UPDATE syncline.api_tokens SET hash = ''",
        "UPDATE syncline.api_tokens SET expires_at = NULL",
        "UPDATE syncline.api_tokens SET revoked_at = NULL",
        "DELETE FROM syncline.api_tokens",
    ],
)
def test_the_applications_role_can_neither_make_a_token_nor_bring_one_back(
    filled: psycopg.Connection, statement: str
) -> None:
    filled.execute("SET ROLE syncline_app")
    with pytest.raises(errors.InsufficientPrivilege):
        filled.execute(statement.encode())

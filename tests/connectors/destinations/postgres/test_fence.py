"""PostgreSQL keeps an older attempt from committing."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.connectors.contract.passes import Position
from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.postgres.destination import PostgresDestination
from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.domain.errors import ConfigurationError, LeaseLostError, SynclineError
from tests.connectors.attempts import Postgres, unheard
from tests.connectors.fences import fence_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_commit_after_the_fence_has_moved_is_rolled_back(postgres: Postgres) -> None:
    options = PostgresDestinationOptions.model_validate(postgres.options())
    zombie = destination_of(1, options)
    zombie.open()
    zombie.begin(Table("made", {"id": Kind.INTEGER}))
    zombie.write("made", [{"id": 1}])
    postgres.execute("UPDATE loaded._syncline_bookmarks SET attempt = 2")
    with pytest.raises(LeaseLostError):
        zombie.commit(None, final=True)
    with pytest.raises(LeaseLostError):
        zombie.begin(Table("made", {"id": Kind.INTEGER, "more": Kind.TEXT}))
    zombie.close()
    assert postgres.execute("SELECT to_regclass('loaded.made') IS NULL") == [(True,)]


def test_an_older_attempt_that_may_not_be_ended_is_shut_out_all_the_same(postgres: Postgres) -> None:
    old = destination_of(1, PostgresDestinationOptions.model_validate(postgres.options()))
    old.open()
    old.begin(Table("made", {"id": Kind.INTEGER}))
    with granted(postgres) as options:
        new = destination_of(2, options)
        assert new.open() == Position()
        new.close()
        with pytest.raises(LeaseLostError):
            old.commit(None, final=True)
        old.close()


def test_who_does_not_own_an_older_release_s_table_of_bookmarks_is_told_what_the_owner_has_to_run(
    postgres: Postgres,
) -> None:
    first = destination_of(1, PostgresDestinationOptions.model_validate(postgres.options()))
    first.open()
    first.close()
    postgres.execute("ALTER TABLE loaded._syncline_bookmarks DROP COLUMN claim, DROP COLUMN standing")
    with granted(postgres) as options:
        login = destination_of(2, options)
        with pytest.raises(ConfigurationError) as refused:
            login.open()
        login.close()
        postgres.execute(str(refused.value).partition("run ")[2])
        login = destination_of(2, options)
        assert login.open() == Position()
        login.close()


@contextmanager
def granted(postgres: Postgres) -> Iterator[PostgresDestinationOptions]:
    """The warehouse as a login sees it that owns nothing there."""
    role = f"newcomer_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN")
    try:
        for what in ("SCHEMA loaded", "ALL TABLES IN SCHEMA loaded"):
            postgres.execute(f"GRANT ALL ON {what} TO {role}")
        options = {"type": "postgres", "url": make_conninfo(postgres.url, user=role), "schema": "loaded"}
        yield PostgresDestinationOptions.model_validate(options)
    finally:
        postgres.execute(f"DROP OWNED BY {role}")
        postgres.execute(f"DROP ROLE {role}")


def test_a_commit_that_is_under_way_is_waited_for(postgres: Postgres) -> None:
    """The old attempt holds the row and cannot be ended: what it commits counts for the new one."""
    options = PostgresDestinationOptions.model_validate(postgres.options())
    old = destination_of(1, options)
    old.open()
    positions = []
    with psycopg.connect(postgres.url) as committing:
        committing.execute("UPDATE loaded._syncline_bookmarks SET bookmark = '5', committed_at = now()")
        new = destination_of(2, options)
        opening = threading.Thread(target=lambda: positions.append(new.open()))
        opening.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while postgres.execute(waiting) == [(0,)]:
            assert opening.is_alive()
        committing.commit()
    opening.join()
    new.close()
    with pytest.raises(SynclineError):
        old.commit(None, final=True)
    old.close()
    assert [position.bookmark for position in positions] == ["5"]


TASK = "0192f7c2-0000-7000-8000-000000000001"


def destination_of(attempt: int, options: PostgresDestinationOptions) -> PostgresDestination:
    fence = fence_of(TASK, claim=attempt, attempt=attempt)
    return PostgresDestination(options, fence, name="warehouse", work_dir=Path(), log=unheard)

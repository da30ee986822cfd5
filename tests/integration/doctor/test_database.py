"""What the doctor sees of a database, in whatever state it is."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import asyncpg
import psycopg
import pytest
from alembic import command

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.bootstrap.migrations import alembic_config
from app.bootstrap.schema_version import head
from app.doctor import clock, examination, installation, rights, schema, server, sessions, transactions
from app.doctor.examination import examine
from app.store.address import server_of
from app.store.database import connect_to_look
from app.store.installation import list_missing_rights
from tests.integration.doctor.looking import installation_at, look, look_once
from tests.integration.store.test_sessions import pooled, pooler, set_database
from tests.servers.postgres import create_database, database_name, drop_database
from tests.servers.several_hosts import FORMS, first_one_away

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.servers.postgres import TcpServer

NOT_LOOKED_AT = {"schema", "rights", "workers", "schedules", "projections"}


@pytest.fixture
def ascii_database_url(postgres_server_url: str) -> Iterator[str]:
    url = create_database(postgres_server_url, encoding="SQL_ASCII")
    yield url
    drop_database(url, server_url=postgres_server_url)


@pytest.fixture
def login(tcp_postgres: TcpServer, database_url: str) -> Iterator[str]:
    """The URL of a login without any rights."""
    name = database_name(database_url).replace("syncline_test", "login")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'very-secret'".encode())
        host, port = tcp_postgres["host"], tcp_postgres["port"]
        yield f"postgresql://{name}:very-secret@{host}:{port}/{database_name(database_url)}"
        admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def login_of(url: str) -> str:
    return urlsplit(url).username or ""


async def test_a_good_database_gives_no_failure(database_url: str, tmp_path: Path) -> None:
    findings = await examine(installation_at(database_url, SYNCLINE_DATA_DIR=tmp_path))
    assert [finding for finding in findings if finding.state == "fail"] == []
    assert {"database", "version", "encoding", "writes", "pooler"} | NOT_LOOKED_AT <= {each.name for each in findings}


async def test_without_an_answer_the_rest_of_the_database_is_left_out(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://me:very-secret@127.0.0.1:{nobody.getsockname()[1]}/db"
        findings = await examine(installation_at(url, SYNCLINE_DATA_DIR=tmp_path))
    [failure] = [finding for finding in findings if finding.state == "fail"]
    assert (failure.name, failure.text) == (
        "database",
        f"cannot connect to PostgreSQL at {server_of(url)}: connection refused",
    )
    assert not NOT_LOOKED_AT & {each.name for each in findings}


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.doctor.installation.SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/db"
        _, state, text, _ = await look_once(server.look, installation_at(url))
    assert (state, text) == ("fail", f"cannot connect to PostgreSQL at {server_of(url)}: timed out")


async def test_a_database_that_does_not_exist_is_a_failure(database_url: str) -> None:
    installation = installation_at(urlsplit(database_url)._replace(path="/no_such_database").geturl())
    _, state, text, _ = await look_once(server.look, installation)
    assert (state, text) == (
        "fail",
        'DATABASE_URL: refused by the server: database "no_such_database" does not exist',
    )


async def test_without_an_address_the_failure_says_how_to_give_one(tmp_path: Path) -> None:
    _, state, text, _ = await look_once(server.look, installation_at(SYNCLINE_DATA_DIR=tmp_path))
    assert state == "fail"
    assert text.startswith(f"DATABASE_URL is not set, and no 'syncline dev' is running on {tmp_path}")


@pytest.mark.parametrize(("major", "state"), [(14, "fail"), (15, "ok"), (18, "ok"), (19, "warn")])
def test_a_version_that_is_not_supported_is_named(major: int, state: str) -> None:
    assert server.judge_version(f"{major}.1", major).state == state


async def test_a_database_that_cannot_hold_every_text_is_a_failure(ascii_database_url: str) -> None:
    found = await look(server.look, installation_at(ascii_database_url))
    [encoding] = [each for each in found if each[0] == "encoding"]
    assert encoding[1:] == (
        "fail",
        "the database has the encoding SQL_ASCII and must have UTF8",
        "Create another one with CREATE DATABASE … ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0.",
    )


async def test_a_database_that_takes_no_writes_is_a_failure(database_url: str) -> None:
    assert (await look_once(server.look_at_writes, installation_at(database_url)))[:2] == ("writes", "ok")
    set_database(database_url, default_transaction_read_only="on")
    _, state, text, _ = await look_once(server.look_at_writes, installation_at(database_url))
    assert (state, text) == ("fail", "default_transaction_read_only is on, so nothing can be written")


async def test_a_standby_is_a_failure(tmp_path: Path) -> None:
    home = tmp_path / "pg"
    with EmbeddedPostgres(home, durable=False):
        pass
    # https://www.postgresql.org/docs/current/warm-standby.html: the server waits for WAL that never comes.
    (home / "data" / "standby.signal").touch()
    with EmbeddedPostgres(home, durable=False) as standby:
        installation = installation_at(standby.url)
        _, state, text, remedy = await look_once(server.look_at_writes, installation)
        assert (state, text, remedy) == ("fail", "the server is a standby", "Let DATABASE_URL lead to the primary.")
        assert (await look_once(transactions.look_at_slots, installation))[1] == "ok"


async def test_no_session_of_the_doctor_can_write(database_url: str) -> None:
    installation = installation_at(database_url)
    for session in (installation.connected(), installation.connected_as_service()):
        async with session as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("CREATE TABLE public.never (id int)")
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK AND CHAIN")


async def test_no_pooler_is_no_finding(database_url: str) -> None:
    found = await look_once(sessions.look_for_pooler, installation_at(database_url))
    assert found == ("pooler", "ok", "none in between", "")


async def test_a_pooler_that_refuses_settings_is_named_with_the_way_round_it() -> None:
    async with pooler(b"08P01\0Munsupported startup parameter: statement_timeout") as url:
        _, state, text, _ = await look_once(server.look, installation_at(url))
    assert state == "fail"
    assert "is not PostgreSQL itself" in text
    assert "set DATABASE_DIRECT_URL to the server's own address" in text


@asynccontextmanager
async def pooling(url: str, tcp: TcpServer, *, refuses: bytes = b"nothing") -> AsyncIterator[str]:
    """The same database by way of what names a process of its own to clients, as poolers do.

    PostgreSQL's protocol, BackendKeyData: `K`, the length 12, the process, and a secret. A start with `refuses` in it
    is refused as pgbouncer does.
    """
    error = b"SFATAL\0C08P01\0Munsupported startup parameter: " + refuses + b"\0\0"

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                if b"\0user\0" in chunk and refuses in chunk:
                    client.write(b"E" + (len(error) + 4).to_bytes(4) + error)
                    client.close()
                    return
                before, mark, after = chunk.partition(b"K\0\0\0\x0c")
                writer.write(before + mark + (b"\0\0\0\x01" + after[4:] if mark else after))
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(tcp["host"], tcp["port"])
        ways = forward(reader, their_writer, writer), forward(their_reader, writer, writer)
        await asyncio.gather(*ways, return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        login = f"{quote(tcp['user'], safe='')}:{quote(tcp['password'], safe='')}"
        yield f"postgresql://{login}@127.0.0.1:{port}/{database_name(url)}"


async def test_what_leads_past_a_pooler_may_be_one_in_session_mode(database_url: str, tcp_postgres: TcpServer) -> None:
    async with pooling(database_url, tcp_postgres, refuses=b"statement_timeout") as direct:
        installation = installation_at(database_url, direct=direct)
        found = await look(sessions.look_for_pooler, installation)
        assert found[-1][1:3] == ("warn", "DATABASE_DIRECT_URL leads to a pooler too")
        async with installation.connected() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("CREATE TABLE public.never (id int)")
            await connection.execute("ROLLBACK AND CHAIN")
        assert (await look_once(schema.look, installation))[1] == "ok"
        alone = await look_once(server.look, installation_at(direct))
    assert alone[1] == "fail"
    assert "is not PostgreSQL itself" in alone[2]


async def test_a_pooler_that_nobody_declared_is_found(database_url: str, tcp_postgres: TcpServer) -> None:
    async with pooling(database_url, tcp_postgres) as url:
        name, state, text, remedy = await look_once(sessions.look_for_pooler, installation_at(url))
    assert (name, state) == ("pooler", "fail")
    assert text == "DATABASE_URL leads to a pooler, which stands between Syncline and the server"
    assert remedy.startswith("Set DATABASE_DIRECT_URL to the address of the server itself")


async def test_settings_that_do_not_arrive_are_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A pooler that drops start-up parameters: the session does not have what was asked for.
    monkeypatch.setattr(sessions, "START_UP", {"statement_timeout": "1"})
    _, state, text, _ = await look_once(sessions.look_for_pooler, installation_at(database_url))
    assert state == "fail"
    assert text.endswith(" and does not pass on statement_timeout")


async def test_behind_a_pooler_the_login_must_have_the_settings(database_url: str) -> None:
    address = pooled(database_url)
    installation = installation_at(address.url, direct=address.direct)
    set_database(database_url, synchronous_commit="on", enable_seqscan="on")
    slow = await look_once(sessions.look_for_pooler, installation)
    assert slow[1] == "warn"
    assert slow[2].startswith("the queue is slower under load with the pooler's enable_bitmapscan, enable_seqscan,")
    set_database(
        database_url,
        enable_bitmapscan="off",
        enable_seqscan="off",
        enable_hashjoin="off",
        enable_mergejoin="off",
        jit="off",
        plan_cache_mode="force_generic_plan",
    )
    right = await look_once(sessions.look_for_pooler, installation)
    assert right == ("pooler", "ok", "its sessions have the right settings", "")
    set_database(database_url, synchronous_commit="off", statement_timeout="30s")
    unsafe, cut_off = await look(sessions.look_for_pooler, installation)
    assert (unsafe[1], cut_off[1]) == ("fail", "warn")
    assert "tasks are not safe with synchronous_commit = 'off': run ALTER ROLE" in unsafe[2]
    assert "long statements are aborted: statement_timeout = '30s': run ALTER ROLE" in cut_off[2]


async def test_two_addresses_of_different_databases_are_a_failure(database_url: str, empty_database_url: str) -> None:
    installation = installation_at(database_url, direct=empty_database_url)
    _, state, text, _ = await look_once(sessions.look_for_pooler, installation)
    assert (state, text) == ("fail", "DATABASE_URL and DATABASE_DIRECT_URL lead to different databases")


async def test_settings_that_risk_the_data_are_warned_of(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg", durable=False) as postgres:
        found = await look(sessions.look_at_settings, installation_at(postgres.url))
    assert [(state, text.partition(":")[0]) for _, state, text, _ in found] == [
        ("warn", "autovacuum is off"),
        ("warn", "fsync is off"),
        ("warn", "full_page_writes is off"),
    ]


async def test_connections_that_are_nearly_all_in_use_are_warned_of(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await look_once(sessions.count_connections, installation_at(database_url)))[1] == "ok"
    monkeypatch.setattr(sessions, "FULL", 0.0)
    _, state, _, remedy = await look_once(sessions.count_connections, installation_at(database_url))
    assert state == "warn"
    assert remedy.startswith("Raise max_connections")


async def test_the_clock_is_compared_with_this_machine_s(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server of the tests may be another machine.
    monkeypatch.setattr(clock, "LARGEST_DIFFERENCE", timedelta(days=1))
    name, state, text, _ = await look_once(clock.look, installation_at(database_url))
    assert (name, state) == ("clock", "ok")
    assert "time zones: " in text


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [(4, "ok", "4.000 s ahead of"), (-4, "ok", "4.000 s behind"), (90, "warn", "90 s ahead of")],
)
def test_a_clock_that_is_far_off_is_warned_of(seconds: float, state: str, says: str) -> None:
    finding = clock.judge(timedelta(seconds=seconds), zone="UTC")
    assert finding.state == state
    assert f"the database's is {says}" in finding.text


async def test_a_login_without_rights_is_a_failure_with_the_statement_that_mends_it(login: str) -> None:
    writing, owner = await look(rights.look, installation_at(login))
    name = login_of(login)
    assert writing[:2] == ("rights", "fail")
    assert writing[2].startswith(f"login {name} and lacks USAGE on syncline and ")
    assert writing[3] == f"Run as the server's administrator: GRANT syncline_app TO {name};"
    assert owner == (
        "owner",
        "ok",
        f"login {name} may not migrate or manage tokens: the tables belong to syncline_owner",
        "Migrate with a login that is a member of syncline_owner: GRANT syncline_owner TO …;",
    )


async def test_every_right_to_a_table_that_migrations_grant_is_asked_for(login: str, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        granted = admin.execute(
            "SELECT c.oid::regclass::text, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
            "WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
            "AND a.grantee = 'syncline_app'::regrole "
            "UNION SELECT c.attrelid::regclass::text, a.privilege_type FROM pg_attribute c, aclexplode(c.attacl) a "
            "WHERE c.attrelid = 'syncline.events'::regclass AND a.grantee = 'syncline_app'::regrole"
        ).fetchall()
    async with installation_at(login).connected() as connection:
        missing = await list_missing_rights(connection, login_of(login))
    assert sorted(map(tuple, missing)) == sorted([*granted, ("syncline", "USAGE")])


async def test_a_login_that_only_runs_services_is_right(login: str, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"GRANT syncline_app TO {login_of(login)}".encode())
    writing, _ = await look(rights.look, installation_at(login))
    assert writing[1:3] == ("ok", f"login {login_of(login)} acts as syncline_app and may write")


async def test_a_login_that_migrates_acts_for_the_owner(login: str, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"GRANT syncline_owner TO {login_of(login)}".encode())
    _, owner = await look(rights.look, installation_at(login))
    assert owner[1:3] == ("ok", f"login {login_of(login)} may migrate: it acts for syncline_owner")


async def test_a_login_that_cannot_create_the_schema_is_a_failure(login: str, empty_database_url: str) -> None:
    url = urlsplit(login)._replace(path=urlsplit(empty_database_url).path).geturl()
    _, owner = await look(rights.look, installation_at(url))
    assert owner[1:3] == ("fail", f"login {login_of(login)} may not create the schema")


async def test_every_check_has_findings_for_a_login_without_rights(login: str, tmp_path: Path) -> None:
    findings = await examine(installation_at(login, SYNCLINE_DATA_DIR=tmp_path))
    assert not [finding for finding in findings if "unexpected" in finding.text]
    [version] = [finding for finding in findings if finding.name == "schema"]
    assert version.state == "warn"
    assert version.text.startswith("the login may not look at this: ")


async def test_an_empty_database_lacks_every_migration(empty_database_url: str, tmp_path: Path) -> None:
    found = await look_once(schema.look, installation_at(empty_database_url))
    assert found[:3] == ("schema", "fail", f"not created yet; this release needs {head()}")
    first, *steps = found[3].splitlines()
    assert first == "Run 'syncline migrate', which runs these migrations:"
    assert [step.split()[0] for step in steps] == [f"{number:04}" for number in range(1, int(head()) + 1)]
    findings = await examine(installation_at(empty_database_url, SYNCLINE_DATA_DIR=tmp_path))
    assert "workers" not in {finding.name for finding in findings}
    async with installation_at(empty_database_url).connected() as connection:
        assert await connection.fetchval("SELECT to_regnamespace('syncline')") is None


async def test_an_old_schema_lacks_the_migrations_after_it(empty_database_url: str) -> None:
    await asyncio.to_thread(command.upgrade, alembic_config(empty_database_url), "0011")
    found = await look_once(schema.look, installation_at(empty_database_url))
    assert found[2] == f"at version 0011; this release needs {head()}"
    assert found[3].splitlines()[1:3] == [
        "  0012  The columns of loaded tables, and how they have changed",
        "  0013  Since when a schedule is missing from a catalogue",
    ]


async def test_a_schema_of_a_newer_release_is_right(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("UPDATE syncline.alembic_version SET version_num = 'ffff'")
    found = await look_once(schema.look, installation_at(database_url))
    assert found[1:3] == ("ok", f"at version ffff, of a newer release than this one, which has {head()}")


async def test_a_store_that_moved_to_a_younger_server_is_a_failure(database_url: str) -> None:
    assert (await look_once(schema.look_at_positions, installation_at(database_url)))[1] == "ok"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO syncline.events (task, version, type, at, status, attempt, xid) "
            "VALUES (syncline.uuid7(syncline.clock()), 1, 'TaskScheduled', now(), 'SCHEDULED', 0, '987654321987')"
        )
    _, state, text, _ = await look_once(schema.look_at_positions, installation_at(database_url))
    assert state == "fail"
    assert "run 'syncline migrate'" in text


async def test_an_old_transaction_is_named_with_what_it_holds_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = installation_at(database_url)
    async with await psycopg.AsyncConnection.connect(database_url, application_name="a report") as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        pid = connection.info.backend_pid
        assert (await look_once(transactions.look_at_open, installation))[1] == "ok"
        monkeypatch.setattr(transactions, "LONG_WITH_ID", 0.0)
        found = await look(transactions.look_at_open, installation)
    [(_, state, text, remedy)] = [each for each in found if f"process {pid} " in each[2]]
    assert state == "warn"
    assert text.startswith(f"process {pid} (a report, login ")
    assert "idle in transaction) has been holding up the statistics and vacuum for " in text
    assert remedy == f"End its transaction, or run SELECT pg_terminate_backend({pid});"


async def test_an_old_snapshot_holds_up_vacuum_only(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "LONG_WITH_SNAPSHOT", 0.0)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SELECT 1")
        found = await look(transactions.look_at_open, installation_at(database_url))
        [text] = [each[2] for each in found if f"process {connection.info.backend_pid} " in each[2]]
    assert "has been holding up vacuum for " in text


async def test_what_a_login_may_not_see_is_not_taken_for_nothing(login: str, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("SELECT pg_current_xact_id()")
        _, state, text, remedy = await look_once(transactions.look_at_open, installation_at(login))
    assert state == "ok"
    assert "it may not see 1 of other logins" in text
    assert remedy == "To see all: GRANT pg_read_all_stats TO this login;"


async def test_a_prepared_transaction_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "pg"
    with EmbeddedPostgres(home, durable=False) as postgres, psycopg.connect(postgres.url, autocommit=True) as admin:
        assert (await look_once(transactions.look_at_prepared, installation_at(postgres.url)))[1] == "ok"
        admin.execute("ALTER SYSTEM SET max_prepared_transactions = 5")
    with EmbeddedPostgres(home, durable=False) as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as admin:
            admin.execute("BEGIN")
            admin.execute("SELECT pg_current_xact_id()")
            admin.execute("PREPARE TRANSACTION 'left here'")
        monkeypatch.setattr(transactions, "LONG_PREPARED", 0.0)
        _, state, text, remedy = await look_once(transactions.look_at_prepared, installation_at(postgres.url))
    assert state == "warn"
    assert text.startswith(
        "transaction 'left here' (login app, database app) is prepared and has been holding up the statistics "
    )
    assert remedy == "In its database, run COMMIT PREPARED or ROLLBACK PREPARED with 'left here'."


async def test_a_slot_that_nobody_reads_is_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database_name(database_url)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_create_physical_replication_slot(%s, true)", [name])
        try:
            assert (await look_once(transactions.look_at_slots, installation_at(database_url)))[1] == "ok"
            monkeypatch.setattr(transactions, "MUCH_WAL", 0)
            found = await look(transactions.look_at_slots, installation_at(database_url))
        finally:
            await admin.execute("SELECT pg_drop_replication_slot(%s)", [name])
    [(_, state, text, remedy)] = [each for each in found if name in each[2]]
    assert state == "warn"
    assert text.startswith(f"replication slot {name} (nobody reads it) holds ")
    assert remedy.endswith(f"SELECT pg_drop_replication_slot('{name}');")


async def test_a_locked_table_ends_a_check_and_not_the_others(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.doctor.installation.SECONDS", 0.5)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("LOCK TABLE syncline.workers IN ACCESS EXCLUSIVE MODE")
        findings = await examine(installation_at(database_url, SYNCLINE_DATA_DIR=tmp_path))
    by_name = {finding.name: finding for finding in findings}
    assert (by_name["workers"].state, by_name["workers"].text) == ("fail", "no answer within 5 s")
    assert by_name["schedules"].state == "ok"


async def test_a_session_to_look_leaves_the_settings_alone(database_url: str) -> None:
    set_database(database_url, lock_timeout="7s")
    connection = await connect_to_look(database_url, name="test", seconds=5)
    try:
        assert await connection.fetchval("SHOW lock_timeout") == "7s"
    finally:
        await connection.close()


@pytest.mark.parametrize("form", FORMS)
async def test_the_one_of_several_hosts_that_accepts_writes_is_looked_at(
    form: str, tcp_postgres: TcpServer, database_url: str
) -> None:
    with first_one_away(form, tcp_postgres, database_name(database_url)) as url:
        installation = installation_at(url)
        assert (await look_once(sessions.look_for_pooler, installation))[1] == "ok"
        async with installation.connected() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("CREATE TABLE public.never (id int)")


async def test_a_slow_password_program_has_its_own_time(
    login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (examination, installation):
        monkeypatch.setattr(module, "SECONDS", 0.5)
    monkeypatch.setattr(examination, "DATABASE", replace(examination.DATABASE, seconds=0.5))
    slow = "sh -c 'sleep 1; echo very-secret'"
    url = login.replace(":very-secret@", "@")
    findings = await examine(installation_at(url, SYNCLINE_DATA_DIR=tmp_path, DATABASE_PASSWORD_COMMAND=slow))
    assert [each.state for each in findings if each.name == "database"] == ["ok"]

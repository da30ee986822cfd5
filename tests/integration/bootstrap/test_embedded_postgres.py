"""The embedded server: started once, shared, gone with its owner, and never at the price of a commit."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import psutil
import psycopg
import pytest

from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.bootstrap.postgres_programs import NOBODY
from app.domain.errors import ConfigurationError, DatabaseUnreachableError
from tests.other_users import python_as_nobody
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Owns or shares the server of a home until its standard input ends.
OWNER = """
import sys
from pathlib import Path
from app.bootstrap.embedded_postgres import EmbeddedPostgres
from app.hiding import hide_from_others
hide_from_others()  # as `dev` does
with EmbeddedPostgres(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as postgres:
    print(postgres.url, flush=True)
    sys.stdin.read()
"""

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


@contextmanager
def owner_of(
    home: Path,
    *,
    durable: bool = False,
    command: tuple[str, ...] = (sys.executable,),
    environment: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps the server of *home*, and ends when the caller is done with it."""
    owner = subprocess.Popen(
        [*command, "-c", OWNER, str(home), "durable" if durable else "fast"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    with owner:
        try:
            yield owner
            release(owner)
        finally:
            owner.kill()


def release(owner: subprocess.Popen[str]) -> None:
    """Lets the owner stop its server and waits for its end, unless it was killed."""
    cast("IO[str]", owner.stdin).close()
    owner.wait(timeout=60)


def url_from(owner: subprocess.Popen[str]) -> str:
    """Waits until the owner's server is ready."""
    url = cast("IO[str]", owner.stdout).readline().strip()
    assert url, "the owner ended before its server was ready"
    return url


def server_pid(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])


def gone_within(pid: int, *, seconds: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.001)


def answer(url: str, question: str = "SELECT 1") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def write(url: str, *, table: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE {table} AS SELECT 42 AS it")


def test_rows_and_port_outlive_a_restart(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as postgres:
        first = postgres.tcp
        write(postgres.url, table="kept")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=first.host, port=first.port, user=first.user, password=first.password)
    with EmbeddedPostgres(home, durable=False) as postgres:
        assert answer(postgres.url, "SELECT it FROM kept") == 42
        assert postgres.tcp == first


def test_nobody_but_the_owner_of_home_gets_in(home: Path) -> None:
    home.mkdir(mode=0o755)
    with EmbeddedPostgres(home, durable=False) as postgres:
        tcp = postgres.tcp
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
        assert tcp.host == "127.0.0.1"
        assert tcp.password not in repr(tcp)
        with psycopg.connect(host=tcp.host, port=tcp.port, user=tcp.user, password=tcp.password, dbname="app") as known:
            hashed = known.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").fetchone()
            rules = known.execute("SELECT DISTINCT type, auth_method FROM pg_hba_file_rules ORDER BY type").fetchall()
        assert hashed is not None
        assert hashed[0].startswith("SCRAM-SHA-256$")
        assert rules == [("host", "scram-sha-256"), ("local", "trust")]
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(host=tcp.host, port=tcp.port, user=tcp.user, password=password, dbname="app")


def test_a_lost_password_is_made_anew(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as postgres:
        lost = postgres.tcp.password
    (home / "password").unlink()
    with EmbeddedPostgres(home, durable=False) as postgres:
        tcp = postgres.tcp
        assert tcp.password != lost
        psycopg.connect(host=tcp.host, port=tcp.port, user=tcp.user, password=tcp.password, dbname="app").close()


@on_linux
def test_a_killed_owner_takes_its_server_along_and_loses_no_commit(home: Path) -> None:
    for table in ("first", "second"):
        with owner_of(home, durable=True) as owner:
            url = url_from(owner)
            pid = server_pid(home)
            write(url, table=table)
            owner.kill()
            assert gone_within(pid, seconds=60)
    with EmbeddedPostgres(home) as postgres:
        assert answer(postgres.url, "SELECT count(*) FROM first JOIN second USING (it)") == 1


def test_two_that_start_at_once_share_one_server(home: Path) -> None:
    with owner_of(home) as one, owner_of(home) as other:
        urls = {url_from(one), url_from(other)}
        assert len(urls) == 1
        assert answer(urls.pop()) == 1


def test_the_stop_of_one_that_attached_leaves_the_server_running(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as owner:
        with EmbeddedPostgres(home, durable=False) as attached:
            assert (attached.url, attached.tcp) == (owner.url, owner.tcp)
        assert answer(owner.url) == 1


def test_one_that_waits_becomes_the_owner_when_the_first_is_killed_before_it_was_ready(home: Path) -> None:
    with owner_of(home) as first:
        wait_until(lambda: any(home.glob("data.unfinished-*/global")))
        with owner_of(home) as second:
            first.kill()
            assert answer(url_from(second)) == 1
    assert not any(home.glob("data.unfinished-*"))


def test_a_half_made_cluster_is_made_anew(home: Path) -> None:
    with owner_of(home) as owner:
        wait_until(lambda: any(home.glob("data.unfinished-*/PG_VERSION")))
        owner.kill()
    assert not (home / "data").exists()
    with EmbeddedPostgres(home, durable=False) as postgres:
        assert answer(postgres.url) == 1
    assert not any(home.glob("data.unfinished-*"))


def test_the_cluster_of_another_version_is_refused(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 15, but PostgreSQL \d\d is installed.*DATABASE_URL"):
        EmbeddedPostgres(home).start()


def test_what_is_no_cluster_is_refused_and_kept(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "diary").touch()
    with pytest.raises(ConfigurationError, match="is not a PostgreSQL data directory"):
        EmbeddedPostgres(home).start()
    assert (home / "data" / "diary").exists()


@pytest.mark.parametrize("name", ["long" * 30, "with, comma and space"])
def test_a_path_that_no_socket_can_have_gets_one_elsewhere(tmp_path: Path, name: str) -> None:
    with EmbeddedPostgres(tmp_path / name, durable=False) as postgres:
        with psycopg.connect(postgres.url) as connection:
            elsewhere = Path(connection.info.host)
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700
        assert not elsewhere.is_relative_to(tmp_path)
    assert not elsewhere.exists()


@on_linux
def test_the_socket_that_a_killed_owner_left_elsewhere_is_removed_by_the_next(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    with owner_of(home) as owner:
        with psycopg.connect(url_from(owner)) as connection:
            elsewhere = Path(connection.info.host)
        owner.kill()
    assert elsewhere.exists()
    with EmbeddedPostgres(home, durable=False):
        assert not elsewhere.exists()


@on_linux
def test_the_pid_of_a_crashed_server_may_be_somebody_elses_by_now(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        write(postgres.url, table="kept")
        pid = server_pid(home)
        pid_file = home / "data" / "postmaster.pid"
        _pid, *rest = pid_file.read_text().splitlines(keepends=True)
        backends = [child.pid for child in psutil.Process(pid).children()]
        os.kill(pid, signal.SIGKILL)
        assert all(gone_within(backend, seconds=60) for backend in backends)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            pid_file.write_text(f"{stranger.pid}\n{''.join(rest)}")
            with EmbeddedPostgres(home) as postgres:
                assert answer(postgres.url, "SELECT it FROM kept") == 42
            assert stranger.poll() is None
        finally:
            stranger.kill()


@on_linux
def test_a_server_that_outlived_its_lock_is_ended_by_the_next_owner(home: Path) -> None:
    with owner_of(home) as former:
        url_from(former)
        orphan = server_pid(home)
        os.kill(former.pid, signal.SIGSTOP)
        (home / "owner.lock").unlink()
        with EmbeddedPostgres(home, durable=False) as postgres:
            assert gone_within(orphan, seconds=60)
            assert answer(postgres.url) == 1
        former.kill()


def test_variables_meant_for_other_servers_do_not_matter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGPASSFILE"):
        monkeypatch.setenv(name, "elsewhere")
    with EmbeddedPostgres(home, durable=False) as postgres:
        assert answer(postgres.url, "SELECT current_database()") == "app"


def test_a_port_that_was_taken_meanwhile_is_exchanged(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as postgres:
        former = postgres.tcp
    with socket.create_server((former.host, former.port)), EmbeddedPostgres(home, durable=False) as postgres:
        assert postgres.tcp.port != former.port
        assert answer(postgres.url) == 1


def test_a_server_that_does_not_start_says_why_in_one_line(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False):
        pass
    with (home / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnreachableError, match=r"no_such_setting.*postgres\.log") as caught:
        EmbeddedPostgres(home, durable=False).start()
    assert "\n" not in str(caught.value)


def test_a_home_that_takes_no_files_is_one_line(home: Path) -> None:
    (home / "owner.lock").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=rf"^the directory {home} .*: Is a directory; choose another"):
        EmbeddedPostgres(home, durable=False).start()


def test_a_large_log_is_put_aside(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False):
        pass
    os.truncate(home / "postgres.log", 11 * 1024 * 1024)
    with EmbeddedPostgres(home, durable=False):
        assert (home / "postgres.log").stat().st_size < 1024 * 1024
    assert (home / "postgres.log.1").exists()


def test_a_thread_that_may_end_before_the_server_cannot_own_it(home: Path) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(home, durable=False).start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(caught[0])


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter, unlike tmp_path."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def as_nobody() -> tuple[str, ...]:
    return python_as_nobody("import app.bootstrap.embedded_postgres, embedded_postgres")


@only_root
def test_a_normal_user_has_a_server_of_its_own(open_directory: Path, as_nobody: tuple[str, ...]) -> None:
    os.chown(open_directory, NOBODY, NOBODY)
    home = open_directory / "postgres"
    with owner_of(home, command=as_nobody) as owner:
        url = url_from(owner)
        assert home.stat().st_uid == NOBODY
        assert answer(url) == 1
        pid = server_pid(home)
        owner.kill()
        assert gone_within(pid, seconds=60)


@only_root
def test_root_may_keep_its_home_where_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "postgres", durable=False) as postgres:
        assert answer(postgres.url) == 1
        assert (closed / "postgres" / "data").stat().st_uid == 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_root
def test_root_without_namespaces_serves_as_nobody_and_keeps_what_was_there(
    open_directory: Path, as_nobody: tuple[str, ...]
) -> None:
    del as_nobody  # the programs, too, must be where that user may run them
    home = open_directory / "postgres"
    without_unshare = {"PATH": str(open_directory)}
    with owner_of(home) as owner:
        write(url_from(owner), table="kept")
    for environment in (without_unshare, {}):
        with owner_of(home, environment=environment) as owner:
            assert answer(url_from(owner), "SELECT it FROM kept") == 42
            assert (home / "data").stat().st_uid == NOBODY


def test_the_home_of_another_user_is_refused(home: Path) -> None:
    if os.geteuid() == 0:
        home.mkdir()
        os.chown(home, 12345, 12345)
    else:
        home = Path("/")
    with pytest.raises(ConfigurationError, match=r"belongs to user \d+, not to \d+.*DATABASE_URL"):
        EmbeddedPostgres(home).start()


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/postgres .*Not a directory.*DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").start()

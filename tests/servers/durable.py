"""A PostgreSQL server with durable settings that can be crashed, and that others can follow and replace."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from app.bootstrap.postgres_cluster import LOOPBACK, ROLE, Cluster, end_server
from app.bootstrap.postgres_programs import choose_programs, find_wheel

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.servers.postgres import TcpServer

_STOP_SECONDS: Final = 30
# `all` stands for every database, and for no standby.
_STANDBYS_MAY_CONNECT: Final = f"host replication all {LOOPBACK}/32 scram-sha-256\n"


class DurableServer:
    """A server in a directory and on a port of its own. Use it from the main thread, with which it ends."""

    def __init__(self, home: Path, *, settings: str = "") -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._programs, major = choose_programs(find_wheel(), owner=os.geteuid())
        self._settle(home)
        is_new = not self._data.exists()
        self._cluster.make_or_check(major=major)
        if is_new:
            _append(self._data / "postgresql.conf", settings)
            _append(self._data / "pg_hba.conf", _STANDBYS_MAY_CONNECT)
        self._server = self._serve()

    @property
    def tcp(self) -> TcpServer:
        password = self._cluster.password_file.read_text()
        return {"host": LOOPBACK, "port": self._port, "user": ROLE, "password": password}

    @property
    def url(self) -> str:
        tcp = self.tcp
        return f"postgresql://{ROLE}:{tcp['password']}@{LOOPBACK}:{self._port}/{ROLE}"

    def connect(self) -> psycopg.Connection:
        """A connection that may write whatever the database says."""
        return psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=2,
            application_name="nemesis",
            options="-c default_transaction_read_only=off",
        )

    def configure(self, **settings: str) -> None:
        """Change the server's configuration, for the sessions of now too."""
        with self.connect() as connection:
            for name, value in settings.items():
                statement = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
                connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, sessions end; SIGQUIT: immediate, a crash whose recovery the next start has to do."""
        if self._server.poll() is None:
            self._server.send_signal(how)
            self._server.wait(timeout=_STOP_SECONDS)

    def start(self) -> None:
        """Does nothing where it runs."""
        if self._server.poll() is not None:
            self._server = self._serve()

    def move(self, home: Path) -> None:
        """Of a server that is stopped: go elsewhere, to a port too where nobody looks for it."""
        shutil.move(self.home, home)
        self._programs.give(home)
        self._settle(home)

    async def make_standby(self, home: Path) -> DurableServer:
        """Another server that follows this one, a copy of it."""
        copying = self._begin_copy(home)
        ended = await asyncio.to_thread(copying.wait)
        assert ended == 0, f"pg_basebackup failed: see its log in {home}"
        return DurableServer(home)

    def follow(self, primary: DurableServer) -> None:
        """Be a standby of another server from the next start on."""
        tcp = primary.tcp
        conninfo = f"host={tcp['host']} port={tcp['port']} user={tcp['user']} password={tcp['password']}"
        _append(self._data / "postgresql.auto.conf", f"primary_conninfo = '{conninfo}'\n")
        (self._data / "standby.signal").touch()

    def stop_receiving(self) -> None:
        """Of a standby: fall behind from now on."""
        self.configure(primary_conninfo="")

    def promote(self) -> None:
        with self.connect() as connection:
            row = connection.execute("SELECT pg_promote()").fetchone()
        assert row == (True,), "the standby did not become a primary"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs, such as `pg_dump`, for this server; it may write below `home`."""
        tcp = self.tcp
        server = ("--host", tcp["host"], "--port", str(tcp["port"]), "--username", tcp["user"], "--dbname", ROLE)
        done = self._programs.run(program, *server, *arguments, environment={"PGPASSWORD": tcp["password"]})
        assert done.returncode == 0, f"{program}: {done.stdout}"

    def close(self) -> None:
        end_server(self._server)

    def _settle(self, home: Path) -> None:
        self.home = home
        self._cluster = Cluster(home=home, programs=self._programs, durable=True)
        with socket.create_server((LOOPBACK, 0)) as probe:
            self._port = int(probe.getsockname()[1])

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _begin_copy(self, home: Path) -> subprocess.Popen[bytes]:
        home.mkdir(parents=True)
        self._programs.give(home)
        shutil.copy(self._cluster.password_file, home / "password")
        with (home / "pg_basebackup.log").open("ab") as log:
            return self._programs.start(
                "pg_basebackup",
                *("--host", LOOPBACK, "--port", str(self._port), "--username", ROLE, "--pgdata", home / "data"),
                *("--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-password", "--no-sync"),
                log=log,
                environment={"PGPASSWORD": self.tcp["password"]},
            )

    def _serve(self) -> subprocess.Popen[bytes]:
        return self._cluster.serve(port=self._port, socket_directory=self.home)


def _append(file: Path, text: str) -> None:
    with file.open("a") as settings:
        settings.write(text)

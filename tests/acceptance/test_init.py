"""`syncline init`, from nothing to rows of one's own, as people type it."""

from __future__ import annotations

import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import duckdb
import psycopg
import pytest
import yaml

from app.lifeline import end_with_parent
from tests.acceptance.cluster import wait_until
from tests.acceptance.laptop import Terminal
from tests.interruptible import INTERRUPTIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import TcpServer

SECRET = "p@ss/w:rd 1%"


class Newcomer:
    """Somebody in a directory of their own, with nothing but the command."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}

    @property
    def file(self) -> Path:
        return self.directory / "syncline.yaml"

    def type(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Conversation]:
        ours, theirs = pty.openpty()
        with closing(os.fdopen(ours, "r+b", buffering=0)) as screen:
            process = subprocess.Popen(
                [sys.executable, "-c", INTERRUPTIBLE, *arguments],
                cwd=self.directory,
                env=self.environment | {"COLUMNS": "80", "TERM": "xterm"},
                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            )  # fmt: skip
            os.close(theirs)
            try:
                yield Conversation(process, screen.read, screen.fileno())
            finally:
                process.kill()
                process.wait()

    def loads(self, source: str, database_url: str) -> str:
        """Type what `init` has told to type next; what `run` says at its end."""
        self.environment["DATABASE_URL"] = database_url
        assert "is valid" in self.type("check").stdout
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with (self.directory / "dev.out").open("w") as output:
            dev = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "dev", "--port", str(port)],
                cwd=self.directory, env=self.environment, stdout=output, stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two short calls that take no lock
            )  # fmt: skip
        try:
            wait_until("dev runs", (self.directory / ".syncline" / "api.json").exists)
            return self.type("run", source, "--wait").stdout
        finally:
            dev.terminate()
            dev.wait(60)


class Conversation(Terminal):
    """A terminal at which somebody answers."""

    def __init__(self, process: subprocess.Popen[bytes], read: object, keyboard: int) -> None:
        super().__init__(process, read)  # type: ignore[arg-type] # the screen's
        self._keyboard = keyboard
        self._answered = 0

    def answer(self, question: str, text: str) -> None:
        """Wait for the question, after what was answered before."""
        while question not in self.shown[self._answered :]:
            assert self._more(), f"{question!r} does not come after {self.shown!r}"
        self._answered = len(self.shown)
        os.write(self._keyboard, f"{text}\n".encode())

    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended it: one that comes just before the terminal is read counts with the next key."""
        self.process.send_signal(signal.SIGINT)
        return self.process.poll() is not None


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    (tmp_path / "work").mkdir()
    return Newcomer(tmp_path / "work")


@pytest.fixture
def shop_url(empty_database_url: str, tcp_postgres: TcpServer) -> Iterator[str]:
    """A database with a login of its own, whose password has odd characters."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        database = connection.info.dbname
        connection.execute('CREATE TABLE "Odd ""Name" (id integer PRIMARY KEY, changed_at timestamptz NOT NULL)')
        connection.execute("""INSERT INTO "Odd ""Name" SELECT n, now() FROM generate_series(1, 3) AS n""")
        connection.execute("CREATE TABLE orders (a integer, b integer, PRIMARY KEY (a, b))")
        connection.execute("INSERT INTO orders VALUES (1, 2)")
        connection.execute(f"CREATE ROLE {database}_reader LOGIN PASSWORD '{SECRET}'")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {database}_reader")
    place = f"{tcp_postgres['host']}:{tcp_postgres['port']}"
    yield f"postgres://{database}_reader:{quote(SECRET, safe='')}@{place}/{database}"
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {database}_reader")
        connection.execute(f"DROP ROLE {database}_reader")


def files_in(directory: Path) -> Path:
    data = directory / "my data [1]"
    (data / "below").mkdir(parents=True)
    for month in (1, 2, 12):
        (data / f"orders_2024-{month}.csv").write_text(f"id,total\n{month},5\n")
    (data / 'it\'s "odd" {x}: #.csv').write_text("q\n1\n")
    (data / "below" / "one.jsonl").write_text('{"a": 1}\n')
    (data / "readme.txt").write_text("nothing")
    return data


@pytest.mark.long
def test_a_directory_becomes_a_catalogue_that_loads_it(newcomer: Newcomer, database_url: str, tmp_path: Path) -> None:
    data = files_in(tmp_path)
    (data / "ragged.csv").write_text("a,b\n1,2,3\n")
    done = newcomer.type("init", "--from", str(data))
    assert "1 file in " in done.stderr
    assert "ragged.csv, line 2, column 3" in done.stderr
    assert done.stdout.startswith(
        "syncline.yaml: source 'my_data_1' with 3 collections, into 'warehouse'.\n\nNext, type:"
    )
    assert [line.partition(" -m app.cli ")[2] for line in done.stdout.splitlines()[-3:]] == [
        "check", "dev", "run my_data_1 --follow  # in another terminal",
    ]  # fmt: skip
    assert sorted(each.name for each in newcomer.directory.iterdir()) == ["syncline.yaml"]
    names = [each["name"] for each in yaml.safe_load(newcomer.file.read_text())["sources"]["my_data_1"]["collections"]]
    assert names == ['it\'s "odd" {x}: #', "orders", "below"]
    ends = newcomer.loads("my_data_1", database_url)
    assert ends.count("succeeded") == 3
    with duckdb.connect(str(newcomer.directory / "warehouse.duckdb")) as warehouse:
        assert warehouse.execute("SELECT count(*) FROM my_data_1_orders").fetchone() == (3,)
        assert warehouse.execute("SELECT count(*) FROM my_data_1_below").fetchone() == (1,)


@pytest.mark.long
def test_a_database_becomes_a_catalogue_without_its_password(
    newcomer: Newcomer, database_url: str, shop_url: str
) -> None:
    database = shop_url.rpartition("/")[2][:40]
    done = newcomer.type("init", "--from", shop_url)
    text = newcomer.file.read_text()
    variable = f"{database.upper()}_PASSWORD"
    assert f"read -rs {variable}; export {variable}  # type the password, percent-encoded as in a URL" in done.stdout
    for shown in (done.stdout, done.stderr, text):
        assert SECRET not in shown
        assert quote(SECRET, safe="") not in shown
    source = yaml.safe_load(text)["sources"][database]
    assert source["collections"] == [
        {"name": 'Odd "Name', "primary_key": ["id"]},
        {"name": "orders", "primary_key": ["a", "b"]},
    ]
    assert "# cursor_field: changed_at\n" in text
    assert f"${{env.{variable}}}@" in source["config"]["url"]
    newcomer.environment[variable] = quote(SECRET, safe="")
    assert newcomer.loads(database, database_url).count("succeeded") == 2
    with duckdb.connect(str(newcomer.directory / "warehouse.duckdb")) as warehouse:
        assert warehouse.execute(f'SELECT count(*) FROM "{database}_Odd ""Name"').fetchone() == (3,)


def test_questions_on_a_terminal_lead_there_too(newcomer: Newcomer, shop_url: str) -> None:
    login, _, rest = shop_url.rpartition("@")
    without = f"{login.rpartition(':')[0]}@{rest}"
    with newcomer.terminal("init") as terminal:
        terminal.answer("Where are your data?", "nowhere/at/all")
        terminal.answer("'nowhere/at/all' is neither a URL nor a file", without)
        terminal.answer("Password of ", "wrong-guess")
        terminal.answer("Where are your data? Give", without)
        terminal.answer("Password of ", SECRET)
        terminal.answer("Where should they go?", "")
        assert terminal.wait() == 0
    assert terminal.shown.count("password authentication failed") == 1
    assert "wrong-guess" not in terminal.shown
    assert SECRET not in terminal.shown
    assert "warehouse.duckdb" in newcomer.file.read_text()


def test_ctrl_c_leaves_nothing_behind(newcomer: Newcomer, tmp_path: Path) -> None:
    with newcomer.terminal("init") as terminal:
        terminal.answer("Where are your data?", str(files_in(tmp_path)))
        terminal.wait_for("Where should they go?")
        wait_until("the question ends", terminal.interrupted)
        # One more may come while it ends.
        assert terminal.wait() in {1, -signal.SIGINT}
    assert list(newcomer.directory.iterdir()) == []


def test_thousands_of_tables_are_all_written_unless_some_are_chosen(newcomer: Newcomer, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "big.db")) as connection:
        connection.executescript("".join(f"CREATE TABLE t_{n} (id INTEGER PRIMARY KEY);" for n in range(120)))
        connection.executescript('CREATE TABLE "a*b" (id INTEGER); CREATE TABLE "T_0_" (id INTEGER);')
    done = newcomer.type("init", "--from", str(tmp_path / "big.db"))
    assert "source 'big' with 121 collections" in done.stdout
    assert "--only 'sales.*'" in done.stdout
    assert "left out: a catalogue cannot name 'a*b'" in done.stderr
    few = newcomer.type("init", "--from", str(tmp_path / "big.db"), "--only", "t_1?,t_20", "--force")
    assert "source 'big' with 11 collections" in few.stdout
    none = newcomer.type("init", "--from", str(tmp_path / "big.db"), "--only", "x*", "--config", "other.yaml", code=2)
    assert none.stderr.startswith("syncline: --only takes none of 122, such as ")
    with newcomer.terminal("init", "--config", "asked.yaml") as terminal:
        terminal.answer("Where are your data?", str(tmp_path / "big.db"))
        terminal.answer("There are 122, such as ", "t_5,t_6")
        terminal.answer("Where should they go?", "")
        assert terminal.wait() == 0
    assert "source 'big' with 2 collections" in terminal.shown
    assert "-m app.cli check asked.yaml" in terminal.shown


def test_what_is_there_stays_unless_it_may_be_replaced(newcomer: Newcomer, tmp_path: Path) -> None:
    data = files_in(tmp_path)
    newcomer.file.write_text("mine")
    refused = newcomer.type("init", "--from", str(data), code=2)
    assert refused.stderr == (
        "syncline: 'syncline.yaml' already exists: name another file with --config, or replace it with --force\n"
    )
    assert newcomer.file.read_text() == "mine"
    for copy, had in (("syncline.yaml.old", "mine"), ("syncline.yaml.old2", "# ")):
        done = newcomer.type("init", "--from", str(data), "--force", "--only", "orders")
        assert done.stdout.startswith(f"The file that was there is now '{newcomer.directory / copy}'.\n")
        assert (newcomer.directory / copy).read_text().startswith(had)
    assert (newcomer.directory / "syncline.yaml.old").read_text() == "mine"
    assert yaml.safe_load(newcomer.file.read_text())["sources"]["my_data_1"]["collections"][0]["name"] == "orders"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "there is no terminal to ask: name the data with --from, as a URL such as "),
        (("--from", "missing"), 2, "'missing' is neither a URL nor a file or directory here"),
        (("--from", "."), 2, "has no CSV, JSONL or Parquet file"),
        (("--from", "postgresql://me:very-secret@127.0.0.1:1/shop"), 1, "127.0.0.1"),
        (("--from", "mysql://me:very-secret@127.0.0.1:1/shop"), 2, "driver for this URL is not installed"),
        (("--from", "redis://127.0.0.1"), 2, "redis:// cannot be looked into without a catalogue"),
        (("--from", "s3://bucket/x"), 2, "s3:// cannot be looked into without a catalogue"),
        (("--from", ".", "--config", "missing/x.yaml"), 2, "cannot write to the directory "),
    ],
)
def test_a_mistake_says_what_to_do_and_leaves_nothing(
    newcomer: Newcomer, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = newcomer.type("init", *arguments, code=code)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert "very-secret" not in done.stderr
    assert list(newcomer.directory.iterdir()) == []


def test_a_destination_that_does_not_work_is_found_before_anything_is_written(
    newcomer: Newcomer, tmp_path: Path
) -> None:
    data = str(files_in(tmp_path))
    away = newcomer.type("init", "--from", data, "--into", "postgresql://me:very-secret@127.0.0.1:1/x", code=1)
    assert "very-secret" not in away.stderr
    assert "warehouse" in away.stderr
    odd = newcomer.type("init", "--from", data, "--into", "what.txt", code=2)
    assert odd.stderr.startswith("syncline: 'what.txt' cannot be a destination here; give ")
    assert list(newcomer.directory.iterdir()) == []
    newcomer.type("init", "--from", data, "--into", "lake/", "--only", "orders")
    assert yaml.safe_load(newcomer.file.read_text())["destinations"]["warehouse"] == {"type": "parquet", "path": "lake"}

"""What a catalogue may say of dlt's destinations, and that nothing else has to wait for dlt."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.config.reader import load_catalogue
from app.connectors.dlt.examination import find_problems

if TYPE_CHECKING:
    from pathlib import Path


def complaints(destination: str) -> list[tuple[str, str]]:
    text = f"""
        sources:
          s: {{type: synthetic, destinations: [there], collections: [orders]}}
        destinations:
          there: {destination}
        """
    return [(problem.path, problem.message) for problem in load_catalogue(text, {}).problems]


@pytest.mark.parametrize(
    ("destination", "complaint"),
    [
        ("{type: 'dlt:clickhous'}", "did you mean 'dlt:clickhouse'?"),
        ("{type: 'dlt:duckdb', credentials: a.duckdb}", "is missing"),
        ("{type: 'dlt:duckdb', dataset: a}", "set 'credentials' to a connection URL"),
        ("{type: 'dlt:filesystem', dataset: a}", "set 'bucket_url' to a directory"),
        (
            "{type: 'dlt:snowflake', dataset: a, credentials: 'snowflake://me:hunter22@account/db'}",
            "type 'dlt:snowflake' needs packages that are not installed: pip install 'dlt[snowflake]'",
        ),
        (
            "{type: 'dlt:filesystem', dataset: a, bucket_url: 's3://bucket'}",
            "s3:// needs packages that are not installed: pip install 'dlt[s3]'",
        ),
    ],
)
def test_wrong_options_of_a_destination_are_refused(destination: str, complaint: str) -> None:
    (message,) = [message for path, message in complaints(destination) if path.startswith("destinations.")]
    assert complaint in message
    assert "hunter22" not in message


def test_dlt_examines_a_destination() -> None:
    destination = "{type: 'dlt:filesystem', dataset: a, bucket_url: /srv/lake, layuot: x}"
    messages = dict(complaints(destination))
    assert messages["destinations.there.layuot"].startswith("unknown key; did you mean 'layout'? choose one of ")
    assert "bucket_url" in messages["destinations.there.layuot"]


def test_a_password_of_digits_is_refused() -> None:
    credentials = "{drivername: sqlite, database: a.db, password: 1234567}"
    assert complaints(f"{{type: 'dlt:sqlalchemy', dataset: a, credentials: {credentials}}}")[1:] == [
        ("destinations.there.credentials.password", "must be a string; put it in quotes")
    ]


@pytest.mark.parametrize(
    ("type_", "mode"),
    [("'dlt:duckdb', credentials: a.duckdb", "history"), ("'dlt:filesystem', bucket_url: /srv/lake", "upsert")],
)
def test_a_write_mode_that_a_destination_lacks_is_refused(type_: str, mode: str) -> None:
    text = f"""
        sources:
          s: {{type: synthetic, destinations: [d], collections: [{{name: a, primary_key: id, write_mode: {mode}}}]}}
        destinations:
          d: {{type: {type_}, dataset: a}}
        """
    (problem,) = load_catalogue(text, {}).problems
    assert f"'{mode}'" in problem.message


def test_a_database_without_a_driver_is_told_when_the_catalogue_is_checked() -> None:
    messages = dict(complaints("{type: 'dlt:sqlalchemy', dataset: a, credentials: 'nonsense://h/d'}"))
    assert messages["destinations.there"] == "credentials: Can't load plugin: sqlalchemy.dialects:nonsense"


def test_a_configuration_that_could_not_be_examined_is_examined_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    (tmp_path / "examining.py").write_text(
        f"import pathlib, sys\nasked = pathlib.Path({str(asked)!r})\n"
        "asked.exists() or (asked.touch(), sys.exit('no memory'))\nprint('[]')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert find_problems("examining", {}) == (((), "dlt could not check the configuration: no memory"),)
    assert find_problems("examining", {}) == ()
    asked.unlink()
    assert find_problems("examining", {}) == (), "a verdict is kept"


def test_a_process_that_does_not_say_that_it_is_hidden_gets_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deaf.py").write_text("import sys; sys.stdin.read(); print('[]')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.connectors.dlt.examination._SECONDS", 3)
    assert find_problems("deaf", {}) == (((), "dlt did not check the configuration within 3 s"),)


def test_only_what_is_made_of_dlt_waits_for_it() -> None:
    modules = [
        "app.attempt.process",
        "app.config.check",
        "app.execution.worker",
        "app.connectors.destinations.duckdb.destination",
        "app.connectors.destinations.postgres.destination",
        *(
            f"app.connectors.sources.{kind}.source"
            for kind in ("files", "python", "redis", "singer", "sql", "synthetic")
        ),
    ]
    look = f"import sys, {', '.join(modules)}; print('dlt' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"

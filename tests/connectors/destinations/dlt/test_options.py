"""What a catalogue may say of APIs and of dlt's destinations, and that nothing else has to wait for dlt."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.config.reader import load_catalogue
from app.connectors.dlt.examination import find_problem

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  shop:
    type: rest
    destinations: [there]
    config:
      client: {{base_url: "https://shop.example.com", auth: {{type: bearer, token: hunter22}}, paginator: {paginator}}}
      resources: [orders, customers]
    collections: [{collection}]
destinations:
  there: {destination}
"""
NATIVE = "{type: none}"


def complaints(
    *, paginator: str = "single_page", collection: str = "orders", destination: str = NATIVE
) -> list[tuple[str, str]]:
    text = CATALOGUE.format(paginator=paginator, collection=collection, destination=destination)
    return [(problem.path, problem.message) for problem in load_catalogue(text, {}).problems]


def test_dlt_examines_the_configuration_of_an_api() -> None:
    assert complaints() == []
    ((path, message),) = complaints(paginator="{type: page_numbr}")
    assert path == "sources.shop.config"
    assert message.startswith("dlt does not accept the configuration: ")
    assert "page_numbr" in message
    assert "hunter22" not in message


def test_a_collection_that_is_no_resource_is_refused_with_those_there_are() -> None:
    ((path, message),) = complaints(collection="ordres")
    assert path == "sources.shop.collections[0]"
    assert message == "unknown resource 'ordres'; choose one of orders, customers, all"


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
    (message,) = [message for path, message in complaints(destination=destination) if path.startswith("destinations.")]
    assert complaint in message
    assert "hunter22" not in message


def test_dlt_examines_a_destination() -> None:
    destination = "{type: 'dlt:filesystem', dataset: a, bucket_url: /srv/lake, layuot: x}"
    messages = dict(complaints(destination=destination))
    assert messages["destinations.there"].startswith("layuot: unknown key; choose one of ")
    assert "bucket_url" in messages["destinations.there"]


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
    messages = dict(complaints(destination="{type: 'dlt:sqlalchemy', dataset: a, credentials: 'nonsense://h/d'}"))
    assert messages["destinations.there"] == "credentials: Can't load plugin: sqlalchemy.dialects:nonsense"


def test_a_configuration_that_could_not_be_examined_is_examined_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    (tmp_path / "examining.py").write_text(
        f"import pathlib, sys\nasked = pathlib.Path({str(asked)!r})\n"
        "asked.exists() or (asked.touch(), sys.exit('no memory'))\nprint('null')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert find_problem("examining", {}) == "dlt could not check the configuration: no memory"
    assert find_problem("examining", {}) is None
    asked.unlink()
    assert find_problem("examining", {}) is None, "a verdict is kept"


def test_only_what_is_made_of_dlt_waits_for_it() -> None:
    modules = [
        "app.attempt.__main__",
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

"""Sources and destinations that come over HTTP, before any catalogue has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.config.problems import CatalogueError
from app.config.this_machine import destination_problems
from app.config.unsaved import UNSAVED, read_unsaved_destination, read_unsaved_source

if TYPE_CHECKING:
    from pathlib import Path

ONLY_IN_CATALOGUES = "allowed only in the catalogue, because it names a program, file or Docker option of this machine"
NO_HOST = (
    "must name a host: without one, the database is reached through a socket of this machine, which is allowed only in "
    "the catalogue"
)
DLT = {"type": "dlt:sqlalchemy", "dataset": "d"}
PARTS = {"drivername": "postgresql", "host": "db", "database": "x"}
PLACEHOLDER = "has a placeholder, which is replaced only in a catalogue: send the value itself"
TAP = {"tap": "tap-shop", "config": {"start_date": "2020-01-01"}}
POSTGRES = {"type": "postgres", "datasource": {"host": "db", "db": "shop", "username": "u", "password": "hidden-one"}}


def problems_of(written: dict[str, Any], *, destination: bool = False) -> str:
    with pytest.raises(CatalogueError) as raised:
        read_unsaved_destination(written) if destination else read_unsaved_source(written)
    return str(raised.value)


def test_a_source_is_read_as_in_a_catalogue_without_its_destinations() -> None:
    written = {
        "source_id": "prj.shop",
        "type": "singer",
        "destinations": ["prj.unknown"],
        "schedule": "@daily",
        "project_name": "Shop",
        "config": TAP,
    }
    unsaved = read_unsaved_source(written)
    source = unsaved.catalogue.find_source(UNSAVED)
    assert (source.type, source.config, [*source.collections]) == ("singer", TAP, ["all"])
    assert unsaved.warnings == ("ignored: keys of Jitsu Classic that have no effect here: project_name",)


def test_a_destination_is_read_as_in_a_catalogue() -> None:
    unsaved = read_unsaved_destination(POSTGRES | {"data_layout": {"primary_key_fields": ["id"]}})
    options = unsaved.catalogue.destinations[UNSAVED].options
    assert options == {"host": "db", "database": "shop", "user": "u", "password": "hidden-one"}
    assert unsaved.catalogue.secrets() == {"hidden-one"}
    (warning,) = unsaved.warnings
    assert warning.startswith("data_layout.primary_key_fields: ignored: ")


def test_collections_are_needed_to_test_a_source_and_not_to_discover_it() -> None:
    written = {"type": "sql", "config": {"url": "postgresql://u:hidden-one@db/shop"}}
    read_unsaved_source(written, without_collections=True)
    redis = {"type": "redis", "config": {"host": "db"}}
    assert problems_of(redis) == "collections: needs at least one collection"


def test_every_problem_is_told_with_its_path_in_the_request_and_without_secrets() -> None:
    config = {"tap": "tap-shop", "konfig": 1, "package": "tap-shop"}
    said = problems_of({"type": "singer", "schedule": "now", "config": config})
    assert "config.konfig: unknown key; did you mean 'config'?" in said
    assert "schedule: " in said
    assert UNSAVED not in said
    assert "the request" not in said
    said = problems_of({**POSTGRES, "host": "db", "password": "hidden-one", "port": "hidden-one"}, destination=True)
    assert "hidden" not in said


def test_placeholders_are_refused_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden-one")
    for text in ("${env.HOME}", "a ${env.NOT_SET|default}", f"${{file.{tmp_path}/secret}}", "${env.HOME"):
        said = problems_of({"type": "singer", "config": {"tap": "tap-shop", "config": {"list": [text]}}})
        assert said == f"config.config.list[0]: {PLACEHOLDER}"
        assert problems_of({**POSTGRES, "schema": text}, destination=True) == f"schema: {PLACEHOLDER}"
    as_text = {"type": "singer", "config": {"tap": "tap-shop", "config": '{"token": "${env.TOKEN}"}'}}
    assert problems_of(as_text) == f"config.config: {PLACEHOLDER}"
    # The tap's own: what only looks like one stays as it is.
    read_unsaved_source({"type": "singer", "config": {"tap": "tap-shop", "config": {"text": "${name}"}}})


@pytest.mark.parametrize(
    ("type_", "config", "path"),
    [
        ("singer", {"command": "tap-shop"}, "config.command"),
        ("singer", {"command": ["tap-shop"]}, "config.command"),
        ("singer", {"tap": "tap-shop", "executable": "/bin/sh"}, "config.executable"),
        ("singer", {"tap": "tap-shop", "config": "/etc/tap.json"}, "config.config"),
        ("singer", {"tap": "tap-shop", "catalog": "catalog.json"}, "config.catalog"),
        ("singer", {"tap": "tap-shop", "initial_state": "state.json"}, "config.initial_state"),
        ("singer", {"tap": "tap-shop@file:///tmp/tap.zip"}, "config.tap"),
        ("singer", {"package": "tap-shop @ https://x.test/tap.whl"}, "config.package"),
        ("singer", {"package": "tap-shop==1.0", "constraints": "pins.txt"}, "config.constraints"),
        ("airbyte", {"docker_image": "source-shop", "docker_options": ["-v", "/:/host"]}, "config.docker_options"),
        ("airbyte", {"docker_image": "source-shop", "network": "host"}, "config.network"),
        ("airbyte", {"manifest": "manifest.yaml"}, "config.manifest"),
        ("airbyte", {"manifest": {"version": "1"}, "components": "code.py"}, "config.components"),
        ("sql", {"url": "sqlite:////etc/x.db"}, "config.url"),
        ("sql", {"url": "duckdb:///x.db"}, "config.url"),
        ("sql", {"url": "postgresql://db/x?sslmode=require&sslkey=/x"}, "config.url"),
        ("sql", {"url": "postgresql:///x?host=/var/run/postgresql"}, "config.url"),
        ("sql", {"url": "postgresql://u@%2Fvar%2Frun/x"}, "config.url"),
        ("sql", {"url": "postgresql://db/x", "password_command": "cat /etc/x"}, "config.password_command"),
        ("sql", {"url": "postgresql://db/x?sslrootc%65rt=/x"}, "config.url"),
        ("sql", {"url": "postgresql://db/x?host=/var/run/postgresql"}, "config.url"),
        ("sql", {"url": "postgresql://db,%2Frun/x"}, "config.url"),
        ("sql", {"url": "mysql+pymysql://db/x?read_default_file=my.cnf"}, "config.url"),
        (
            "singer",
            {"tap": "tap-shop", "config": {"from": [{"url": " file:///etc/passwd"}]}},
            "config.config.from[0].url",
        ),
        ("rest", {"base_url": "FILE:///etc"}, "config.base_url"),
        ("redis", {"url": "redis://db?ssl_ca_certs=/x"}, "config.url"),
        ("redis", {"host": "/run/redis.sock"}, "config.host"),
        ("redis", {"url": "unix:///run/redis.sock"}, "config.url"),
        (
            "google_analytics",
            {"view_id": "1", "auth": {"service_account_key": "/x.json"}},
            "config.auth.service_account_key",
        ),
    ],
)
def test_a_source_must_not_name_programs_or_files_of_this_machine(
    type_: str, config: dict[str, Any], path: str
) -> None:
    assert problems_of({"type": type_, "config": config, "collections": ["c"]}) == f"{path}: {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"type": "postgres", "datasource": {"host": "/var/run/postgresql"}}, "datasource.host"),
        ({"type": "postgres", "url": "host=db passfile=/x"}, "url"),
        ({"type": "postgres", "url": "postgresql://db?sslrootc%65rt=/x"}, "url"),
        ({"type": "postgres", "url": "postgresql://%40sock/x"}, "url"),
        ({"type": "postgres", "datasource": {"host": "db,/run"}}, "datasource.host"),
        (DLT | {"credentials": "sqlite:////x.db"}, "credentials"),
        (DLT | {"credentials": {"drivername": "sqlite+pysqlite", "database": "x.db"}}, "credentials.drivername"),
        (DLT | {"credentials": {"drivername": "postgresql", "host": "/run"}}, "credentials.host"),
        (DLT | {"credentials": {**PARTS, "query": {"sslkey": "key.pem"}}}, "credentials.query.sslkey"),
        (DLT | {"credentials": {**PARTS, "private_key_path": "key.pem"}}, "credentials.private_key_path"),
        (DLT | {"credentials": "postgresql://db/x", "staging": {"bucket_url": "file:///x"}}, "staging.bucket_url"),
        (DLT | {"credentials": "postgresql://db/x", "staging": {"bucket_url": "x"}}, "staging.bucket_url"),
        (
            {"type": "postgres", "datasource": {"host": "db", "parameters": {"sslkey": "/x"}}},
            "datasource.parameters.sslkey",
        ),
        ({"type": "singer", "config": {"command": "target"}}, "config.command"),
        ({"type": "singer", "package": "target==1", "settings": "/x.json"}, "settings"),
    ],
)
def test_a_destination_must_not_name_programs_or_files_of_this_machine(written: dict[str, Any], path: str) -> None:
    assert problems_of(written, destination=True) == f"{path}: {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"type": "postgres", "database": "x"}, "host"),
        ({"type": "postgres", "datasource": {"db": "x", "username": "u"}}, "datasource.host"),
        ({"type": "postgres", "url": "postgresql:///x"}, "url"),
        ({"type": "postgres", "url": "dbname=x"}, "url"),
        (DLT | {"credentials": "postgresql:///x"}, "credentials"),
        (DLT | {"credentials": {"drivername": "postgresql", "database": "x"}}, "credentials.host"),
        (DLT | {"type": "dlt:postgres", "credentials": {"database": "x"}}, "credentials.host"),
    ],
)
def test_a_database_without_a_host_is_on_this_machine(written: dict[str, Any], path: str) -> None:
    assert problems_of(written, destination=True) == f"{path}: {NO_HOST}"
    if isinstance(written.get("url"), str) and "://" in written["url"]:
        assert problems_of({"type": "sql", "config": {"url": written["url"]}}) == f"config.url: {NO_HOST}"


@pytest.mark.parametrize(
    "written",
    [
        {"type": "postgres", "url": "postgresql://one,two:5433/x?sslmode=require"},
        {"type": "postgres", "url": "hostaddr=127.0.0.1 dbname=x"},
        {"type": "postgres", "host": "one,two", "database": "x"},
        {"type": "postgres", "url": "postgresql://u:%2Fa@db/x?application_name=a"},
        DLT | {"type": "dlt:postgres", "credentials": {**PARTS, "username": "u", "password": "/a"}},
    ],
)
def test_hosts_elsewhere_are_accepted(written: dict[str, Any]) -> None:
    read_unsaved_destination(written)


def test_paths_that_are_not_of_this_machine_are_accepted() -> None:
    read_unsaved_source(
        {"type": "singer", "config": {"tap": "tap-shop", "config": {"path": "/orders", "service": "x"}}}
    )
    read_unsaved_source({"type": "sql", "config": {"url": "postgresql://one,two/x"}}, without_collections=True)
    assert list(destination_problems("dlt:databricks", {"credentials": {"http_path": "/sql/1.0/x"}})) == []


@pytest.mark.parametrize("type_", ["files", "python"])
def test_sources_that_are_on_this_machine_are_refused(type_: str) -> None:
    assert problems_of({"type": type_}) == f"type: '{type_}' is {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize("type_", ["duckdb", "parquet", "dlt:filesystem"])
def test_destinations_that_are_on_this_machine_are_refused(type_: str) -> None:
    assert problems_of({"type": type_}, destination=True) == f"type: '{type_}' is {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize("depth", [100, 250, 1000])
def test_what_is_nested_too_deep_is_refused(depth: int) -> None:
    nested: Any = "x"
    for _ in range(depth):
        nested = [nested]
    assert "is nested" in problems_of({"type": "singer", "config": {"tap": "tap-shop", "config": {"x": nested}}})


@pytest.mark.parametrize("type_", [None, "", 1, ["files"], {"files": 1}])
def test_a_type_is_needed(type_: object) -> None:
    assert problems_of({"type": type_, "config": {}}).startswith("type: ")

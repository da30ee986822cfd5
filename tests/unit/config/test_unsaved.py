"""Sources and destinations that come over HTTP, before any catalogue has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.config.problems import CatalogueError
from app.config.unsaved import UNSAVED, read_unsaved_destination, read_unsaved_source

if TYPE_CHECKING:
    from pathlib import Path

ONLY_IN_CATALOGUES = (
    "is possible only in a catalogue: what comes over HTTP must not name programs, files or options of Docker here"
)
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


@pytest.mark.parametrize("type_", ["files", "python"])
def test_sources_that_are_on_this_machine_are_refused(type_: str) -> None:
    assert problems_of({"type": type_}) == f"type: '{type_}' {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize("type_", ["duckdb", "parquet", "dlt:filesystem"])
def test_destinations_that_are_on_this_machine_are_refused(type_: str) -> None:
    assert problems_of({"type": type_}, destination=True) == f"type: '{type_}' {ONLY_IN_CATALOGUES}"


@pytest.mark.parametrize("depth", [100, 250, 1000])
def test_what_is_nested_too_deep_is_refused(depth: int) -> None:
    nested: Any = "x"
    for _ in range(depth):
        nested = [nested]
    assert "is nested" in problems_of({"type": "singer", "config": {"tap": "tap-shop", "config": {"x": nested}}})


@pytest.mark.parametrize("type_", [None, "", 1, ["files"], {"files": 1}])
def test_a_type_is_needed(type_: object) -> None:
    assert problems_of({"type": type_, "config": {}}).startswith("type: ")

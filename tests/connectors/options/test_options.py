from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from app.connectors.destinations.postgres.options import PostgresDestinationOptions
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options import addresses
from app.connectors.options.validation import validated
from app.connectors.sources.singer.options import SingerOptions
from app.domain.errors import ConfigurationError


def refusal(model: Any, given: dict[str, Any]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        validated(model, given, key_path="here")
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "exactly one of"),
        ({"package": "a==1", "command": "b"}, "found 'package' and 'command'"),
        ({"package": "tap-github"}, "'tap-github' is not pinned"),
        ({"package": "tap-github>=1"}, "is not pinned"),
        ({"package": ["tap-github==1", "extra"]}, "'extra' is not pinned"),
        ({"package": "--index-url"}, "is not pinned"),
        ({"tap": "--editable"}, "is not a package name"),
        ({"command": "tap", "catalog": {}, "properties": {}}, "give either 'catalog' or 'properties', not both"),
        ({"comand": "tap"}, "here.comand"),
        ({"tap": True}, "here.tap: must be a string, not true; put it in quotes"),
        ({"tap": ["a"]}, "here.tap: must be a string"),
    ],
)
def test_wrong_singer_options_are_refused(given: dict[str, Any], complaint: str) -> None:
    assert complaint in refusal(SOURCES["singer"].options, given)


@pytest.mark.parametrize(
    "given",
    [
        {"package": "meltanolabs-tap-postgres==0.10.0"},
        {"package": "tap-a==1.0 setuptools==70"},
        {"package": ["tap-a[extra]==1.0", "local @ file:///srv/tap.whl"]},
        {"tap": "tap-github", "config": '{"a": 1}', "initial_state": {}, "properties": "catalog.json"},
        {"command": ["python", "tap.py"]},
    ],
)
def test_singer_options_of_both_manners_are_understood(given: dict[str, Any]) -> None:
    assert validated(SingerOptions, given, key_path="here")


@pytest.mark.parametrize("path", ["", " ", "http://h/lake", "memory://lake", "zip::s3://b/a.zip", "s3://", "gs:///a"])
def test_a_place_where_no_files_can_be_written_is_refused(path: str) -> None:
    assert "here.path" in refusal(DESTINATIONS["parquet"].options, {"path": path})


@pytest.mark.parametrize("path", ["S3://Bucket/Lake", "FILE:///srv/Lake"])
def test_the_name_of_a_protocol_may_be_in_capitals(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(addresses, "check_installed", lambda *_: None)
    protocol, _, rest = path.partition("://")
    options = validated(DESTINATIONS["parquet"].options, {"path": path}, key_path="here").model_dump()
    assert options["path"] == f"{protocol.lower()}://{rest}"


@pytest.mark.parametrize("kind", ["airbyte", "rest", "google_play", "amplitude"])
def test_parameters_are_refused_where_collections_have_none(kind: str) -> None:
    assert "here.since" in refusal(SOURCES[kind].parameters, {"since": "2024-01-01"})


@pytest.mark.parametrize(
    ("model", "url", "others"),
    [
        (DESTINATIONS["postgres"].options, "postgresql://a", "port, user, password, database"),
        (SOURCES["redis"].options, "redis://a", "port, username, password, database, tls"),
    ],
)
def test_a_server_has_one_address(model: Any, url: str, others: str) -> None:
    assert f"set 'url', or 'host' (with {others})" in refusal(model, {})
    assert "'url' cannot be combined with 'host', 'port'" in refusal(model, {"url": url, "host": "b", "port": 1})
    assert "must be at most 65535, not 65536" in refusal(model, {"host": "b", "port": 65536})


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "must not be empty"),
        ("mysql://u:hunter2@host/db", "not a PostgreSQL URL"),
        ("mysql://u:hunter2@host/db?a=1", "not a PostgreSQL URL"),
        ("postgresql://u:hunter2@[::1/db", "not a PostgreSQL URL"),
        ("postgresql://u:hunter2@host/db?nosuchoption=1", "option that PostgreSQL does not know"),
        ("postgresql://u:hunter2@host:99999/db", "from 1 to 65535"),
        ("postgresql://u:hunter2@host:0/db", "from 1 to 65535"),
        ("postgresql://u:hunter2@host,other:1e3/db", "from 1 to 65535"),
    ],
)
def test_an_address_that_can_never_work_is_refused_and_not_shown(url: str, complaint: str) -> None:
    message = refusal(DESTINATIONS["postgres"].options, {"url": url})
    assert complaint in message
    assert "here.url" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p%40[@[::1]:5432/db?sslmode=require&application_name=x",
        "postgresql://one:1,two:65535/db?target_session_attrs=any",
        "postgresql://u@%2Fvar%2Frun%2Fpostgresql/db",
        "host=a port=5433 dbname=b password='://'",
    ],
)
def test_every_form_of_address_that_postgresql_knows_is_accepted(url: str) -> None:
    assert validated(PostgresDestinationOptions, {"url": url}, key_path="here").url


def test_a_refused_value_is_not_shown() -> None:
    assert "hunter2" not in refusal(DESTINATIONS["postgres"].options, {"host": "a", "passwort": "hunter2"})


@pytest.mark.parametrize("part", ["app.connectors.kinds", "app.bootstrap.worker", "app.bootstrap.api"])
def test_what_only_an_attempt_needs_is_loaded_by_nobody_else(part: str) -> None:
    code = f"import sys, {part}; sys.exit(bool({{'duckdb', 'pyarrow', 'psycopg'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("model", "given", "complaint"),
    [
        (SOURCES["singer"].options, {"command": "'tap"}, """here.command: "'tap" is not a command line: no closing"""),
        (SOURCES["airbyte"].options, {"command": "'tap"}, "here.command: "),
        (DESTINATIONS["singer"].options, {"command": "target '"}, "here.command: "),
        (SOURCES["files"].parameters, {"path": []}, "here.path: must not be empty"),
        (DESTINATIONS["postgres"].options, {"host": "a", "schema": ""}, "here.schema: must not be empty"),
        (SOURCES["redis"].options, {"host": "a", "po\u200brt": 1}, "here['po\\u200brt']: unknown key"),
        (SOURCES["redis"].options, {"host": "a", "port ": 1}, "here['port ']: unknown key"),
    ],
)
def test_what_a_reader_cannot_see_or_a_shell_cannot_parse_is_reported(
    model: Any, given: dict[str, Any], complaint: str
) -> None:
    assert complaint in refusal(model, given)

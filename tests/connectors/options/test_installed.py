"""What an extra would bring, and is not there, is told when a catalogue is checked."""

from __future__ import annotations

import sys

import pytest

from app.config.reader import load_catalogue
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options.validation import validated
from app.domain.errors import ConfigurationError

CATALOGUE = """
sources:
  shop: {{destinations: [nowhere], {source}}}
destinations:
  nowhere: {{type: none}}
"""


@pytest.mark.parametrize(
    ("missing", "extra", "source"),
    [
        ("redis", "redis", "type: redis, config: {host: h}, collections: [{name: a, parameters: {redis_key: k}}]"),
        ("fsspec", "files", "type: files, collections: [{name: a, parameters: {path: a.csv}}]"),
        ("aiohttp", "files", "type: files, collections: [{name: a, parameters: {path: 'https://host/a.csv'}}]"),
        ("s3fs", "files-s3", "type: files, collections: [{name: a, parameters: {path: 's3://bucket/*.csv'}}]"),
        ("gcsfs", "files-gs", "type: files, collections: [{name: a, parameters: {path: 'gs://bucket/*.csv'}}]"),
        ("dlt", "rest", "type: rest, config: {client: {base_url: 'http://h'}, resources: [a]}, collections: [a]"),
        (
            "adbc_driver_postgresql",
            "sql-parallel",
            "type: sql, config: {url: 'postgresql://h/d', read_parallel: 2}, collections: [a]",
        ),
        ("duckdb_engine", "sql-duckdb", "type: sql, config: {url: 'duckdb:////srv/a.duckdb'}, collections: [a]"),
    ],
)
def test_a_source_that_cannot_be_read_for_want_of_a_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str, extra: str, source: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    (problem,) = load_catalogue(CATALOGUE.format(source=source), {}).problems
    assert problem.path.startswith("sources.shop.")
    assert problem.message.endswith(f"needs packages that are not installed: pip install 'syncline[{extra}]'")


@pytest.mark.parametrize(
    ("missing", "extra", "destination"),
    [
        ("duckdb", "duckdb", "type: duckdb, path: a.duckdb"),
        ("fsspec", "files", "type: parquet, path: lake"),
        ("s3fs", "files-s3", "type: parquet, path: 's3://bucket/lake'"),
    ],
)
def test_a_destination_that_cannot_be_written_for_want_of_a_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, missing: str, extra: str, destination: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    (problem,) = load_catalogue(f"destinations: {{there: {{{destination}}}}}", {}).problems
    assert problem.path.startswith("destinations.there")
    assert problem.message.endswith(f"needs packages that are not installed: pip install 'syncline[{extra}]'")


def test_an_attempt_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    for model, given in (
        (SOURCES["redis"].options, {"host": "localhost"}),
        (DESTINATIONS["duckdb"].options, {"type": "duckdb", "path": "a.duckdb"}),
    ):
        assert model is not None
        with pytest.raises(ConfigurationError, match=r"pip install 'syncline\["):
            validated(model, given, key_path="here")

"""A placeholder that is the whole value of a key takes the type that the key wants, or the one that it names."""

from __future__ import annotations

import datetime as dt

import pytest

from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.connectors.kinds import DESTINATIONS, SOURCES

CATALOGUE = """
server: {port: "${env.PORT}", drain_seconds: "${env.SECONDS}"}
sources:
  cache:
    type: redis
    destinations: [warehouse]
    timeout: "${env.DURATION}"
    max_attempts: "${env.PORT}"
    config: {host: here, port: "${env.PORT}", tls: "${env.FLAG}", password: "${env.DIGITS}"}
    collections: [{name: keys, parameters: {redis_key: "*"}}]
  tap:
    type: singer
    destinations: "${env.NAMES:json}"
    config:
      command: tap
      config: {port: "${env.PORT:int}", strict: "${env.FLAG:bool}", schemas: "${env.NAMES:json}", id: "${env.DIGITS}"}
destinations:
  warehouse: {type: postgres, host: here, port: "${env.PORT}", password: "${env.DIGITS}"}
"""
ENVIRONMENT = {
    "PORT": "12",
    "SECONDS": "1.5",
    "DURATION": "90m",
    "FLAG": "true",
    "DIGITS": "00471",
    "NAMES": '["warehouse"]',
}


def test_options_with_a_model_take_what_they_want() -> None:
    catalogue = load_catalogue(CATALOGUE, ENVIRONMENT)
    assert catalogue.problems == []
    assert (catalogue.server.port, catalogue.server.drain_seconds) == (12, 1.5)
    cache = catalogue.sources["cache"]
    assert cache.collections["keys"].timeout == dt.timedelta(minutes=90)
    assert cache.collections["keys"].max_attempts == 12
    options = SOURCES["redis"].options.model_validate(cache.config).model_dump()
    assert (options["port"], options["tls"]) == (12, True)
    assert options["password"].get_secret_value() == "00471"
    described = DESTINATIONS["postgres"].options.model_validate(catalogue.destinations["warehouse"].for_attempt())
    assert described.model_dump()["port"] == 12


def test_free_documents_get_the_types_that_placeholders_name() -> None:
    tap = load_catalogue(CATALOGUE, ENVIRONMENT).sources["tap"]
    assert tap.config["config"] == {"port": 12, "strict": True, "schemas": ["warehouse"], "id": "00471"}
    assert tap.destinations == ("warehouse",)


def test_what_is_not_of_the_named_type_is_told_with_its_key_and_line() -> None:
    catalogue = load_catalogue(CATALOGUE, ENVIRONMENT | {"FLAG": "maybe"})
    (problem,) = catalogue.rejected["tap"]
    why = "environment variable FLAG must be true or false, as the placeholder has the type ':bool'"
    assert str(problem) == f"catalogue:16: sources.tap.config.config.strict: {why}"


def test_all_sources_may_be_one_placeholder_of_json() -> None:
    text = 'sources: "${env.SOURCES:json}"\ndestinations: {nowhere: {type: none}}\n'
    load = '{"load": {"type": "synthetic", "destinations": "nowhere", "collections": ["made"]}}'
    assert list(load_catalogue(text, {"SOURCES": load}).sources) == ["load"]
    with pytest.raises(CatalogueError, match=r"sources: must be"):
        load_catalogue(text, {"SOURCES": "12"})

"""A number that YAML would change stays the text that was written where text is wanted, and is a number elsewhere."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from app.config.reader import load_catalogue

FORMS = ["0012345", "007", "1e3", "0x1F", "0o17", "1.10", "+49", "-0", "1234567890123456789012345.0", "12345"]


def catalogue(text: str, environment: dict[str, str] | None = None) -> Any:
    loaded = load_catalogue(text, environment or {})
    assert loaded.problems == []
    return loaded


@pytest.mark.parametrize("written", FORMS)
def test_ids_and_names_are_as_written(written: str) -> None:
    loaded = catalogue(
        f"""
        sources:
          {written}:
            type: synthetic
            destinations: [{written}]
            collections: [{written}, {{name: a, table_name: {written}, type: {written}, primary_key: [{written}]}}]
        destinations:
          {written}: {{type: none}}
        """
    )
    source = loaded.sources[written]
    assert source.destinations == (written,)
    named, a = source.collections.values()
    assert (named.name, named.table_name) == (written, f"{written}_{written}")
    assert (a.table_name, a.type, a.primary_key) == (written, written, [written])
    assert list(loaded.destinations) == [written]


@pytest.mark.parametrize("written", FORMS)
def test_tokens_and_passwords_are_as_written(written: str) -> None:
    loaded = catalogue(
        f"""
        server: {{admin_token: {written}}}
        sources:
          cache: {{type: redis, config: {{host: h, password: {written}}}, destinations: [w], collections: [
            {{name: a, parameters: {{redis_key: {written}}}}}]}}
          tap:
            type: singer
            config: {{command: tap, config: {{api_token: &t {written}, passwords: [*t], nested: {{secret: *t}}}}}}
            destinations: [w]
            collections: [a]
        destinations:
          w: {{type: postgres, host: h, database: {written}, user: u, password: {written}}}
        """
    )
    assert loaded.server.admin_token == written
    assert loaded.destinations["w"].options | {"host": "h"} == {
        "host": "h",
        "database": as_text(written),
        "user": "u",
        "password": as_text(written),
    }
    assert str(loaded.sources["cache"].config["password"]) == written
    assert str(loaded.sources["cache"].collections["a"].parameters["redis_key"]) == written
    text = as_text(written)
    assert loaded.sources["tap"].config["config"] == {
        "api_token": text,
        "passwords": [text],
        "nested": {"secret": text},
    }
    if len(written) > 3:
        assert written in loaded.secrets()


def as_text(written: str) -> str | int:
    """What an attempt gets: a number that is as it was written stays one, and its options make the same text of it."""
    return 12345 if written == "12345" else written


def test_numbers_are_numbers() -> None:
    loaded = catalogue(
        """
        server: {port: 0x1F90, drain_seconds: 1.50, sync_tasks: {pool: {size: 007}}}
        sources:
          s:
            type: synthetic
            destinations: [w]
            max_attempts: 03
            collections: [{name: a, parameters: {records: 1e3, fail_rate: 0.10, log_lines: 0o17}}]
        destinations: {w: {type: none}}
        """
    )
    server = loaded.server
    assert (server.port, server.drain_seconds, server.sync_tasks.pool.size) == (8080, 1.5, 7)
    collection = loaded.sources["s"].collections["a"]
    assert collection.max_attempts == 3
    job = collection.for_attempt(dt.datetime(2026, 3, 10, tzinfo=dt.UTC))
    assert json.loads(msgspec.json.encode(job.parameters)) == {"records": 1000, "fail_rate": 0.1, "log_lines": 15}


def test_where_anything_is_accepted_zeros_at_the_beginning_are_text() -> None:
    loaded = catalogue(
        """
        sources:
          tap:
            type: singer
            config: {command: tap, config: {account: 0012345, rate: 0.50, size: 1e3, mask: 0x1F, ids: [007, 8, 0]}}
            destinations: [w]
            collections: [a]
        destinations: {w: {type: none}}
        """
    )
    sent = json.loads(msgspec.json.encode(loaded.sources["tap"].config["config"]))
    assert sent == {"account": "0012345", "rate": 0.5, "size": 1000.0, "mask": 31, "ids": ["007", 8, 0]}


def test_json_and_placeholders_are_understood_alike() -> None:
    source = {
        "type": "singer",
        "config": {"command": "tap", "config": {"token": "${env.TOKEN}", "n": "${env.N:int}", "j": "${env.J:json}"}},
        "destinations": ["w"],
        "collections": ["a"],
    }
    written = {"sources": {"s": source}, "destinations": {"w": {"type": "none"}}}
    text = json.dumps(written).replace('["a"]', "[1.10]")
    loaded = catalogue(text, {"TOKEN": "0012345", "N": "007", "J": '{"token": 1.10, "rate": 1.10}'})
    assert list(loaded.sources["s"].collections) == ["1.10"]
    sent = json.loads(msgspec.json.encode(loaded.sources["s"].config["config"]))
    assert sent == {"token": "0012345", "n": 7, "j": {"token": "1.10", "rate": 1.1}}


def test_a_library_that_checks_settings_sees_the_text() -> None:
    loaded = catalogue(
        """
        sources:
          api:
            type: rest
            config:
              client: {base_url: http://api, headers: {X-Account: 007}, auth: {type: bearer, token: 1e3}}
              resources: [a]
            destinations: [w]
        destinations: {w: {type: none}}
        """
    )
    client = loaded.sources["api"].config["client"]
    assert (client["headers"], client["auth"]["token"]) == ({"X-Account": "007"}, "1e3")


def test_classic_s_ids_are_as_written() -> None:
    loaded = catalogue(
        """
        sources:
          ads:
            type: facebook_marketing
            config: {account_id: 0012345, access_token: 007123}
            destinations: [w]
            collections: [{name: a, type: insights, parameters: {fields: [clicks]}}]
        destinations: {w: {type: none}}
        """
    )
    assert loaded.sources["ads"].config == {"account_id": "0012345", "access_token": "007123"}


def test_an_error_quotes_what_was_written() -> None:
    loaded = load_catalogue(
        """
        sources: {s: {type: synthetic, destinations: [0012], max_attempts: 0x100, collections: [a]}}
        destinations: {w: {type: none}}
        """,
        {},
    )
    messages = [problem.message for problem in loaded.problems]
    assert messages == ["unknown destination '0012'; the only one is 'w'", "must be at most 100, not 0x100"]

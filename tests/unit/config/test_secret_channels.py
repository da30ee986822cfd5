"""No kind of source or destination lets a secret out when it is refused: `check`, the log, `/readyz` and the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.config.problems import CatalogueError, Problem
from app.config.reader import load_catalogue
from app.connectors.kinds import DESTINATIONS, SOURCES
from app.connectors.options.complaints import key_names
from tests.unit.domain.secret_examples import LONGER_TEXTS, SECRET

if TYPE_CHECKING:
    from pydantic import BaseModel


def in_every_key(options: type[BaseModel], text: str) -> dict[str, Any]:
    """The text where it may not stand: as a value of each key, in a list and in a mapping, as a key, as a type."""
    keys = [*key_names(options), "unknown"]
    return dict(zip(keys, [text, [text], {"a": text}] * len(keys), strict=False)) | {text: 1}


def problems_of(document: dict[str, Any]) -> list[Problem]:
    try:
        catalogue = load_catalogue(json.dumps(document), {})
    except CatalogueError as error:
        return [*error.problems, *error.warnings]
    return [*catalogue.problems, *catalogue.warnings]


def assert_no_secret(problems: list[Problem]) -> None:
    assert len(problems) >= len(LONGER_TEXTS)
    assert [str(problem) for problem in problems if SECRET in f"{problem!r} {problem}"] == []


@pytest.mark.parametrize("kind", SOURCES)
def test_no_source_shows_a_secret_in_what_is_wrong_with_it(kind: str) -> None:
    sources: dict[str, Any] = {}
    for number, text in enumerate(LONGER_TEXTS.values()):
        written = {"type": kind, "config": in_every_key(SOURCES[kind].options, text), "timezone": text}
        parameters = in_every_key(SOURCES[kind].options, text)
        sources[f"s{number}"] = written | {"collections": [{"name": "c", "parameters": parameters, "schedule": text}]}
        sources[f"t{number}"] = {"type": text, "destinations": [text], "collections": [text, {"name": text}]}
    assert_no_secret(problems_of({"sources": sources}))


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_no_destination_shows_a_secret_in_what_is_wrong_with_it(kind: str) -> None:
    destinations: dict[str, Any] = {}
    for number, text in enumerate(LONGER_TEXTS.values()):
        destinations[f"d{number}"] = in_every_key(DESTINATIONS[kind].options, text) | {"type": kind}
        destinations[f"t{number}"] = {"type": text}
    assert_no_secret(problems_of({"destinations": destinations}))


def test_no_section_shows_a_secret_in_what_is_wrong_with_it() -> None:
    for text in LONGER_TEXTS.values():
        for document in (
            {text: 1},
            {"server": {"port": text, text: 1}},
            {"notifications": {text: text}},
            {"sources": text},
            {"sources": {text: 1}},
            {"destinations": {text: {"type": "none", "x": 1}}},
        ):
            assert [problem for problem in problems_of(document) if SECRET in f"{problem!r} {problem}"] == []


def test_what_people_say_about_a_source_shows_no_secret_of_any_part() -> None:
    document = {
        "server": {"admin_token": "token-of-server"},
        "sources": {
            "shop": {
                "type": "synthetic",
                "destinations": ["lake"],
                "owner": "ask for token-of-server",
                "collections": [
                    {
                        "name": "orders",
                        "labels": ["password-of-lake", "gold"],
                        "description": "written with password-of-lake",
                        "runbook": "https://wiki.example.com/?q=word-of-other",
                    }
                ],
            },
            "other": {
                "type": "sql",
                "config": {"url": "postgresql://me:word-of-other@db/x"},
                "destinations": ["lake"],
                "collections": [{"name": "users"}],
            },
        },
        "destinations": {"lake": {"type": "postgres", "url": "postgresql://me:password-of-lake@db/x"}},
    }
    catalogue = load_catalogue(json.dumps(document), {})
    assert catalogue.problems == []
    shop = catalogue.sources["shop"]
    orders = shop.collections["orders"]
    assert (shop.about.owner, orders.owner) == ("ask for ***",) * 2
    assert (orders.labels, orders.description) == (("***", "gold"), "written with ***")
    assert orders.runbook == "https://wiki.example.com/?q=***"
    assert catalogue.sources["other"].collections["users"].owner is None

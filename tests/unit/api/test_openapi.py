"""The OpenAPI document and the copy of it that is checked in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.api.openapi import openapi_document, openapi_text

CHECKED_IN = Path(__file__).parents[3] / "openapi.json"


def test_the_copy_that_is_checked_in_is_the_document() -> None:
    assert CHECKED_IN.read_text(encoding="utf-8") == openapi_text(), "run: syncline openapi > openapi.json"


SCOPES = dict.fromkeys(
    ["scheduleTask", "cancelTask", "backfill", "pauseSource", "resumeSource"], "run"
) | dict.fromkeys(
    [
        *("clearCache", "testSource", "discoverSource", "setBookmark", "listBookmarks", "testDestination"),
        *("discoverTap", "discoverImage", "describeImage", "listImageVersions"),
    ],
    "admin",
)


def test_every_operation_says_what_it_answers_and_asks_for_the_token_where_it_must() -> None:
    document = openapi_document()
    ids = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                ids.append(operation["operationId"])
                assert operation["responses"].keys() >= {"200", "414", "431"}
                assert ("401" in operation["responses"]) == path.startswith("/api/v1/")
                scope = SCOPES.get(operation["operationId"])
                assert ("403" in operation["responses"]) == bool(scope)
                expected = [{"header": [scope]}, {"query": [scope]}] if scope else None
                assert operation.get("security") == (expected if path.startswith("/api/v1/") else [])
    assert len(ids) == len(set(ids)) == 25


def test_every_reference_leads_to_a_schema() -> None:
    document = openapi_document()
    names = set(document["components"]["schemas"])
    assert references(document) == {f"#/components/schemas/{name}" for name in names}


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()

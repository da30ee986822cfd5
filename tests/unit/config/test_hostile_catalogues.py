"""Whatever stands in the file: a catalogue, or problems that each name their place. Never anything else."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.config.catalogue import build_catalogue
from app.config.problems import CatalogueError, Problem
from app.config.reader import CatalogueReader
from app.domain.keys import LONGEST_NAME, name_problem
from tests.unit.config.test_documents import JSON_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

VALID: dict[str, Any] = {
    "server": {"admin_token": "token", "port": 8001, "sync_tasks": {"pool": {"size": 4}}},
    "sources": {
        "shop": {
            "type": "singer",
            "destinations": ["warehouse", "file"],
            "schedule": "@hourly",
            "timezone": "Europe/Berlin",
            "misfire_window": "1h",
            "config": {"package": "tap-shop==1.0", "config": {"password": "${env.NAME|secret}"}, "state": {}},
            "collections": [
                "orders",
                {"name": "users", "sync_mode": "incremental", "cursor_field": "at", "primary_key": ["id"]},
                {"name": "old", "schedule": "none", "start_date": "2020-06-01", "timeout": "2h", "max_attempts": 2},
            ],
        },
        "load": {
            "type": "synthetic",
            "destinations": "nowhere",
            "collections": [{"name": "x", "parameters": {"records": 5}}],
        },
    },
    "destinations": {
        "warehouse": {"type": "postgres", "url": "postgresql://u:p@localhost/db", "schema": "s"},
        "file": {"type": "duckdb", "path": "warehouse.duckdb"},
        "nowhere": {"type": "none"},
    },
}
# What has meaning somewhere: to YAML, to placeholders, to URLs, to libpq, to cron, to SQL and to paths.
LOADED = st.sampled_from(
    [
        *("${env.X}", "${env.", "${", "@every 0s", "* * * *", "CRON_TZ=", "postgresql://", "postgresql://[", "://"),
        *("'", "\0", chr(0xD800), "a/b", "..", "~", "<<", "!!python/object:os.system x", "&a *a", "{", "- -"),
        *("\u202e", "\x85", "9" * 400, "-1", "1e999", ".inf", "http://[x", "http://h:99999", "file://[x", "//[x"),
    ]
)
WORDS = st.lists(
    st.sampled_from(
        [*"{}[]:,-&*!|>'\"%@`#? \n\t", "\n  ", ": ", "- ", "sources", "server", "name", "${env.X}", "1", "<<"]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


def findings(text: str) -> tuple[Problem, ...]:
    """Everything that is wrong, of a catalogue that can be used or not; the name of the file is `catalogue`."""
    reader = CatalogueReader(text, {"NAME": "value"})
    try:
        catalogue = build_catalogue(reader.read(), {"NAME": "value"})
    except CatalogueError as error:
        return error.problems
    return (*catalogue.problems, *catalogue.warnings)


def assert_each_has_its_place(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        assert problem.message
        assert "unexpected error" not in problem.message, problem
        assert problem.place.startswith(("catalogue", "sources")), problem  # a text under `sources` may be a document
        assert len(str(problem).splitlines()) == 1, problem
        str(problem).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands below `value`."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """The valid document, in which some values are others, some keys are new and some are gone."""
    document = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        if not (paths := list(places(document))):
            break
        *above, key = draw(st.sampled_from(paths))
        inner: Any = document
        for part in above:
            inner = inner[part]
        change = draw(st.sampled_from(["replace", "rename", "remove"]))
        value = draw(JSON_VALUES | LOADED)
        if change == "replace":
            inner[key] = value
        elif change == "rename" and isinstance(inner, dict):
            inner[draw(st.text(max_size=5) | LOADED)] = inner[key]
        elif change == "remove":
            del inner[key]
    return document


@given(st.text(max_size=200) | WORDS)
def test_any_text_is_a_catalogue_or_tells_what_is_wrong_and_where(text: str) -> None:
    assert_each_has_its_place(findings(text))


@given(document=mutated(), flow=st.booleans())
def test_a_valid_document_that_was_changed_is_one_or_tells_what_is_wrong_and_where(
    document: Any, *, flow: bool
) -> None:
    assert_each_has_its_place(
        findings(yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True, sort_keys=False))
    )


@given(document=mutated())
def test_the_same_in_json(document: Any) -> None:
    assert_each_has_its_place(findings(json.dumps(document)))


def test_the_document_that_is_changed_is_valid() -> None:
    assert findings(yaml.safe_dump(VALID)) == ()


@given(st.text(max_size=300) | LOADED | st.text("ü\U0001f600é", min_size=60, max_size=140))
def test_a_name_that_is_accepted_can_stand_everywhere(name: str) -> None:
    if name_problem(name) is None:
        assert 0 < len(name.encode()) <= LONGEST_NAME
        assert name == name.strip()
        assert not set(name) & set("\0\r\n/")

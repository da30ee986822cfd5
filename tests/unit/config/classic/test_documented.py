"""Thirty configurations of Jitsu Classic, as its documentation describes them, mean here what they meant there.

Each YAML file has one in `config`, with the environment that it needs in `environment`. `expected` has what it means:
`destinations` (the options), `sources` (their collections, with the keys that are set, and `config` where it is not the
one that is written), `tables` (those that a catalog names), `server` (a few keys), `warnings` and `problems`, all of
them, each `key: beginning of the message`. An editor accepts what has no problems.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.connectors.contract.stream_tables import tables_in
from app.domain.duration import format_duration
from tests.unit.config.test_catalogue_schema import complaints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config.problems import Problem

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))


def test_there_are_thirty() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_means_what_it_meant(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = SimpleNamespace(util=SimpleNamespace(find_spec=lambda _name: True))
    monkeypatch.setattr("app.connectors.options.installed.importlib", everything)
    case = yaml.safe_load(path.read_text())
    expected = case["expected"]
    try:
        found = load_catalogue(case["config"], case.get("environment") or {})
    except CatalogueError as error:
        assert_tells(map(told, error.problems), expected.pop("refused"))
        assert expected == {}
        return
    if not found.problems:
        assert complaints(case["config"]) == []
    assert_tells(map(told, found.problems), expected.pop("problems", []))
    assert_tells(sorted(map(told, found.warnings)), sorted(expected.pop("warnings", [])))
    if "server" in expected:
        assert {"port": found.server.port, "pool": found.server.sync_tasks.pool.size} == expected.pop("server")
    assert {id_: each.options for id_, each in found.destinations.items()} == expected.pop("destinations", {})
    for id_, tables in expected.pop("tables", {}).items():
        assert tables_in(found.sources[id_].config["catalog"]) == tables
    sources = expected.pop("sources", {})
    assert found.sources.keys() == sources.keys()
    for id_, source in found.sources.items():
        meant = sources[id_]
        assert {name: settings(each) for name, each in source.collections.items()} == meant.pop("collections")
        assert list(source.destinations) == meant.pop("destinations")
        assert source.type == meant.pop("type")
        assert source.config == meant.pop("config", source.written["config"])
        assert meant == {}
    assert expected == {}


def settings(collection: Any) -> dict[str, Any]:
    """What is set of a collection, as a catalogue writes it."""
    set_ = collection.model_dump(exclude_defaults=True, exclude={"name", "max_shrink"})
    if set_.get("type") == collection.name:
        del set_["type"]
    return {key: plain(value) for key, value in set_.items()}


def plain(value: Any) -> Any:
    """A value as YAML has it."""
    return format_duration(value) if isinstance(value, dt.timedelta) else value


def told(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}"


def assert_tells(found: Iterable[str], expected: list[str]) -> None:
    lines = list(found)
    assert len(lines) == len(expected), lines
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning), line

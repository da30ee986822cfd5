"""What a run of the tests has seen working: `pytest --seen FILE` writes it down, whatever the number of processes.

A test says first what it is going to show, and at its end what it has shown; only one that passed counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

_OPTION: Final = "--seen"
_PLANNED, _SHOWN, _REFUSED = "planned", "shown", "refused"


def plans(node: pytest.Item, source: str, destinations: Iterable[str], mode: str) -> None:
    """To be said before anything that may skip the test."""
    node.user_properties += [(_PLANNED, _cell(source, each, mode)) for each in destinations]


def shows(node: pytest.Item, source: str, destination: str, mode: str, *, killed: Iterable[str]) -> None:
    """Every row has arrived once, also after attempts were killed `before`, `inside` and `after` a commit."""
    node.user_properties.append((_SHOWN, _cell(source, destination, mode) | {"killed": sorted(killed)}))


def shows_refusal(node: pytest.Item, source: str, destination: str, mode: str) -> None:
    """The destination cannot be loaded in this mode, and says so before a row of the source is read."""
    node.user_properties.append((_REFUSED, _cell(source, destination, mode)))


class Record:
    """The plugin: it hears the reports of all processes where they come together."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[str, list[Any]] = {_SHOWN: [], _REFUSED: [], "skipped": []}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if report.when == "call" and report.passed and name in (_SHOWN, _REFUSED):
                self._found[name].append(value)
            elif report.skipped and name == _PLANNED:
                self._found["skipped"].append(value)

    def pytest_sessionfinish(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._found, indent=1) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_OPTION, type=Path, metavar="FILE", help="write down which connectors were seen working together")


def pytest_configure(config: pytest.Config) -> None:
    file = config.getoption(_OPTION)
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Record(file))


def _cell(source: str, destination: str, mode: str) -> dict[str, Any]:
    return {"source": source, "destination": destination, "mode": mode}

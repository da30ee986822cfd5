"""What is written of each kind without importing it is what its class can do."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from app.connectors import kinds as options
from app.connectors.contract.intervals import IntervalSource
from app.connectors.contract.kind import DestinationKind, SourceKind
from app.connectors.contract.offers import Discovering
from app.connectors.kinds import DESTINATIONS, SOURCES, import_class
from app.connectors.making import make_destination, make_source
from app.connectors.sources.classic.mapping import DRIVERS
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError
from tests.connectors.fences import fence_of

READ_BY_A_CLASS = {name: kind.where for name, kind in SOURCES.items() if kind.where is not None}


@pytest.mark.parametrize("name", READ_BY_A_CLASS)
def test_what_is_written_of_a_source_is_what_its_class_can_do(name: str) -> None:
    kind, class_ = SOURCES[name], import_class(READ_BY_A_CLASS[name])
    assert (kind.offers is not None) == issubclass(class_, Discovering)
    assert kind.reads_intervals == issubclass(class_, IntervalSource)
    assert not (kind.reads_intervals and kind.instead_of_intervals)
    assert list(inspect.signature(class_).parameters)[2:5] == ["job", "work_dir", "log"]


@pytest.mark.parametrize("where", sorted({kind.where for kind in DESTINATIONS.values()}))
def test_a_destination_has_the_class_that_is_written_of_it(where: str) -> None:
    assert {"open", "begin", "write", "commit", "close"} <= set(dir(import_class(where)))


def test_only_classics_types_are_read_by_other_kinds() -> None:
    assert set(SOURCES) - set(READ_BY_A_CLASS) == set(DRIVERS)
    assert not set(SOURCES) & {"none", "postgres"}
    assert not set(DESTINATIONS) & {"synthetic", "rest"}


class GivenError(Exception):
    pass


class Given:
    def __init__(self, *given: Any, **settings: Any) -> None:
        raise GivenError(len(given), sorted(settings))


def test_a_kind_is_what_the_register_says_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"{__name__}:{Given.__name__}"
    synthetic, none = SOURCES["synthetic"], DESTINATIONS["none"]
    monkeypatch.setitem(options.SOURCES, "new", SourceKind(synthetic.options, synthetic.parameters, where))
    monkeypatch.setitem(options.DESTINATIONS, "none", DestinationKind(none.options, where, keeps_bookmark=False))
    with pytest.raises(GivenError, match=r"3, \['log', 'work_dir'\]"):
        make_source(job("new"), work_dir=Path(), log=unheard)
    with pytest.raises(GivenError, match=r"2, \['data_dir', 'log', 'name', 'remembered', 'work_dir'\]"):
        make_destination("d", {"type": "none"}, fence=FENCE, work_dir=Path(), log=unheard)


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^sources\.s\.type: unknown source type 'pigeon'; choose one of singer, "
    ):
        make_source(job("pigeon"), work_dir=Path(), log=unheard)
    with pytest.raises(
        ConfigurationError, match=r"^destinations\.d\.type: unknown destination type 'pigeon'; choose one of postg"
    ):
        make_destination("d", {"type": "pigeon"}, fence=FENCE, work_dir=Path(), log=unheard)


FENCE = fence_of("t")


def job(source_type: str) -> SourceJob:
    return SourceJob(
        source="s",
        source_type=source_type,
        source_config={},
        collection=CollectionJob(name="c", type="c", table_name="t", start_date="2024-01-01"),
        data_dir="",
    )


def unheard(_level: str, _line: str) -> None:
    pass

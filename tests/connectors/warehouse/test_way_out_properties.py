"""From whatever state loads and hands have left, the documented commands lead to tables equal to the source."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.attempts import Duckdb, Postgres
from tests.connectors.warehouse.changing import DROP, RESET, SYNC, ChangingScene, Step, growing, scenes
from tests.properties import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.connectors.attempts import Warehouse

WAYS = st.sampled_from([SYNC, RESET, DROP])
_COMMAND = re.compile(r"'(syncline sources reset(?: --drop)?)'")
_STATEMENT = re.compile(r"or run (ALTER TABLE .*?)(?:;|$)")


def follow(error: str, scene: ChangingScene, *, done: list[str]) -> list[str]:
    """Does what an error says: runs its statements or, if it has none, the command that it names."""
    commands = sorted({*_STATEMENT.findall(error)}) or sorted({*_COMMAND.findall(error)})[-1:]
    assert commands, error
    assert not {*commands} & {*done}, error
    for command in commands:
        scene.command(command)
    return commands


def check(steps: list[Step], way: str, warehouse: Callable[[Path], Warehouse]) -> None:
    *before, last = growing(steps) if way == SYNC else steps
    with tempfile.TemporaryDirectory() as directory:
        scene = ChangingScene(Path(directory), warehouse(Path(directory)))
        for step in before:
            scene.take(step)
        scene.configure(last)
        ways = [way]
        scene.command(way)
        while (error := scene.load()) is not None:
            ways += follow(error, scene, done=ways)
        scene.check(ways)


@pytest.mark.long
@examples(12)
@given(steps=scenes(), way=WAYS)
def test_duckdb_gets_tables_equal_to_the_source(steps: list[Step], way: str) -> None:
    check(steps, way, lambda directory: Duckdb(directory / "there.duckdb"))


@pytest.mark.long
@examples(30, share_fixtures=True)
@given(steps=scenes(), way=WAYS)
def test_postgres_gets_tables_equal_to_the_source(postgres: Postgres, steps: list[Step], way: str) -> None:
    def emptied(_directory: Path) -> Postgres:
        postgres.execute("DROP SCHEMA IF EXISTS loaded CASCADE")
        return postgres

    check(steps, way, emptied)

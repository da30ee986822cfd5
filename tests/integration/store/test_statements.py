"""Every named statement of the `.sql` files is used, and every name that is used is there."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from app.store.queries import load_statements

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

STORE = resources.files("app.store")
SQL = {file.name: file.read_text() for file in (STORE / "sql").iterdir() if file.name.endswith(".sql")}
PARTS = "parts.sql"
FILES = sorted(SQL.keys() - {PARTS})
MODULES = [file for file in STORE.iterdir() if file.name.endswith(".py")]


def modules_with(file: str) -> list[Traversable]:
    return [module for module in MODULES if f'load_statements("{file}")' in module.read_text()]


@pytest.mark.parametrize("file", FILES)
def test_the_names_of_a_file_are_those_that_its_module_uses(file: str) -> None:
    [module] = modules_with(file)
    used = set(re.findall(r'_SQL\[f?"(\w+)', module.read_text()))
    named = set(load_statements(file))
    assert {name for name in named if not any(name == word or name.startswith(word) for word in used)} == set()
    assert {word for word in used if not any(name.startswith(word) for name in named)} == set()


def test_every_part_is_used_and_every_part_that_is_used_is_there() -> None:
    used = {part for file in SQL for part in re.findall(r"\{(\w+)\}", SQL[file])}
    assert used == set(load_statements(PARTS))


@pytest.mark.parametrize("file", [*FILES, PARTS])
def test_every_statement_says_what_it_does(file: str) -> None:
    for name, statement in load_statements(file).items():
        assert statement.startswith("-- "), name

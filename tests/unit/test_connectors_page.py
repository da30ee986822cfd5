"""What docs/connectors.md shows works as it stands there."""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.connectors import classic
from app.connectors.classic import DRIVERS
from app.connectors.classic_options import UNMAPPED
from app.connectors.option_types import NoParameters
from app.connectors.options import SOURCES
from tests.deploy_files import ROOT
from tests.unit.test_readme import ENVIRONMENT, FENCE, first_cells, rows

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "connectors.md").read_text()
BLOCKS = FENCE.findall(PAGE)
KEYS = {
    f"{name.capitalize()} {part}": sorted(field.alias or key for key, field in model.model_fields.items())
    for name, kind in SOURCES.items()
    if name not in ("singer", "synthetic", *DRIVERS)
    for part, model in (("config", kind.options), ("parameters", kind.parameters))
    if model not in (None, NoParameters)
}


def section(heading: str) -> str:
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize("text", [block for language, block in BLOCKS if language == "yaml"])
def test_the_catalogues_shown_can_be_used(text: str) -> None:
    catalogue = load_catalogue(text, ENVIRONMENT | {"SHOP_PASSWORD": "s3cret"})
    assert catalogue.problems == []
    assert catalogue.warnings == ()


@pytest.mark.parametrize("heading", KEYS)
def test_a_table_of_options_has_every_key_and_no_other(heading: str) -> None:
    assert sorted(first_cells(section(heading))) == KEYS[heading]


def test_the_table_of_classics_sources_has_every_type_with_what_reads_it() -> None:
    table = [row for row in rows(section("Sources of Jitsu Classic")) if row[0]]
    assert {row[0].strip("`") for row in table} == {*DRIVERS, *UNMAPPED} - {"sdk_source"}
    named = set(re.findall(r"airbyte-source-[\w-]+==[\d.]+", section("Sources of Jitsu Classic")))
    assert named == {value for value in vars(classic).values() if isinstance(value, str) and "==" in value}


def test_the_function_shown_passes_the_test_shown_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    shown = "\n".join(block for language, block in BLOCKS if language == "python")
    module(shown).test_orders(tmp_path)
    with pytest.raises(AssertionError, match=r"going on from bookmark 0 .* loses 1 records"):
        module(shown.replace("Bookmark(path.stem)", "Bookmark('9')")).test_orders(tmp_path)


def module(code: str) -> Any:
    made = ModuleType("page")
    exec(code, vars(made))  # noqa: S102 - our own page
    return made

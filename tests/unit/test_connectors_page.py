"""Every kind of source and destination has its page, with the options that it has in the code."""

from __future__ import annotations

import re
import tomllib
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from app.connectors.destinations.dlt.options import DLT
from app.connectors.kinds import DESTINATION_TYPES, DESTINATIONS, SOURCE_TYPES, SOURCES, can_discover
from app.connectors.options import installed
from app.connectors.sources.classic import mapping as classic
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.sources.classic.options import UNMAPPED, GoogleAuth
from tests.deploy_files import ROOT
from tests.unit.test_readme import DOCS, FENCE, first_cells, rows, section

if TYPE_CHECKING:
    from pathlib import Path

SOURCE_INDEX, DESTINATION_INDEX = ((DOCS / side / "README.md").read_text() for side in ("sources", "destinations"))
CLASSIC = (DOCS / "sources" / "classic.md").read_text()
PYTHON = (DOCS / "sources" / "python.md").read_text()
KINDS = [name for name in SOURCE_TYPES if name not in DRIVERS]
PARTS = {
    "sources": ["What it reads", "Example", "Options", "Bookmark", "Limits and errors"],
    "destinations": ["What it writes", "Example", "Options", "Write modes", "Limits and errors"],
}


def page_of(side: str, kind: str) -> str:
    """The name of the page that tells of a kind: some share one."""
    if side == "sources" and kind in DRIVERS:
        return "classic"
    return kind.partition(":")[0]


PAGES = sorted(
    {("sources", page_of("sources", kind)) for kind in SOURCE_TYPES}
    | {("destinations", page_of("destinations", kind)) for kind in DESTINATION_TYPES}
)


def text_of(side: str, page: str) -> str:
    return (DOCS / side / f"{page}.md").read_text()


def part(heading: str, text: str) -> str:
    """What stands below a heading of a page, its own headings included; nothing where there is no such heading."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def keys(model: type[BaseModel] | None) -> list[str]:
    return sorted(field.alias or key for key, field in model.model_fields.items()) if model else []


OPTIONS = {
    (side, page, heading): found
    for side, page, heading, model in [
        *(("sources", kind, "config", SOURCES[kind].options) for kind in KINDS),
        *(("sources", kind, "parameters", SOURCES[kind].parameters) for kind in KINDS),
        *(("sources", "classic", f"{kind} config", SOURCES[kind].options) for kind in DRIVERS),
        *(("sources", "classic", f"{kind} parameters", SOURCES[kind].parameters) for kind in DRIVERS),
        ("sources", "classic", "auth", GoogleAuth),
        *(
            ("destinations", kind, "Options", DESTINATIONS[kind].options)
            for kind in DESTINATION_TYPES
            if not kind.startswith(DLT)
        ),
    ]
    if (found := keys(model))
}


@pytest.mark.parametrize("side", PARTS)
def test_every_kind_has_its_page_and_every_page_its_kind(side: str) -> None:
    pages = {path.stem for path in (DOCS / side).glob("*.md")} - {"README"}
    assert pages == {page for where, page in PAGES if where == side}


@pytest.mark.parametrize(("side", "page"), PAGES)
def test_a_page_has_the_same_parts_in_the_same_order_as_all_others(side: str, page: str) -> None:
    parts = re.findall(r"^## (.+)$", FENCE.sub("", text_of(side, page)), re.MULTILINE)
    assert [each for each in parts if each in PARTS[side]] == PARTS[side]
    assert re.search(r"^```yaml\n", part("Example", text_of(side, page)), re.MULTILINE), "the example"


@pytest.mark.parametrize(("side", "page", "heading"), OPTIONS)
def test_a_table_of_options_has_every_key_and_no_other(side: str, page: str, heading: str) -> None:
    assert sorted(first_cells(section(heading, text_of(side, page)))) == OPTIONS[side, page, heading]


@pytest.mark.parametrize("page", [page for side, page in PAGES if side == "sources"])
def test_every_table_of_a_source_s_options_is_held_against_a_model(page: str) -> None:
    options = part("Options", text_of("sources", page))
    headed = re.findall(r"^### ((?:\w+ )?(?:config|parameters|auth))$", options, re.MULTILINE)
    assert sorted(headed) == sorted(heading for side, where, heading in OPTIONS if (side, where) == ("sources", page))


def test_the_tables_of_dlts_destinations_have_their_keys_and_what_each_can_do() -> None:
    text = text_of("destinations", "dlt")
    *written, others = first_cells(section("Options", text))
    types = [name for name in DESTINATION_TYPES if name.startswith(DLT)]
    assert sorted(written) == keys(DESTINATIONS[types[0]].options)
    assert others == "other keys"
    table = {row[0].strip("`"): row[2:] for row in rows(section("What it writes", text))}
    assert sorted(table) == sorted(types)
    for name, said in table.items():
        can = [mode for mode, word in zip(("append", "upsert", "replace"), said, strict=True) if word != "no"]
        assert can == list(DESTINATIONS[name].write_modes), name


@pytest.mark.parametrize(
    ("index", "types"), [(SOURCE_INDEX, SOURCE_TYPES), (DESTINATION_INDEX, DESTINATION_TYPES)], ids=list(PARTS)
)
def test_an_index_has_every_type(index: str, types: tuple[str, ...]) -> None:
    shown = {kind for row in kinds_in(index) for kind in re.findall(r"`([\w:]+)…?`", row[0])}
    assert shown == {DLT if kind.startswith(DLT) else kind for kind in types}


def kinds_in(index: str) -> list[list[str]]:
    """The rows of the index's first table: type, what it does, extra."""
    return rows(index.partition("\n## ")[0])


def test_the_table_of_offers_has_every_kind_that_can_be_asked() -> None:
    table = {row[0].strip("`"): row[1] for row in rows(section("What sources offer", SOURCE_INDEX))}
    classics = "Jitsu Classic's types"
    offering = {kind for kind, said in table.items() if not said.startswith("nothing")}
    assert offering == {classics if kind in DRIVERS else kind for kind in SOURCE_TYPES if can_discover(kind)}
    assert table.keys() - {classics} <= set(KINDS)


GIVEN: list[tuple[str, type[BaseModel] | None, dict[str, Any]]] = [
    ("singer", SOURCES["singer"].options, {"command": "tap"}),
    ("airbyte", SOURCES["airbyte"].options, {"command": "source"}),
    ("sql", SOURCES["sql"].options, {"url": "sqlite:////srv/shop.db"}),
    ("sql", SOURCES["sql"].options, {"url": "duckdb:////srv/shop.duckdb"}),
    ("sql", SOURCES["sql"].options, {"url": "postgresql://shop.example.com/shop", "read_parallel": 2}),
    ("rest", SOURCES["rest"].options, {"client": {"base_url": "https://shop.example.com"}, "resources": ["orders"]}),
    ("files", SOURCES["files"].options, {}),
    *(("files", SOURCES["files"].parameters, {"path": f"{each}://bucket/orders.csv"}) for each in ("s3", "gs")),
    ("redis", SOURCES["redis"].options, {"host": "localhost"}),
    ("python", SOURCES["python"].options, {"function": "shop"}),
    ("synthetic", SOURCES["synthetic"].options, {}),
    ("postgres", DESTINATIONS["postgres"].options, {"host": "localhost"}),
    ("duckdb", DESTINATIONS["duckdb"].options, {"path": "warehouse.duckdb"}),
    ("parquet", DESTINATIONS["parquet"].options, {"path": "/srv/lake"}),
    *(("parquet", DESTINATIONS["parquet"].options, {"path": f"{each}://bucket/lake"}) for each in ("s3", "gs")),
    (
        "dlt:…",
        DESTINATIONS["dlt:duckdb"].options,
        {"type": "dlt:duckdb", "dataset": "shop", "credentials": "shop.duckdb"},
    ),
    ("none", DESTINATIONS["none"].options, {}),
]


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _, _ in GIVEN))
def test_an_index_names_the_extras_that_are_asked_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()
    for there in ((), ("fsspec",)):  # without these nobody asks what addresses in buckets need
        find_spec = {each: each for each in there}.get
        monkeypatch.setattr(installed, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=find_spec)))
        asked |= {extra for name, model, given in GIVEN if name == kind for extra in missing(model, given)}
    [said] = {
        row[2] for index in (SOURCE_INDEX, DESTINATION_INDEX) for row in kinds_in(index) if f"[`{kind}`]" in row[0]
    }
    assert set(re.findall(r"`([\w-]+)`", said)) == asked


def missing(model: type[BaseModel] | None, given: dict[str, Any]) -> list[str]:
    assert model
    try:
        model.model_validate(given)
    except ValidationError as error:
        return re.findall(r"syncline\[([\w-]+)\]", str(error))
    return []


def test_the_indexes_name_every_extra_of_a_connector() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = [row for index in (SOURCE_INDEX, DESTINATION_INDEX) for row in kinds_in(index)]
    named = {each for row in table for each in re.findall(r"`([\w-]+)`", row[2])}
    assert named == project["optional-dependencies"].keys() - {"embedded"}


def test_the_table_of_classics_sources_has_every_type_with_what_reads_it() -> None:
    text = section("What it reads", CLASSIC)
    table = [row for row in rows(text) if row[0]]
    assert {row[0].strip("`") for row in table} == {*DRIVERS, *UNMAPPED} - {"sdk_source"}
    named = set(re.findall(r"airbyte-source-[\w-]+==[\d.]+", text))
    assert named == {value for value in vars(classic).values() if isinstance(value, str) and "==" in value}


def test_the_function_shown_passes_the_test_shown_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    shown = "\n".join(block for language, block in FENCE.findall(PYTHON) if language == "python")
    module(shown).test_orders(tmp_path)
    with pytest.raises(AssertionError, match=r"resuming from bookmark 0 .* loses 1 records"):
        module(shown.replace("Bookmark(path.stem)", "Bookmark('9')")).test_orders(tmp_path)


def module(code: str) -> Any:
    made = ModuleType("page")
    exec(code, vars(made))  # noqa: S102 - our own page
    return made

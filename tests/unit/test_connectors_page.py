"""What the pages of connectors show works as it stands there."""

from __future__ import annotations

import re
import tomllib
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from app.config.reader import load_catalogue
from app.connectors.destinations.dlt.options import DLT
from app.connectors.kinds import DESTINATION_TYPES, DESTINATIONS, SOURCE_TYPES, SOURCES, can_discover
from app.connectors.options import installed
from app.connectors.sources.classic import mapping as classic
from app.connectors.sources.classic.mapping import DRIVERS
from app.connectors.sources.classic.options import UNMAPPED
from tests.deploy_files import ROOT
from tests.unit.test_readme import ENVIRONMENT, FENCE, anchor, first_cells, rows, section

if TYPE_CHECKING:
    from pathlib import Path

SOURCES_PAGE, DESTINATIONS_PAGE, LOADING_PAGE, CONNECTORS_PAGE = (
    (ROOT / "docs" / f"{name}.md").read_text() for name in ("sources", "destinations", "loading", "connectors")
)
PAGES = (SOURCES_PAGE, DESTINATIONS_PAGE, LOADING_PAGE)
BLOCKS = [block for page in PAGES for block in FENCE.findall(page)]
KINDS = [name for name in SOURCE_TYPES if name not in DRIVERS]
TITLES = {"sql": "SQL", "rest": "REST", "postgres": "PostgreSQL", "duckdb": "DuckDB"}


def title(kind: str) -> str:
    return TITLES.get(kind, kind.capitalize())


def keys(model: type[BaseModel] | None) -> list[str]:
    return sorted(field.alias or key for key, field in model.model_fields.items()) if model else []


KEYS = {
    heading: (page, found)
    for heading, page, model in [
        *((f"{title(kind)} config", SOURCES_PAGE, SOURCES[kind].options) for kind in KINDS),
        *((f"{title(kind)} parameters", SOURCES_PAGE, SOURCES[kind].parameters) for kind in KINDS),
        *(
            (
                f"{'Singer target' if kind == 'singer' else title(kind)} options",
                DESTINATIONS_PAGE,
                DESTINATIONS[kind].options,
            )
            for kind in DESTINATION_TYPES
            if not kind.startswith(DLT)
        ),
    ]
    if (found := keys(model))
}


@pytest.mark.parametrize("text", [block for language, block in BLOCKS if language == "yaml"])
def test_the_catalogues_shown_can_be_used(text: str) -> None:
    catalogue = load_catalogue(text, ENVIRONMENT | {"SHOP_PASSWORD": "s3cret"})
    assert catalogue.problems == []
    assert catalogue.warnings == ()


@pytest.mark.parametrize("heading", KEYS)
def test_a_table_of_options_has_every_key_and_no_other(heading: str) -> None:
    page, expected = KEYS[heading]
    assert sorted(first_cells(section(heading, page))) == expected


def test_every_table_of_options_is_of_a_kind() -> None:
    headed = re.findall(r"^### (.+ (?:config|parameters|options))$", SOURCES_PAGE + DESTINATIONS_PAGE, re.MULTILINE)
    assert sorted(headed) == sorted(KEYS)


def test_the_tables_of_dlts_destinations_have_their_keys_and_what_each_can_do() -> None:
    *written, others = first_cells(section("Options of dlt's destinations", DESTINATIONS_PAGE))
    types = [name for name in DESTINATION_TYPES if name.startswith(DLT)]
    assert sorted(written) == keys(DESTINATIONS[types[0]].options)
    assert others == "other keys"
    table = {
        row[0].strip("`"): row[2:]
        for row in rows(section("What each destination of dlt needs and does", DESTINATIONS_PAGE))
    }
    assert sorted(table) == sorted(types)
    for name, said in table.items():
        can = [mode for mode, word in zip(("append", "upsert", "replace"), said, strict=True) if word != "no"]
        assert can == list(DESTINATIONS[name].write_modes), name


def test_every_kind_of_source_has_a_part_of_its_own() -> None:
    assert set(map(title, KINDS)) <= set(re.findall(r"^## (.+)$", SOURCES_PAGE, re.MULTILINE))


def test_the_table_of_offers_has_every_kind_that_can_be_asked() -> None:
    table = {row[0].strip("`"): row[1] for row in rows(section("What sources offer", SOURCES_PAGE))}
    classics = "the types of Jitsu Classic"
    offering = {kind for kind, said in table.items() if not said.startswith("nothing")}
    assert offering == {classics if kind in DRIVERS else kind for kind in SOURCE_TYPES if can_discover(kind)}
    assert table.keys() - {classics} <= set(KINDS)


@pytest.mark.parametrize("page", PAGES, ids=["sources", "destinations", "loading"])
def test_every_part_is_in_the_contents(page: str) -> None:
    parts = {anchor(part) for part in re.findall(r"^## (.+)$", FENCE.sub("", page), re.MULTILINE)}
    assert parts <= set(re.findall(r"\(#([\w-]+)\)", page.partition("\n## ")[0]))
    assert parts <= set(re.findall(r"\([\w.]+#([\w-]+)\)", CONNECTORS_PAGE))


GIVEN: list[tuple[str, type[BaseModel] | None, dict[str, Any]]] = [
    ("singer", SOURCES["singer"].options, {"command": "tap"}),
    ("airbyte", SOURCES["airbyte"].options, {"command": "source"}),
    ("sql", SOURCES["sql"].options, {"url": "sqlite:////srv/shop.db"}),
    ("sql", SOURCES["sql"].options, {"url": "duckdb:////srv/shop.duckdb"}),
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
def test_the_table_of_connectors_names_the_extras_that_are_asked_for(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set()
    for there in ((), ("fsspec",)):  # without these nobody asks what addresses in buckets need
        find_spec = {each: each for each in there}.get
        monkeypatch.setattr(installed, "importlib", SimpleNamespace(util=SimpleNamespace(find_spec=find_spec)))
        asked |= {extra for name, model, given in GIVEN if name == kind for extra in missing(model, given)}
    (row,) = [row for row in rows(section("Connectors")) if row[0] == f"`{kind}`"]
    assert set(re.findall(r"`([\w-]+)`", row[3])) == asked


def missing(model: type[BaseModel] | None, given: dict[str, Any]) -> list[str]:
    assert model
    try:
        model.model_validate(given)
    except ValidationError as error:
        return re.findall(r"syncline\[([\w-]+)\]", str(error))
    return []


def test_the_table_of_connectors_names_every_extra_of_a_connector() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {each for row in rows(section("Connectors")) for each in re.findall(r"`([\w-]+)`", row[3])}
    assert named == project["optional-dependencies"].keys() - {"embedded"}


def test_the_table_of_classics_sources_has_every_type_with_what_reads_it() -> None:
    text = section("Sources of Jitsu Classic", SOURCES_PAGE)
    table = [row for row in rows(text) if row[0]]
    assert {row[0].strip("`") for row in table} == {*DRIVERS, *UNMAPPED} - {"sdk_source"}
    named = set(re.findall(r"airbyte-source-[\w-]+==[\d.]+", text))
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

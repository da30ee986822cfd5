"""The documents say what is there: commands, keys, paths and links are held against the code."""

from __future__ import annotations

import re
import typing
from datetime import timedelta
from typing import TYPE_CHECKING

import click
import pytest
from pydantic import BaseModel

from app.api.routes import BASE, GUARDED, OPEN
from app.bootstrap.dev import _example
from app.cli.main import cli
from app.config.reader import load_catalogue
from app.config.sections import Configurator, Notifications, Server, WrittenSource
from app.config.settings import Settings
from app.connectors.contract.schema import Kind
from app.connectors.options.complaints import key_names
from app.domain.collection import Collection, Inherited
from app.domain.duration import format_duration
from app.domain.misfire import MisfirePolicy, MissedReason
from tests.deploy_files import DEPLOY, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
README = ROOT / "README.md"
CONFIGURATION, SCHEDULES, CLI, API, DEMO = (
    (DOCS / f"{name}.md").read_text() for name in ("configuration", "schedules", "cli", "api", "demo")
)
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/demo/data/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://syncline:secret@localhost/syncline",
    "SHOP_PASSWORD": "s3cret",
    "SHOP_URL": "postgresql://reader:secret@localhost/shop",
    "SYNCLINE_ADMIN_TOKEN": "token",
    "SYNCLINE_SECRET_KEY": "what-openssl-prints-for-32-bytes=",
    "SYNCLINE_PG_HOST": "127.0.0.1",
    "SYNCLINE_PG_PORT": "5432",
    "SYNCLINE_PG_USER": "app",
    "SYNCLINE_PG_DATABASE": "app",
}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INHERITED = set(Inherited.model_fields)
KEYS = {
    "Environment": set(key_names(Settings)),
    "Source": set(WrittenSource.model_fields) - INHERITED,
    "Source or collection": INHERITED,
    "Collection": set(Collection.model_fields) - INHERITED,
}


def code(text: str) -> Iterator[str]:
    """The lines of code in a page: blocks of commands without their comments, and spans."""
    for language, block in FENCE.findall(text):
        if language == "sh":
            yield from (line.partition("#")[0] for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def path_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def section(heading: str, page: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every table's rows, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    ruled = [index for index, line in enumerate(lines) if set(line) <= set("|- ")]
    head = {*ruled, *(index - 1 for index in ruled)}
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for index, line in enumerate(lines) if index not in head
    ]


def first_cells(text: str) -> list[str]:
    return [row[0].strip("`") for row in rows(text)]


def leaves(model: type[BaseModel], path: str) -> Iterator[tuple[str, object]]:
    """Every key below a section that is no section itself, with its default."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{path}.{name}")
        else:
            yield f"{path}.{name}", field.default


def commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield prefix + name


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where a page's links and pictures lead in the repository: the file, and the fragment in it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if "://" not in link:
            target, _, fragment = link.partition("#")
            yield (page.parent / target).resolve() if target else page, fragment


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return set(map(anchor, headings))


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {found for line in code(page.read_text()) for found in re.findall(r"^make ([a-z-]+)", line)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    words = re.compile(r"^(?:\.venv/bin/)?syncline ([a-z]+)(?: ([a-z]+))?")
    for found in (found for line in code(page.read_text()) if (found := words.match(line))):
        command = cli.commands[found[1]]
        if isinstance(command, click.Group) and not (command.invoke_without_command and found[2] is None):
            assert found[2] in command.commands, found[0]


def test_the_table_of_commands_is_complete_and_names_their_options() -> None:
    table = {
        row[0].strip("`").removeprefix("syncline "): row[1] for row in rows(section("Commands", CLI)) if "`" in row[0]
    }
    assert set(table) == set(commands(cli))
    for name, text in table.items():
        command: click.Command = cli
        for word in name.split():
            assert isinstance(command, click.Group)
            command = command.commands[word]
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        options = {option for parameter in shown for option in parameter.opts if option.startswith("--")}
        assert set(re.findall(r"--[a-z]+(?:-[a-z]+)*", text)) == options, name


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    assert first_cells(section("Exit codes", CLI)) == ["0", "1", "2", "3", "4", "5", "130"]


@pytest.mark.parametrize("heading", KEYS)
def test_a_table_of_keys_has_every_key_and_no_other(heading: str) -> None:
    keys = first_cells(section(heading, CONFIGURATION))
    assert sorted(keys) == sorted(KEYS[heading])


def test_the_table_of_the_server_has_every_key_with_its_default() -> None:
    expected = dict(
        [
            *leaves(Server, "server"),
            *leaves(Configurator, "configurator"),
            *leaves(Notifications, "notifications"),
        ]
    )
    table = {row[0].strip("`"): row[2].strip("`") for row in rows(section("Server", CONFIGURATION))}
    assert table == {key: _as_written(default) for key, default in expected.items()}


def _as_written(default: object) -> str:
    if isinstance(default, timedelta):
        return format_duration(default)
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default in ("", (), None) else str(default)


def test_every_page_can_be_reached_from_the_readme() -> None:
    found, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page not in found:
            found.add(page)
            waiting += [place for place, _ in links(page) if place.suffix == ".md"]
    decisions = DOCS / "decisions"
    assert decisions in {place for place, _ in links(README)}
    assert {page for page in PAGES if page.parent != decisions} <= found


def test_screenshots_are_small() -> None:
    images = [*(ROOT / "docs" / "pages").glob("*.png")]
    assert images
    assert [image.name for image in images if image.stat().st_size > 300_000] == []


def test_the_readme_is_one_screen() -> None:
    assert len(README.read_text().splitlines()) <= 60


def test_the_misfire_policies_and_reasons_are_described() -> None:
    text = section("Misfires", SCHEDULES)
    assert first_cells(text) == list(MisfirePolicy)
    assert all(f"(`{reason}`)" in text for reason in MissedReason)


def test_the_table_of_paths_has_every_path_and_method() -> None:
    described = {BASE + path: endpoint for path, endpoint in GUARDED.items()} | dict(OPEN)
    expected = {
        f"{method.upper()} {path}"
        for path, endpoint in described.items()
        for method in ("get", "post")
        if hasattr(endpoint, method)
    }
    assert set(first_cells(section("Paths", API))) == expected


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_the_catalogues_shown_can_be_used(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tap-postgres.txt").write_text(f"meltanolabs-tap-postgres==0.10.0 --hash=sha256:{64 * '0'}\n")
    for text in (block for language, block in FENCE.findall(page.read_text()) if language == "yaml"):
        catalogue = load_catalogue(text, ENVIRONMENT)
        assert catalogue.problems == []
        assert catalogue.warnings == ()


def test_the_lines_to_paste_are_about_the_demo_as_dev_shows_it() -> None:
    demo = load_catalogue(DEPLOY / "demo" / "syncline.yaml", ENVIRONMENT)
    source, collection = _example(demo)
    lines = re.findall(r"^curl .*$", DEMO, re.MULTILINE)
    assert f"source={source}&collection={collection}&" in lines[0]
    assert f"source={source}&start=" in lines[1]
    assert all(f":{demo.server.port}{BASE}/tasks" in line for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for place, fragment in links(page):
        assert place.exists(), place
        assert not fragment or fragment in anchors(place), f"{place}#{fragment}"


def test_the_policies_of_the_key_misfire_are_those_shown() -> None:
    table = {row[0].strip("`"): row[1] for row in rows(section("Source or collection", CONFIGURATION))}
    policies = typing.get_args(Inherited.model_fields["misfire"].annotation)
    assert re.findall(r"`(\w+)`", table["misfire"]) == list(policies)


@pytest.mark.parametrize(
    ("page", "key", "absent"),
    [("sources/files.md", "types", {"big integer", "bytes"}), ("sources/python.md", "columns", set())],
)
def test_a_key_for_the_types_of_columns_lists_all_that_it_accepts(page: str, key: str, absent: set[str]) -> None:
    (cells,) = (row for row in rows((DOCS / page).read_text()) if row[0] == f"`{key}`")
    listed = cells[-1].partition("([what they mean]")[0]
    assert {*re.findall(r"`([^`]+)`", listed)} == {kind.value for kind in Kind} - absent | {"decimal(18,2)"}


def test_no_page_has_what_is_left_of_a_merge() -> None:
    marks = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks" / "notes").glob("*.md")]
    assert [str(page) for page in pages if marks.search(page.read_text())] == []

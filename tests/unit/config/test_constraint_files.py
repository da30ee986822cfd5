"""Files of constraints are read with the catalogue that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.config.reader import load_catalogue
from app.config.watch import CatalogueWatcher

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue

CATALOGUE = """\
sources:
  shop:
    type: singer
    destinations: [there]
    config:
      package: tap-a==1.0
      constraints: tap.txt
destinations:
  there:
    type: singer
    package: target-a==1.0
    constraints: "${env.DIRECTORY}/target.txt"
"""
HASH = "--hash=sha256:" + 64 * "a"


@pytest.fixture
def tap(tmp_path: Path) -> Path:
    (tmp_path / "syncline.yaml").write_text(CATALOGUE)
    (tmp_path / "target.txt").write_text("urllib3<3\n")
    (tmp_path / "tap.txt").write_text(f"# made\ntap-a==1.0 \\\n    {HASH}\n")
    return tmp_path / "tap.txt"


def write(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines))


def load(directory: Path) -> Catalogue:
    return load_catalogue(directory / "syncline.yaml", {"DIRECTORY": str(directory)})


def test_an_attempt_gets_the_lines_of_the_files(tap: Path) -> None:
    catalogue = load(tap.parent)
    assert catalogue.problems == []
    assert catalogue.sources["shop"].config["constraints"] == [f"tap-a==1.0 {HASH}"]
    assert catalogue.destinations["there"].for_attempt()["constraints"] == ["urllib3<3"]


def test_separate_sources_name_files_beside_the_catalogue(tap: Path) -> None:
    sources, _, destinations = CATALOGUE.partition("destinations:\n  there")
    (tap.parent / "elsewhere").mkdir()
    (tap.parent / "elsewhere" / "sources.yaml").write_text(sources)
    (tap.parent / "syncline.yaml").write_text(f"sources: elsewhere/sources.yaml\ndestinations:\n  there{destinations}")
    assert load(tap.parent).sources["shop"].config["constraints"] == [f"tap-a==1.0 {HASH}"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "file {file} cannot be read: No such file or directory; write a path or a list of lines"),
        (b"\xff", "file {file} cannot be read: not valid UTF-8 (byte 0); write a path or a list of lines"),
        (b"# nothing\n", "file {file} has no constraints"),
        (b"a<1\n\n-r more.txt\n", "{file}, line 3: option '-r' is not allowed in constraints: set it for pip or uv"),
        (f"tap-a==1.0 {HASH}\n# why\nb==2\n".encode(), "{file}, line 3: 'b==2' has no hash, but other lines have one"),
    ],
)
def test_a_wrong_file_is_one_problem_with_its_place(tap: Path, content: bytes | None, problem: str) -> None:
    tap.unlink()
    if content is not None:
        tap.write_bytes(content)
    (found,) = map(str, load(tap.parent).problems)
    expected = f"{tap.parent}/syncline.yaml:7: sources.shop.config.constraints: {problem.format(file=tap)}"
    assert found.startswith(expected)


def test_a_missing_file_of_a_destination_is_one_problem_with_its_place(tap: Path) -> None:
    (tap.parent / "target.txt").unlink()
    (problem,) = load(tap.parent).rejected_destinations["there"]
    assert str(problem).startswith(f"{tap.parent}/syncline.yaml:12: destinations.there.constraints: file ")


def test_a_login_in_a_file_is_a_secret(tap: Path) -> None:
    tap.write_text("a @ https://me:hunter22@h/a.whl\n")
    assert "hunter22" in load(tap.parent).secrets()


@pytest.mark.parametrize("look", ["refresh", "refresh_files"])
async def test_a_changed_file_is_another_version_of_the_catalogue(tap: Path, look: str) -> None:
    watcher = CatalogueWatcher(tap.parent / "syncline.yaml", {"DIRECTORY": str(tap.parent)})
    await watcher.refresh()
    lines = [f"tap-a==1.0 {HASH}", f"idna==3.10 {HASH}"]
    write(tap, lines)
    await getattr(watcher, look)()
    assert watcher.current.problems == []
    assert watcher.current.sources["shop"].config["constraints"] == lines

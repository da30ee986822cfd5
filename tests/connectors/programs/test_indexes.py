"""Who may install: uv only where it takes packages from where pip would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.connectors.programs import indexes
from app.domain.inherited_environment import attempt_environment
from tests.servers.package_index import forget_settings

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = "https://bob:hunter2@packages.example.com/simple"
UV_ALONE, PIP_ALONE, BOTH = ("uv",), ("pip",), ("uv", "pip")


# As `sitecustomize`: a pip that reads only the files below a directory.
PIP_BELOW = """
from pathlib import Path
from pip._internal import configuration
files_by_kind = configuration.get_configuration_files
configuration.get_configuration_files = lambda: {{
    kind: [file for file in files if Path(file).is_relative_to({home!r})] for kind, files in files_by_kind().items()
}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, without any setting; the working directory is below it. The machine around it has some."""
    home, machine = tmp_path / "home", tmp_path / "machine"
    (home / "work").mkdir(parents=True)
    forget_settings(monkeypatch, home)
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{home}/everybody:{machine}")
    for file in (tmp_path / "uv.toml", machine / "uv" / "uv.toml"):
        write(file, f'index-url = "{PRIVATE}"')
    write(machine / "pip" / "pip.conf", f"[global]\nindex-url = {PRIVATE}\n")
    write(tmp_path / "python" / "sitecustomize.py", PIP_BELOW.format(home=str(home)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.chdir(home / "work")
    return home


def chosen() -> tuple[tuple[str, ...], str]:
    said: list[str] = []
    found = indexes.installers(lambda _, message: said.append(message))
    assert "hunter2" not in str(said)
    return found, "".join(said)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("environment", "installers"),
    [
        ({}, BOTH),
        ({"PIP_INDEX_URL": PRIVATE}, PIP_ALONE),
        ({"PIP_EXTRA_INDEX_URL": PRIVATE}, PIP_ALONE),
        ({"PIP_FIND_LINKS": "https://bob:hunter2@packages.example.com"}, PIP_ALONE),
        ({"PIP_NO_INDEX": "true"}, PIP_ALONE),
        ({"PIP_CONSTRAINT": "constraints.txt"}, PIP_ALONE),
        ({"PIP_INDEX_URL": PRIVATE, "PIP_QUIET": "3"}, PIP_ALONE),
        ({"PIP_INDEX_URL": PRIVATE, "UV_DEFAULT_INDEX": f"{PRIVATE}/"}, BOTH),
        ({"PIP_INDEX_URL": PRIVATE, "UV_INDEX_URL": PRIVATE}, BOTH),
        ({"PIP_INDEX_URL": PRIVATE, "UV_INDEX_URL": f"{PRIVATE}s"}, PIP_ALONE),
        ({"PIP_INDEX_URL": PRIVATE, "UV_EXTRA_INDEX_URL": PRIVATE}, PIP_ALONE),
        ({"PIP_INDEX_URL": PRIVATE, "UV_INDEX_URL": PRIVATE, "UV_INDEX": "https://b/"}, PIP_ALONE),
        ({"PIP_EXTRA_INDEX_URL": "https://a https://b/", "UV_EXTRA_INDEX_URL": "https://a/ https://b"}, BOTH),
        ({"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1"}, PIP_ALONE),
        ({"UV_DEFAULT_INDEX": PRIVATE}, UV_ALONE),
        ({"UV_INDEX": f"ours={PRIVATE}"}, UV_ALONE),
        ({"UV_FIND_LINKS": "/srv/wheels"}, UV_ALONE),
        ({"PIP_INDEX_URL": "https://pypi.org/simple/", "PIP_NO_INDEX": "0", "PIP_TIMEOUT": "9"}, BOTH),
        ({"PIP_FIND_LINKS": "."}, BOTH),
    ],
)
def test_uv_is_used_where_it_has_the_same_index(
    environment: dict[str, str], installers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert chosen()[0] == installers


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        (".config/pip/pip.conf", {}),
        (".pip/pip.conf", {}),
        ("mine/pip/pip.conf", {"XDG_CONFIG_HOME": "{home}/mine"}),
        ("everybody/pip/pip.conf", {}),
        ("elsewhere.conf", {"PIP_CONFIG_FILE": "{home}/elsewhere.conf"}),
    ],
)
def test_pip_has_the_settings_of_its_files(
    home: Path, file: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_CONFIG_FILE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(home=home))
    path = write(home / file, f"[global]\nquiet = 2\n[install]\nextra-index-url = {PRIVATE}\n")
    assert chosen() == (PIP_ALONE, "using pip instead of uv: pip is configured with extra-index-url")
    write(path, "[install]\nextra-index-url = \n[list]\nindex-url = https://a\n")
    assert chosen()[0] == BOTH
    write(path, "index-url")
    assert chosen() == (PIP_ALONE, "using pip instead of uv: pip's settings cannot be read")


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        ("work/uv.toml", {}),
        ("uv.toml", {}),
        (".config/uv/uv.toml", {}),
        ("mine/uv/uv.toml", {"XDG_CONFIG_HOME": "{home}/mine"}),
        ("everybody/uv/uv.toml", {}),
        ("elsewhere.toml", {"UV_CONFIG_FILE": "{home}/elsewhere.toml"}),
    ],
)
def test_a_file_of_uv_that_names_an_index_is_a_setting_that_pip_lacks(
    home: Path, file: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(home=home))
    path = write(home / file, "offline = false\n")
    assert not indexes.uv_settings()
    for said in (
        f'[[index]]\nurl = "{PRIVATE}"',
        f'index-url = "{PRIVATE}"',
        f'[pip]\nfind-links = ["{PRIVATE}"]',
        "=",
    ):
        write(path, said)
        assert indexes.uv_settings()
    assert chosen()[0] == UV_ALONE
    monkeypatch.setenv("PIP_INDEX_URL", PRIVATE)
    monkeypatch.setenv("UV_INDEX_URL", PRIVATE)
    assert chosen()[0] == PIP_ALONE


def test_a_project_may_have_settings_of_uv(home: Path) -> None:
    path = write(home / "pyproject.toml", '[project]\nname = "index"\n')
    assert not indexes.uv_settings()
    write(path, f'[tool.uv]\nindex-url = "{PRIVATE}"\n')
    assert indexes.uv_settings()


@pytest.mark.parametrize(("variable", "file"), [("PIP_INDEX_URL", None), (None, ".pip/pip.conf")])
def test_without_a_pip_to_ask_uv_is_used_where_nothing_is_said_to_pip(
    home: Path, variable: str | None, file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "find_spec", lambda _: None)
    monkeypatch.delenv("PIP_CONFIG_FILE")
    assert chosen()[0] == BOTH
    if variable:
        monkeypatch.setenv(variable, PRIVATE)
    if file:
        write(home / file, "")
    assert chosen()[0] == PIP_ALONE
    monkeypatch.setenv("UV_INDEX_URL", PRIVATE)
    assert chosen()[0] == UV_ALONE


def test_an_attempt_inherits_every_setting_that_decides_where_packages_come_from() -> None:
    of_pip = {f"PIP_{name.upper().replace('-', '_')}" for name in indexes._DECIDING}
    files = {"HOME", "NETRC", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "PIP_CONFIG_FILE", "UV_CONFIG_FILE"}
    settings = dict.fromkeys(of_pip | files | indexes._OF_UV.keys(), "a")
    assert attempt_environment(settings) == settings

"""Who makes the environment of a package, and how often."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from app.connectors.programs.packages import PackageSet, installed_command, prepare_command
from app.domain.errors import ConfigurationError, SynclineError
from tests.servers.package_index import WHEEL, Index, forget_settings, serving, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Log

# Writes down what it was asked for. Makes real environments, and fails to install where a file says so.
UV = """#!{python}
import pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
with (here / "asked").open("a") as asked:
    print(*sys.argv[1:], file=asked)
if sys.argv[1] == "venv":
    sys.exit(subprocess.call([sys.argv[sys.argv.index("--python") + 1], "-m", "venv", "--without-pip", sys.argv[-1]]))
if (here / "fails").exists():
    sys.exit("uv: no such package")
python = pathlib.Path(sys.argv[sys.argv.index("--python") + 1])
(site,) = python.parent.parent.glob("lib/python*/site-packages")
made = site / "tap_made-1.0.dist-info"
made.mkdir()
(made / "METADATA").write_text("Metadata-Version: 2.1\\nName: tap-made\\nVersion: 1.0\\n")
(made / "entry_points.txt").write_text("[console_scripts]\\ntap-made = made:main\\nother = made:main\\n")
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a `uv` on PATH; nothing is said to it, nor to pip."""
    forget_settings(monkeypatch, tmp_path)
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "uv").write_text(UV.format(python=sys.executable))
    (directory / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return directory


class Heard(list[str]):
    """A log that tells a long installation from a connector that does not answer, and programs from Syncline."""

    def __init__(self) -> None:
        super().__init__()
        self.installer: list[tuple[str, str, str]] = []

    def __call__(self, _level: str, message: str) -> None:
        self.append(message)

    def of_program(self, system: str, *, aside: bool = False) -> Log:
        assert aside, "as much as that of other programs is limited there"
        return lambda level, message: self.installer.append((system, level, message))

    def installing(self, packages: str, *, done: bool = False) -> None:
        self.append(f"({packages} are there)" if done else f"({packages} are coming)")


def install(
    directory: Path, *packages: str, executable: str | None = None, constraints: tuple[str, ...] = ()
) -> tuple[Path, Heard]:
    said = Heard()
    wanted = PackageSet(packages, constraints)
    return installed_command(wanted, executable=executable, data_dir=directory, log=said), said


def test_uv_makes_the_environment_where_it_is_installed_and_once(uv: Path, tmp_path: Path) -> None:
    command, said = install(tmp_path, "tap-made==1.0", "setuptools==70")
    home = command.parent.parent
    assert command.name == "tap-made"
    assert said == [
        "installing tap-made==1.0 setuptools==70",
        "(tap-made==1.0 setuptools==70 are coming)",
        "(tap-made==1.0 setuptools==70 are there)",
        "installed 1 packages",
    ]
    assert (uv / "asked").read_text().splitlines() == [
        f"venv --quiet --no-project --python {sys.executable} {home}",
        f"pip install --quiet --python {home}/bin/python tap-made==1.0 setuptools==70",
    ]
    assert install(tmp_path, "tap-made==1.0", "setuptools==70", executable="other") == (home / "bin" / "other", [])


@pytest.mark.usefixtures("uv")
def test_an_environment_whose_python_has_gone_is_made_again(tmp_path: Path) -> None:
    command, _ = install(tmp_path, "tap-made==1.0", executable="other")
    home = command.parent.parent
    for name in ("python", "python3"):
        (home / "bin" / name).unlink()
        (home / "bin" / name).symlink_to(tmp_path / "gone" / "python")
    again, said = install(tmp_path, "tap-made==1.0", executable="other")
    assert again == command
    assert said[0] == f"the Python of {home} has gone, as after an upgrade: making the environment again"
    assert said[-1] == "installed 1 packages"
    assert (home / "bin" / "python").exists()
    assert install(tmp_path, "tap-made==1.0", executable="other") == (command, [])


def test_pip_tries_what_uv_cannot_install(uv: Path, tmp_path: Path) -> None:
    (uv / "fails").touch()
    made = tmp_path / WHEEL
    made.write_bytes(wheel("first", "second"))
    with pytest.raises(
        ConfigurationError, match="tap-made does not have exactly one command: set 'executable' to one of first, second"
    ):
        install(tmp_path, f"tap-made@file://{made}")
    command, said = install(tmp_path, f"tap-made@file://{made}", executable="second")
    assert command.is_file()
    assert said == []


def test_an_index_of_pips_own_is_asked_and_uv_is_not(uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        command, said = install(tmp_path, "tap-made==1.0")
    assert command.is_file()
    assert {"/simple/tap-made/", f"/{WHEEL}"} <= set(index.asked)
    assert not (uv / "asked").exists()
    assert said[2] == "using pip instead of uv: pip is configured with index-url"
    assert "hunter2" not in f"{said}{said.installer}"


def test_the_index_that_is_set_beside_syncline_is_that_of_a_new_environment(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (uv / "fails").touch()
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with serving() as index:
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
        command, _ = install(tmp_path, "tap-made==1.0")
    assert command.is_file()
    assert f"/{WHEEL}" in index.asked


def test_where_only_uv_has_an_index_of_its_own_pip_does_not_try(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (uv / "fails").touch()
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://packages.example.com/simple")
    with pytest.raises(SynclineError, match=r"cannot install tap-made==1\.0: the command ended with code 1"):
        install(tmp_path, "tap-made==1.0")
    (home,) = (tmp_path / "venvs").glob("tap-made-*/")
    assert (home / "bin" / "python").exists()
    assert not (home / "bin" / "pip").exists(), "it is still the environment that uv has made"


def test_the_end_of_the_output_says_why_an_installation_failed(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (uv / "fails").touch()
    with serving() as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        with pytest.raises(
            SynclineError, match=r"; the end of its output: .*No matching distribution found for tap-x==9"
        ):
            install(tmp_path, "tap-x==9")


def test_no_login_of_an_index_is_shown(uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://glpat-token@packages.example.com/simple")
    monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "hunter2-hunter2")
    seen = "looked at https://glpat-token@packages.example.com/simple/tap-made with hunter2-hunter2"
    (uv / "uv").write_text(f"#!/bin/sh\necho '{seen}'\necho 'error: line by line' >&2\nexit 1\n")
    said = Heard()
    requirement = "tap-made@https://glpat-token@packages.example.com/tap_made-1.0.whl"
    with pytest.raises(SynclineError) as failed:
        installed_command(PackageSet((requirement,)), executable=None, data_dir=tmp_path, log=said)
    assert "glpat-token" not in f"{said}{said.installer}{failed.value}"
    assert str(failed.value).endswith(
        "; the end of its output: looked at https://***@packages.example.com/simple/tap-made with ***"
        " error: line by line"
    )
    assert said.installer[:2] == [
        ("uv", "debug", "looked at https://***@packages.example.com/simple/tap-made with ***"),
        ("uv", "error", "error: line by line"),
    ]


def test_what_was_installed_beforehand_is_used_from_a_directory_that_nobody_can_write_to(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, data = tmp_path / "image", tmp_path / "volume"
    wanted = PackageSet(("tap-made==1.0",))
    command = prepare_command(wanted, executable="other", directory=prepared, log=Heard())
    assert "pip install --quiet --compile-bytecode --python" in (uv / "asked").read_text()
    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(prepared))
    for install_at_run_time in ("missing", "never"):
        monkeypatch.setenv("SYNCLINE_INSTALL", install_at_run_time)
        prepared.chmod(0o500)
        assert install(data, "tap-made==1.0", executable="other") == (command, [])
        prepared.chmod(0o700)
    assert not data.exists()


@pytest.mark.usefixtures("uv")
def test_what_was_not_installed_beforehand_goes_into_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(tmp_path / "image"))
    command, said = install(tmp_path / "volume", "tap-made==1.0", executable="other")
    assert command.is_relative_to(tmp_path / "volume" / "venvs")
    assert said[0] == "installing tap-made==1.0"
    monkeypatch.setenv("SYNCLINE_INSTALL", "never")
    assert install(tmp_path / "volume", "tap-made==1.0", executable="other") == (command, [])


def test_where_nothing_may_be_installed_the_error_says_what_is_missing_and_what_to_run(
    uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, data = tmp_path / "image", tmp_path / "volume"
    monkeypatch.setenv("SYNCLINE_INSTALL", "Never")
    with pytest.raises(ConfigurationError) as refused:
        install(data, "tap-made==1.0", "other@https://user:hunter2@packages.example.com/other.whl")
    assert str(refused.value) == (
        f"tap-made==1.0 other@https://***@packages.example.com/other.whl is not installed in {data}/venvs, and "
        "SYNCLINE_INSTALL=never forbids installing it now: run 'syncline connectors install --config FILE'"
    )
    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(prepared))
    with pytest.raises(ConfigurationError) as refused:
        install(data, "tap-made==1.0")
    assert str(refused.value) == (
        f"tap-made==1.0 is not installed in {prepared} or {data}/venvs, and SYNCLINE_INSTALL=never forbids installing "
        f"it now: run 'syncline connectors install --config FILE --dir {prepared}'"
    )
    assert not (uv / "asked").exists()
    assert not data.exists()


@pytest.mark.usefixtures("uv")
def test_an_environment_that_was_moved_is_not_used_and_why_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, mounted = tmp_path / "built", tmp_path / "mounted"
    prepare_command(PackageSet(("tap-made==1.0",)), executable="other", directory=built, log=Heard())
    built.rename(mounted)
    [home] = mounted.glob("tap-made-*/")
    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(mounted))
    monkeypatch.setenv("SYNCLINE_INSTALL", "never")
    moved = f"{home} was made in another directory, whose path its scripts contain"
    with pytest.raises(ConfigurationError) as refused:
        install(tmp_path / "volume", "tap-made==1.0", executable="other")
    assert f"is not installed in {mounted} or {tmp_path}/volume/venvs ({moved}), and" in str(refused.value)


def hashed(*commands: str) -> str:
    return f"tap-made==1.0 --hash=sha256:{hashlib.sha256(wheel(*commands)).hexdigest()}"


def test_constraints_limit_what_is_installed_and_other_ones_are_another_environment(uv: Path, tmp_path: Path) -> None:
    first, _ = install(tmp_path, "tap-made==1.0", executable="other")
    constraints = ("urllib3<3", "idna==3.10")
    second, _ = install(tmp_path, "tap-made==1.0", executable="other", constraints=constraints)
    third, _ = install(tmp_path, "tap-made==1.0", executable="other", constraints=constraints[:1])
    assert len({first, second, third}) == 3
    home = second.parent.parent
    file = home / "constraints.txt"
    asked = (uv / "asked").read_text()
    assert f"pip install --quiet --python {home}/bin/python --constraint {file} tap-made==1.0\n" in asked
    assert file.read_text() == "urllib3<3\nidna==3.10\n"
    assert install(tmp_path, "tap-made==1.0", executable="other", constraints=constraints) == (second, [])


@pytest.fixture(params=["UV_DEFAULT_INDEX", "PIP_INDEX_URL"])
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """That of the real uv, and that of pip; either then asks nobody else."""
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with serving() as serves:
        monkeypatch.setenv(request.param, serves.url)
        yield serves


@pytest.mark.usefixtures("index")
def test_a_file_with_the_given_hash_is_installed(tmp_path: Path) -> None:
    command, said = install(tmp_path, "tap-made==1.0", constraints=(hashed("tap-made"),))
    assert command.is_file()
    assert said[-1].startswith("installed ")


@pytest.mark.usefixtures("index")
def test_a_file_that_somebody_has_changed_in_the_index_is_not_installed(tmp_path: Path) -> None:
    with pytest.raises(SynclineError, match=r"(?i)cannot install tap-made==1\.0: .*hash"):
        install(tmp_path, "tap-made==1.0", constraints=(hashed("tap-made", "evil"),))
    assert not list((tmp_path / "venvs").glob("*/bin/tap-made"))


@pytest.mark.usefixtures("index")
def test_constraints_without_hashes_are_obeyed(tmp_path: Path) -> None:
    assert install(tmp_path, "tap-made==1.0", constraints=("tap-made<2", "urllib3<3"))[0].is_file()
    with pytest.raises(SynclineError, match=r"cannot install tap-made==1\.0: "):
        install(tmp_path, "tap-made==1.0", constraints=("tap-made<1",))

"""Who makes the environment of a package, and how often."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from app.connectors.programs.packages import installed_command
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

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
    """The directory of a `uv` on PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "uv").write_text(UV.format(python=sys.executable))
    (directory / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return directory


def install(directory: Path, *requirements: str, executable: str | None = None) -> tuple[Path, list[str]]:
    said: list[str] = []
    command = installed_command(
        requirements, executable=executable, data_dir=directory, log=lambda _, message: said.append(message)
    )
    return command, said


def test_uv_makes_the_environment_where_it_is_installed_and_once(uv: Path, tmp_path: Path) -> None:
    command, said = install(tmp_path, "tap-made==1.0", "setuptools==70")
    home = command.parent.parent
    assert command.name == "tap-made"
    assert said == ["installing tap-made==1.0 setuptools==70", "installed 1 packages"]
    assert (uv / "asked").read_text().splitlines() == [
        f"venv --quiet --no-project --python {sys.executable} {home}",
        f"pip install --quiet --python {home}/bin/python tap-made==1.0 setuptools==70",
    ]
    assert install(tmp_path, "tap-made==1.0", "setuptools==70", executable="other") == (home / "bin" / "other", [])


def test_pip_tries_what_uv_cannot_install(uv: Path, tmp_path: Path) -> None:
    (uv / "fails").touch()
    wheel = tmp_path / "tap_made-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        info = "tap_made-1.0.dist-info"
        packed.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tap-made\nVersion: 1.0\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/entry_points.txt", "[console_scripts]\nfirst = made:main\nsecond = made:main\n")
        packed.writestr(f"{info}/RECORD", "")
    with pytest.raises(ConfigurationError, match="'executable' is needed: tap-made brings the commands first, second"):
        install(tmp_path, f"tap-made@file://{wheel}")
    command, said = install(tmp_path, f"tap-made@file://{wheel}", executable="second")
    assert command.is_file()
    assert said == []

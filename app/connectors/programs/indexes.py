"""Where pip and uv take packages from: uv reads no settings of pip, nor pip any of uv's.

Who has an index of one's own has told it to one of them at least. The other would ask the public one, where anybody may
have registered the names of private packages.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.contract.passes import Log

Installer = Literal["uv", "pip"]
Settings: TypeAlias = dict[str, tuple[str, ...]]
"""By pip's names, without those that say what is so anyway. The values may hold passwords and are never shown."""

_PUBLIC: Final = "https://pypi.org/simple"
_INDEX_URL, _EXTRA, _LINKS = "index-url", "extra-index-url", "find-links"
_SWITCHES: Final = ("no-index", "require-hashes")
_LIMITS: Final = (*_SWITCHES, "constraint", "build-constraint", "only-binary", "no-binary", "uploaded-prior-to")
_DECIDING: Final = frozenset({_INDEX_URL, "pypi-url", _EXTRA, _LINKS, *_LIMITS})
_OF_UV: Final = {
    "UV_DEFAULT_INDEX": _INDEX_URL,
    "UV_INDEX_URL": _INDEX_URL,
    "UV_INDEX": _EXTRA,
    "UV_EXTRA_INDEX_URL": _EXTRA,
    "UV_FIND_LINKS": _LINKS,
    # Not every uv heeds it: it is never the same as pip's.
    "UV_NO_INDEX": "UV_NO_INDEX",
}
_IN_FILES_OF_UV: Final = frozenset({"index", _INDEX_URL, _EXTRA, _LINKS, "no-index"})
_SECTIONS: Final = ("global", "install", ":env:")
"""Of pip's settings those that an installation reads; a later one overrides an earlier one."""

_LISTED: Final = re.compile(rf"^({'|'.join(_SECTIONS)})\.([\w-]+)=(.+)$", re.MULTILINE)
_OFF: Final = ("0", "false", "no", "off", "n", "f")


def installers(log: Log) -> tuple[Installer, ...]:
    """Which of the two may install packages where both are there, in the order of their turns."""
    of_pip, of_uv = pip_settings(), uv_settings()
    if of_pip == of_uv:
        return ("uv", "pip")
    if of_uv and not of_pip:
        return ("uv",)
    why = "pip's settings could not be read" if of_pip is None else f"pip has settings of {', '.join(sorted(of_pip))}"
    log("info", f"pip installs it, not uv: {why}")
    return ("pip",)


def pip_settings() -> Settings | None:
    """What an installation by pip reads of the environment and of pip's files; None if nobody can tell."""
    if find_spec("pip") is None:
        return None if _has_traces_of_pip() else {}
    # A setting may have silenced pip, and then it would seem to have none at all.
    command, loud = [sys.executable, "-m", "pip", "config", "list"], {"PIP_QUIET": "0"}
    asked = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | loud)  # noqa: S603 -- ours
    listed = _LISTED.findall(asked.stdout)
    if asked.returncode or not any(name == "quiet" for _, name, _ in listed):
        return None
    found: Settings = {}
    for _, name, written in sorted(listed, key=lambda each: _SECTIONS.index(each[0])):
        value = str(ast.literal_eval(written))
        if name in _DECIDING and value:
            found[name] = () if name in _SWITCHES and value.lower() in _OFF else tuple(value.split())
    return _settled(found)


def uv_settings() -> Settings:
    """What uv reads of the environment; a file that names an index is a setting of its own, like none of pip's."""
    found: Settings = {}
    for variable, name in _OF_UV.items():
        values = os.environ.get(variable, "").replace(",", " ").split()
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *values]))
    return _settled(found) | {str(path): () for path in _files_of_uv() if _names_an_index(path)}


def _settled(found: Settings) -> Settings:
    settled = {name: tuple(each.rstrip("/") for each in values) for name, values in found.items()}
    if settled.get(_INDEX_URL) == (_PUBLIC,):
        del settled[_INDEX_URL]
    # Images that are made for work without a network may have a directory for packages, with nothing in it.
    settled[_LINKS] = tuple(each for each in settled.get(_LINKS, ()) if not _is_empty_directory(each))
    return {name: values for name, values in settled.items() if values}


def _is_empty_directory(link: str) -> bool:
    try:
        return not any(Path(link).iterdir())
    except OSError:
        return False


def _has_traces_of_pip() -> bool:
    """Whether there is something that pip would read, where no pip is there that could be asked."""
    variables = {f"PIP_{name.upper().replace('-', '_')}" for name in _DECIDING} | {"PIP_CONFIG_FILE"}
    return any(map(os.environ.get, variables)) or any(file.exists() for file in _files_of_pip())


def _files_of_pip() -> Iterator[Path]:
    places = [Path.home() / ".pip", *(directory / "pip" for directory in _config_directories()), Path(sys.prefix)]
    yield from (place / "pip.conf" for place in [Path("/etc"), *places])


def _files_of_uv() -> Iterator[Path]:
    """https://docs.astral.sh/uv/concepts/configuration-files: also those that others may hide from it."""
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    here = Path.cwd()
    for directory in (here, *here.parents):
        yield directory / "uv.toml"
        yield directory / "pyproject.toml"
    for directory in _config_directories():
        yield directory / "uv" / "uv.toml"


def _config_directories() -> Iterable[Path]:
    """Of the user, and of all users."""
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    yield from map(Path, (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"))
    yield Path("/etc")


def _names_an_index(path: Path) -> bool:
    try:
        said: dict[str, Any] = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    if path.name == "pyproject.toml":
        said = said.get("tool", {}).get("uv", {})
    return not _IN_FILES_OF_UV.isdisjoint(said.keys() | said.get("pip", {}).keys())

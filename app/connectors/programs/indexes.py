"""Where pip and uv get packages from: neither of them reads the other's settings.

Whoever has a private index has configured at least one of them. The other would ask the public index, where anybody may
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
"""By pip's names, without defaults. The values may hold passwords and are never shown."""

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
    # Not every uv honours it, so it never equals pip's.
    "UV_NO_INDEX": "UV_NO_INDEX",
}
_IN_FILES_OF_UV: Final = frozenset({"index", _INDEX_URL, _EXTRA, _LINKS, "no-index"})
_SECTIONS: Final = ("global", "install", ":env:")
"""The sections of pip's settings that apply to installing; a later one overrides an earlier one."""

_CONFIG_LINE: Final = re.compile(rf"^({'|'.join(_SECTIONS)})\.([\w-]+)=(.+)$", re.MULTILINE)
_OFF: Final = ("0", "false", "no", "off", "n", "f")


def installers(log: Log) -> tuple[Installer, ...]:
    """Which of the two may install packages if both are there, in the order to try them."""
    of_pip, of_uv = pip_settings(), uv_settings()
    if of_pip == of_uv:
        return ("uv", "pip")
    if of_uv and not of_pip:
        return ("uv",)
    why = "pip's settings cannot be read" if of_pip is None else f"pip is configured with {', '.join(sorted(of_pip))}"
    log("info", f"using pip instead of uv: {why}")
    return ("pip",)


def pip_settings() -> Settings | None:
    """The settings that pip takes from the environment and its files when it installs; None if they are not known."""
    if find_spec("pip") is None:
        return None if _has_traces_of_pip() else {}
    # A setting may silence pip, which would then seem to have no settings at all.
    command, loud = [sys.executable, "-m", "pip", "config", "list"], {"PIP_QUIET": "0"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | loud)  # noqa: S603 -- ours
    lines = _CONFIG_LINE.findall(ended.stdout)
    if ended.returncode or not any(name == "quiet" for _, name, _ in lines):
        return None
    found: Settings = {}
    for _, name, literal in sorted(lines, key=lambda each: _SECTIONS.index(each[0])):
        value = str(ast.literal_eval(literal))
        if name in _DECIDING and value:
            found[name] = () if name in _SWITCHES and value.lower() in _OFF else tuple(value.split())
    return _normalize(found)


def uv_settings() -> Settings:
    """The settings that uv takes from the environment; a file with an index counts as a setting that pip never has."""
    found: Settings = {}
    for variable, name in _OF_UV.items():
        values = os.environ.get(variable, "").replace(",", " ").split()
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *values]))
    return _normalize(found) | {str(path): () for path in _files_of_uv() if _names_an_index(path)}


def _normalize(found: Settings) -> Settings:
    settled = {name: tuple(each.rstrip("/") for each in values) for name, values in found.items()}
    if settled.get(_INDEX_URL) == (_PUBLIC,):
        del settled[_INDEX_URL]
    # Images for offline use may have an empty directory for packages.
    settled[_LINKS] = tuple(each for each in settled.get(_LINKS, ()) if not _is_empty_directory(each))
    return {name: values for name, values in settled.items() if values}


def _is_empty_directory(link: str) -> bool:
    try:
        return not any(Path(link).iterdir())
    except OSError:
        return False


def _has_traces_of_pip() -> bool:
    """Whether there are settings that pip would read, for when pip itself is not there to ask."""
    variables = {f"PIP_{name.upper().replace('-', '_')}" for name in _DECIDING} | {"PIP_CONFIG_FILE"}
    return any(map(os.environ.get, variables)) or any(file.exists() for file in _files_of_pip())


def _files_of_pip() -> Iterator[Path]:
    directories = [Path.home() / ".pip", *(directory / "pip" for directory in _config_directories()), Path(sys.prefix)]
    yield from (directory / "pip.conf" for directory in [Path("/etc"), *directories])


def _files_of_uv() -> Iterator[Path]:
    """https://docs.astral.sh/uv/concepts/configuration-files, including files that others take precedence over."""
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    here = Path.cwd()
    for directory in (here, *here.parents):
        yield directory / "uv.toml"
        yield directory / "pyproject.toml"
    for directory in _config_directories():
        yield directory / "uv" / "uv.toml"


def _config_directories() -> Iterable[Path]:
    """The user's, and the system's."""
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    yield from map(Path, (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"))
    yield Path("/etc")


def _names_an_index(path: Path) -> bool:
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    if path.name == "pyproject.toml":
        settings = settings.get("tool", {}).get("uv", {})
    return not _IN_FILES_OF_UV.isdisjoint(settings.keys() | settings.get("pip", {}).keys())

"""A virtual environment for each pinned set of packages, created once and shared by all attempts.

`uv` creates it if it is installed, on PATH or next to this Python, and pip has no settings that uv would ignore;
otherwise `venv` and `pip` do.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from app.connectors.contract.passes import InstallationLog
from app.connectors.programs.indexes import installers
from app.connectors.programs.installer import run_installer, without_logins
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.inherited_environment import program_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.connectors.contract.passes import Log

_NO_ENVIRONMENT: Final = "cannot create a virtual environment"

# Runs inside the new environment: prints its packages by name, each with its version and its commands.
_INVENTORY = """
import json
from importlib.metadata import distributions
print(json.dumps({
    each.metadata["Name"]: {
        "version": each.version,
        "commands": [entry.name for entry in each.entry_points if entry.group == "console_scripts"],
    }
    for each in distributions()
}))
"""


def command_of(
    command: str | Sequence[str] | None, package: tuple[str, ...], *, executable: str | None, data_dir: Path, log: Log
) -> list[str]:
    """The command of a program: the user's own `command`, or that of `package`; raises as `installed_command` does."""
    if isinstance(command, str):
        return shlex.split(command)
    if command:
        return list(command)
    return [str(installed_command(package, executable=executable, data_dir=data_dir, log=log))]


def installed_command(requirements: tuple[str, ...], *, executable: str | None, data_dir: Path, log: Log) -> Path:
    """The path of a package's command; installs the packages if this set is not installed yet.

    The first of `requirements` has the command. The installer's errors go to standard error.

    Raises:
        SynclineError: installing failed, and may succeed on a retry.
        ConfigurationError: the package has no such command, or several to choose from.
    """
    package = re.split(r"[\[=@]", requirements[0])[0]
    key = hashlib.sha256(json.dumps([sorted(requirements), sys.version_info[:2]]).encode()).hexdigest()[:12]
    home = (data_dir / "venvs" / f"{package}-{key}").absolute()
    home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        waited = _lock(lock, requirements, log)
        inventory = _read_marker(home)
        if inventory is not None and not _has_python(home):
            log("warn", f"the Python of {home} has gone, as after an upgrade: making the environment again")
            inventory = None
        if inventory is None:
            inventory = _build(home, requirements, log)
        elif waited:
            log("info", "installed by the other attempt")
    by_name = {normalize_name(name): found for name, found in inventory.items()}
    commands = by_name.get(normalize_name(package), {}).get("commands", [])
    return home / "bin" / (executable or _only_command(commands, package))


@contextmanager
def _announce(requirements: tuple[str, ...], log: Log) -> Iterator[None]:
    """Reports the start and the end of an installation, if `log` wants to know."""
    announce = log.installing if isinstance(log, InstallationLog) else None
    if announce:
        announce(_shown(requirements))
    yield
    if announce:
        announce(_shown(requirements), done=True)


def _lock(lock: IO[str], requirements: tuple[str, ...], log: Log) -> bool:
    """Takes the lock; returns whether it had to wait for it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log("info", f"installing {_shown(requirements)}: waiting for another attempt that is installing it")
        with _announce(requirements, log):
            fcntl.flock(lock, fcntl.LOCK_EX)
        return True
    return False


def _read_marker(home: Path) -> dict[str, dict[str, list[str]]] | None:
    """The packages of a finished environment. One that was moved does not count: its scripts contain its path."""
    try:
        marker = json.loads((home / "finished.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    packages: dict[str, dict[str, list[str]]] = marker["packages"]
    return packages if marker["home"] == str(home) else None


def _has_python(home: Path) -> bool:
    """Whether what the environment's `python` leads to is still there."""
    return (home / "bin" / "python").exists()


def _build(home: Path, requirements: tuple[str, ...], log: Log) -> dict[str, dict[str, list[str]]]:
    log("info", f"installing {_shown(requirements)}")
    python = str(home / "bin" / "python")
    with _announce(requirements, log):
        _install(home, python, requirements, log)
    environment = program_environment(os.environ)
    inventory = subprocess.run(  # noqa: S603 -- ours
        [python, "-c", _INVENTORY], check=True, capture_output=True, text=True, env=environment
    )
    packages: dict[str, dict[str, list[str]]] = json.loads(inventory.stdout)
    log("info", f"installed {len(packages)} packages")
    (home / "finished.json").write_text(json.dumps({"home": str(home), "packages": packages}))
    return packages


def _install(home: Path, python: str, requirements: tuple[str, ...], log: Log) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    turns = installers(log) if uv else ("pip",)
    if uv and "uv" in turns:
        try:
            _build_with_uv(uv, home, python, requirements)
        except SynclineError:
            if "pip" not in turns:
                raise
            log("warn", "uv could not install it (its output is in the log); trying pip")
        else:
            return
    _build_with_pip(home, python, requirements)


def _build_with_uv(uv: str, home: Path, python: str, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    run_installer([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home)], _NO_ENVIRONMENT)
    run_installer([uv, "pip", "install", "--quiet", "--python", python, *requirements], _install_failure(requirements))


def _build_with_pip(home: Path, python: str, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    run_installer([sys.executable, "-m", "venv", str(home)], _NO_ENVIRONMENT)
    # The new environment's pip reads a pip.conf of its own instead of this one.
    if (settings := Path(sys.prefix) / "pip.conf").exists():
        (home / settings.name).symlink_to(settings)
    # Most modules are never imported, so compiling them is a waste.
    options = ["--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    run_installer([python, "-m", "pip", "install", *options, *requirements], _install_failure(requirements))


def _shown(requirements: tuple[str, ...]) -> str:
    return without_logins(" ".join(requirements))


def _install_failure(requirements: tuple[str, ...]) -> str:
    return f"cannot install {_shown(requirements)}"


def _only_command(commands: list[str], package: str) -> str:
    for candidates in ([each for each in commands if each == package], commands):
        if len(candidates) == 1:
            return candidates[0]
    choice = f"one of {', '.join(commands)}" if commands else "a command; the package itself has none"
    raise ConfigurationError(f"{package} does not have exactly one command: set 'executable' to {choice}")


def normalize_name(name: str) -> str:
    """Equal for all spellings of a package's name, by PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()

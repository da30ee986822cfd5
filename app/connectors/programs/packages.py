"""A virtual environment for each pinned set of packages, made once and then shared by all attempts.

`uv` makes it where it is installed, on PATH or beside this Python, else `venv` and `pip`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.passes import Log

INSTALLING: Final = "installing "
INSTALLED: Final = "installed "
"""How the lines begin that tell of the beginning and of the end of an installation."""

# Runs inside the new environment: its packages by name with the commands that each of them brings, and its version.
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
    """What starts a program: the user's own `command`, else that of `package`; raises as `installed_command` does."""
    if isinstance(command, str):
        return shlex.split(command)
    if command:
        return list(command)
    return [str(installed_command(package, executable=executable, data_dir=data_dir, log=log))]


def installed_command(requirements: tuple[str, ...], *, executable: str | None, data_dir: Path, log: Log) -> Path:
    """The path of a package's command; installs the packages if this set of them is not there yet.

    The first of `requirements` brings the command. What the installer has to complain about goes to standard error.

    Raises:
        SynclineError: installing failed, which another try may mend.
        ConfigurationError: the package has no such command, or several to choose from.
    """
    package = re.split(r"[\[=@]", requirements[0])[0]
    key = hashlib.sha256(json.dumps([sorted(requirements), sys.version_info[:2]]).encode()).hexdigest()[:12]
    home = (data_dir / "venvs" / f"{package}-{key}").absolute()
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        waited = _waited_for(lock, requirements, log)
        inventory = _finished(home)
        if inventory is None:
            inventory = _built(home, requirements, log)
        elif waited:
            log("info", f"{INSTALLED}by the other one")
    by_name = {_normal(name): found for name, found in inventory.items()}
    commands = by_name.get(_normal(package), {}).get("commands", [])
    return home / "bin" / (executable or _only(commands, package))


def _waited_for(lock: IO[str], requirements: tuple[str, ...], log: Log) -> bool:
    """Whether somebody else had it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log("info", f"{INSTALLING}{' '.join(requirements)}: another attempt is at it, which is waited for")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return True
    return False


def _finished(home: Path) -> dict[str, dict[str, list[str]]] | None:
    """An environment is finished when its marker says so and knows it by its present path: scripts contain the path."""
    try:
        marker = json.loads((home / "finished.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    packages: dict[str, dict[str, list[str]]] = marker["packages"]
    return packages if marker["home"] == str(home) else None


def _built(home: Path, requirements: tuple[str, ...], log: Log) -> dict[str, dict[str, list[str]]]:
    log("info", f"{INSTALLING}{' '.join(requirements)}")
    python = str(home / "bin" / "python")
    if not _made_by_uv(home, python, requirements, log):
        _made_by_pip(home, python, requirements)
    listed = subprocess.run([python, "-c", _INVENTORY], check=True, capture_output=True, text=True)  # noqa: S603 -- ours
    packages: dict[str, dict[str, list[str]]] = json.loads(listed.stdout)
    log("info", f"{INSTALLED}{len(packages)} packages")
    (home / "finished.json").write_text(json.dumps({"home": str(home), "packages": packages}))
    return packages


def _made_by_uv(home: Path, python: str, requirements: tuple[str, ...], log: Log) -> bool:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        return False
    shutil.rmtree(home, ignore_errors=True)
    made = _ended([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home)])
    if not made and not _ended([uv, "pip", "install", "--quiet", "--python", python, *requirements]):
        return True
    # It reads no settings of pip, such as the address of an index of one's own.
    log("warn", "uv could not install it, its output is in the log; pip tries")
    return False


def _made_by_pip(home: Path, python: str, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    # What is never imported need not be compiled.
    options = ["--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    for command, failure in (
        ([sys.executable, "-m", "venv", str(home)], "cannot make a virtual environment"),
        ([python, "-m", "pip", "install", *options, *requirements], f"cannot install {' '.join(requirements)}"),
    ):
        if code := _ended(command):
            raise SynclineError(f"{failure}: the command ended with {code}, its output is in the log")


def _ended(command: list[str]) -> int:
    """With which code."""
    # The parent has one thread here, and a build must not go on without it.
    follow = end_with_parent(signal.SIGKILL)
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, preexec_fn=follow).returncode  # noqa: S603 -- an installer


def _only(commands: list[str], package: str) -> str:
    for candidates in ([each for each in commands if each == package], commands):
        if len(candidates) == 1:
            return candidates[0]
    raise ConfigurationError(f"'executable' is needed: {package} brings the commands {', '.join(commands) or 'none'}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

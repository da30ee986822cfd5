"""A virtual environment for each pinned set of packages, made once and then shared by all attempts.

`uv` makes it where it is installed, on PATH or beside this Python, and takes packages from where pip would; else `venv`
and `pip`.
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
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from app.connectors.contract.passes import HearsOfInstalling
from app.connectors.programs.indexes import installers
from app.domain.errors import ConfigurationError, SynclineError
from app.lifeline import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.connectors.contract.passes import Log

_NO_ENVIRONMENT: Final = "cannot make a virtual environment"

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
            log("info", "installed by the other one")
    by_name = {_normal(name): found for name, found in inventory.items()}
    commands = by_name.get(_normal(package), {}).get("commands", [])
    return home / "bin" / (executable or _only(commands, package))


@contextmanager
def _announced(log: Log) -> Iterator[None]:
    """Whoever waits for the connector hears that for now it is an installation that takes its time."""
    announce = log.installing if isinstance(log, HearsOfInstalling) else None
    if announce:
        announce()
    yield
    if announce:
        announce(done=True)


def _waited_for(lock: IO[str], requirements: tuple[str, ...], log: Log) -> bool:
    """Whether somebody else had it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log("info", f"installing {' '.join(requirements)}: another attempt is at it, which is waited for")
        with _announced(log):
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
    log("info", f"installing {' '.join(requirements)}")
    python = str(home / "bin" / "python")
    with _announced(log):
        _install(home, python, requirements, log)
    listed = subprocess.run([python, "-c", _INVENTORY], check=True, capture_output=True, text=True)  # noqa: S603 -- ours
    packages: dict[str, dict[str, list[str]]] = json.loads(listed.stdout)
    log("info", f"installed {len(packages)} packages")
    (home / "finished.json").write_text(json.dumps({"home": str(home), "packages": packages}))
    return packages


def _install(home: Path, python: str, requirements: tuple[str, ...], log: Log) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    turns = installers(log) if uv else ("pip",)
    if uv and "uv" in turns:
        try:
            _made_by_uv(uv, home, python, requirements)
        except SynclineError:
            if "pip" not in turns:
                raise
            log("warn", "uv could not install it, its output is in the log; pip tries")
        else:
            return
    _made_by_pip(home, python, requirements)


def _made_by_uv(uv: str, home: Path, python: str, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home)], _NO_ENVIRONMENT)
    _run([uv, "pip", "install", "--quiet", "--python", python, *requirements], _not_installed(requirements))


def _made_by_pip(home: Path, python: str, requirements: tuple[str, ...]) -> None:
    shutil.rmtree(home, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(home)], _NO_ENVIRONMENT)
    # A new environment has a pip of its own, which reads a file of its own in place of this one.
    if (settings := Path(sys.prefix) / "pip.conf").exists():
        (home / settings.name).symlink_to(settings)
    # What is never imported need not be compiled.
    options = ["--quiet", "--no-input", "--no-compile", "--disable-pip-version-check"]
    _run([python, "-m", "pip", "install", *options, *requirements], _not_installed(requirements))


def _not_installed(requirements: tuple[str, ...]) -> str:
    return f"cannot install {' '.join(requirements)}"


def _run(command: list[str], failure: str) -> None:
    # The parent has one thread here, and a build must not go on without it.
    follow = end_with_parent(signal.SIGKILL)
    ended = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, preexec_fn=follow)  # noqa: S603 -- an installer
    if code := ended.returncode:
        raise SynclineError(f"{failure}: the command ended with {code}, its output is in the log")


def _only(commands: list[str], package: str) -> str:
    for candidates in ([each for each in commands if each == package], commands):
        if len(candidates) == 1:
            return candidates[0]
    raise ConfigurationError(f"'executable' is needed: {package} brings the commands {', '.join(commands) or 'none'}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

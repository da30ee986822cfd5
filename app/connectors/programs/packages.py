"""A virtual environment for each pinned set of packages, created once and shared by all attempts.

`places` says where it may be. One in the directory that was filled beforehand is only read.

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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from app.connectors.contract.passes import InstallationLog
from app.connectors.options.constraints import has_hashes, normalize_name
from app.connectors.programs.indexes import installers
from app.connectors.programs.installer import run_installer, without_logins
from app.connectors.programs.places import Places
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.inherited_environment import program_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.connectors.contract.passes import Log

Inventory = dict[str, dict[str, list[str]]]
"""The packages of an environment by name, each with its version and its commands."""

_MARKER: Final = "finished.json"
_PYTHON_GONE: Final = "the Python of {} has gone, as after an upgrade"
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


@dataclass(frozen=True, slots=True)
class PackageSet:
    """What one environment holds: `packages`, the first of which has the command, and what they are limited to."""

    packages: tuple[str, ...]
    constraints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The package that has the command."""
        return re.split(r"[\[=@]", self.packages[0])[0]

    @property
    def key(self) -> str:
        """Another one for other packages, constraints, or another Python."""
        # Environments made before there were constraints keep their keys.
        limits = [self.constraints] if self.constraints else []
        made_of = json.dumps([sorted(self.packages), sys.version_info[:2], *limits])
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]

    def arguments(self, home: Path) -> list[str]:
        """What pip and uv are told to install; writes the constraints into the environment at `home`."""
        if not self.constraints:
            return [*self.packages]
        file = home / "constraints.txt"
        file.write_text("".join(f"{line}\n" for line in self.constraints))
        if has_hashes(self.constraints):
            # pip takes no hashes from constraints, so what has hashes is installed as a whole.
            return ["--require-hashes", "--requirement", str(file)]
        return ["--constraint", str(file), *self.packages]

    def __str__(self) -> str:
        return without_logins(" ".join(self.packages))


def command_of(
    command: str | Sequence[str] | None, package: PackageSet, *, executable: str | None, data_dir: Path, log: Log
) -> list[str]:
    """The command of a program: the user's own `command`, or that of `package`; raises as `installed_command` does."""
    if isinstance(command, str):
        return shlex.split(command)
    if command:
        return list(command)
    return [str(installed_command(package, executable=executable, data_dir=data_dir, log=log))]


def installed_command(wanted: PackageSet, *, executable: str | None, data_dir: Path, log: Log) -> Path:
    """The path of a package's command; installs the packages if this set is not installed yet, and may be.

    What the installer writes goes to `log`.

    Raises:
        SynclineError: installing failed, and may succeed on a retry.
        ConfigurationError: the package has no such command, or several to choose from; or it is not installed, and must
            not be while attempts run.
    """
    places = Places.of(data_dir, os.environ)
    name, why = f"{wanted.name}-{wanted.key}", ""
    if places.prepared:
        home = places.prepared / name
        inventory, why = _look_at(home)
        if inventory is not None:
            return _command_in(home, inventory, wanted, executable)
        if why:
            log("warn", f"{why}: it is not used")
    home = places.own / name
    if not places.may_install:
        inventory, why_not = _look_at(home)
        if inventory is None:
            raise places.refuse(str(wanted), "; ".join(filter(None, (why, why_not))))
        return _command_in(home, inventory, wanted, executable)
    home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _command_in(home, ensure_environment(home, wanted, log), wanted, executable)


def prepare_command(wanted: PackageSet, *, executable: str | None, directory: Path, log: Log) -> Path:
    """The same for an image or a volume: install into `directory`, whatever this machine's settings say.

    Modules are compiled there, because whoever runs them may not be able to write.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    home = directory / f"{wanted.name}-{wanted.key}"
    return _command_in(home, ensure_environment(home, wanted, log, compiled=True), wanted, executable)


def ensure_environment(home: Path, wanted: PackageSet, log: Log, *, compiled: bool = False) -> Inventory:
    """The packages of the environment at `home`, which is made if it is not there. One process makes it at a time."""
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        waited = _lock(lock, wanted, log)
        inventory = _read_marker(home)
        if inventory is not None and not _has_python(home):
            log("warn", f"{_PYTHON_GONE.format(home)}: making the environment again")
            inventory = None
        if inventory is None:
            return _build(home, wanted, log, compiled=compiled)
        if waited:
            log("info", "installed by the other attempt")
        return inventory


def _look_at(home: Path) -> tuple[Inventory | None, str]:
    """The packages of the environment at `home` if it can be used; otherwise why one that is there cannot."""
    inventory = _read_marker(home)
    if inventory is None:
        moved = (home / _MARKER).exists()
        return None, f"{home} was made in another directory, whose path its scripts contain" if moved else ""
    return (inventory, "") if _has_python(home) else (None, _PYTHON_GONE.format(home))


def _command_in(home: Path, inventory: Inventory, wanted: PackageSet, executable: str | None) -> Path:
    by_name = {normalize_name(name): found for name, found in inventory.items()}
    commands = by_name.get(normalize_name(wanted.name), {}).get("commands", [])
    return home / "bin" / (executable or _only_command(commands, wanted.name))


@contextmanager
def _announce(wanted: PackageSet, log: Log) -> Iterator[None]:
    """Reports the start and the end of an installation, if `log` wants to know."""
    announce = log.installing if isinstance(log, InstallationLog) else None
    if announce:
        announce(str(wanted))
    yield
    if announce:
        announce(str(wanted), done=True)


def _lock(lock: IO[str], wanted: PackageSet, log: Log) -> bool:
    """Takes the lock; returns whether it had to wait for it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log("info", f"installing {wanted}: waiting for another attempt that is installing it")
        with _announce(wanted, log):
            fcntl.flock(lock, fcntl.LOCK_EX)
        return True
    return False


def _read_marker(home: Path) -> Inventory | None:
    """The packages of a finished environment. One that was moved does not count: its scripts contain its path."""
    try:
        marker = json.loads((home / _MARKER).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    packages: Inventory = marker["packages"]
    return packages if marker["home"] == str(home) else None


def _has_python(home: Path) -> bool:
    """Whether what the environment's `python` leads to is still there."""
    return (home / "bin" / "python").exists()


def _build(home: Path, wanted: PackageSet, log: Log, *, compiled: bool) -> Inventory:
    log("info", f"installing {wanted}")
    python = str(home / "bin" / "python")
    with _announce(wanted, log):
        _install(home, python, wanted, log, compiled=compiled)
    environment = program_environment(os.environ)
    inventory = subprocess.run(  # noqa: S603 -- ours
        [python, "-c", _INVENTORY], check=True, capture_output=True, text=True, env=environment
    )
    packages: Inventory = json.loads(inventory.stdout)
    log("info", f"installed {len(packages)} packages")
    (home / _MARKER).write_text(json.dumps({"home": str(home), "packages": packages}))
    return packages


def _install(home: Path, python: str, wanted: PackageSet, log: Log, *, compiled: bool) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    turns = installers(log) if uv else ("pip",)
    if uv and "uv" in turns:
        try:
            _build_with_uv(uv, home, python, wanted, log, compiled=compiled)
        except SynclineError:
            if "pip" not in turns:
                raise
            log("warn", "uv could not install it (its output is in the log); trying pip")
        else:
            return
    _build_with_pip(home, python, wanted, log, compiled=compiled)


def _build_with_uv(uv: str, home: Path, python: str, wanted: PackageSet, log: Log, *, compiled: bool) -> None:
    shutil.rmtree(home, ignore_errors=True)
    making = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(home)]
    run_installer(making, _NO_ENVIRONMENT, name="uv", log=log)
    options = ["--quiet", *(["--compile-bytecode"] if compiled else [])]
    installing = [uv, "pip", "install", *options, "--python", python, *wanted.arguments(home)]
    run_installer(installing, _install_failure(wanted), name="uv", log=log)


def _build_with_pip(home: Path, python: str, wanted: PackageSet, log: Log, *, compiled: bool) -> None:
    shutil.rmtree(home, ignore_errors=True)
    run_installer([sys.executable, "-m", "venv", str(home)], _NO_ENVIRONMENT, name="venv", log=log)
    # The new environment's pip reads a pip.conf of its own instead of this one.
    if (settings := Path(sys.prefix) / "pip.conf").exists():
        (home / settings.name).symlink_to(settings)
    # Most modules are never imported, so compiling them while an attempt waits is a waste.
    options = ["--quiet", "--no-input", "--disable-pip-version-check", *([] if compiled else ["--no-compile"])]
    installing = [python, "-m", "pip", "install", *options, *wanted.arguments(home)]
    run_installer(installing, _install_failure(wanted), name="pip", log=log)


def _install_failure(wanted: PackageSet) -> str:
    return f"cannot install {wanted}"


def _only_command(commands: list[str], package: str) -> str:
    for candidates in ([each for each in commands if each == package], commands):
        if len(candidates) == 1:
            return candidates[0]
    choice = f"one of {', '.join(commands)}" if commands else "a command; the package itself has none"
    raise ConfigurationError(f"{package} does not have exactly one command: set 'executable' to {choice}")

"""Tries a Singer target: that it starts. What it would do with rows, only rows can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.connectors.programs.documents import read_document
from app.connectors.programs.names import program_name
from app.connectors.programs.packages import PackageSet, command_of
from app.connectors.programs.program import Program
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.passes import Log
    from app.connectors.destinations.singer.options import TargetOptions

_QUESTIONS: Final = ("--version", "--about", "--help")
_LONGEST_ANSWER: Final = 100


def try_out(
    options: TargetOptions,
    *,
    name: str,  # noqa: ARG001 -- its errors do not need it
    work_dir: Path,  # noqa: ARG001 -- no file is needed
    data_dir: Path,
    log: Log,
) -> str:
    """What the target says of itself; it answers at least one of the questions that targets usually know."""
    secrets = secrets_in(read_document(options.settings, "settings"))
    package, executable = PackageSet(options.package or (), options.constraints), options.executable
    command = command_of(options.command, package, executable=executable, data_dir=data_dir, log=log)
    system = program_name(command, package.packages)
    program = Program(command, name="the target", system=system, home=data_dir / "home", secrets=secrets, log=log)
    failures: list[SynclineError] = []
    for question in _QUESTIONS:
        try:
            answer = program.output(question)
        except ConfigurationError:
            raise
        except SynclineError as error:
            failures.append(error)
        else:
            return program.text(answer.strip().partition(b"\n")[0])[:_LONGEST_ANSWER]
    raise failures[0]

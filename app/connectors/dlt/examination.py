"""Lets dlt itself check a configuration, in a separate process.

Importing dlt takes seconds and a hundred megabytes, too much for servers and workers that check catalogues.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.domain.inherited_environment import attempt_environment
from app.domain.lines import split_lines
from app.hiding import hide_from_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.connectors.options.complaints import KeyProblem

_SECONDS: Final = 60


def find_problems(module: str, config: dict[str, Any]) -> tuple[KeyProblem, ...]:
    """What is wrong with `config`; `module` is the connector's module that checks it."""
    try:
        return _ask_dlt(module, json.dumps(config, default=str))
    except _NoVerdictError as error:
        return (((), str(error)),)


class _NoVerdictError(Exception):
    """The configuration could not be checked this time."""


# Catalogues are read again and again, mostly unchanged. Errors are not cached.
@lru_cache(maxsize=64)
def _ask_dlt(module: str, text: str) -> tuple[KeyProblem, ...]:
    try:
        ended = _run(module, text)
    except (subprocess.TimeoutExpired, TimeoutError):
        raise _NoVerdictError(f"dlt did not check the configuration within {_SECONDS} s") from None
    lines = split_lines(ended.stdout)
    if ended.returncode or not lines:
        why = (split_lines(ended.stderr.strip()) or ["it ended without output"])[-1]
        raise _NoVerdictError(f"dlt could not check the configuration: {why}")
    return tuple((tuple(path), why) for path, why in json.loads(lines[-1]))


def _run(module: str, text: str) -> subprocess.CompletedProcess[str]:
    # The text has passwords. Unlike a pipe, nobody can open this below /proc.
    sending, receiving = socket.socketpair()
    with (
        sending,
        receiving,
        subprocess.Popen(  # noqa: S603 -- a module of ours
            [sys.executable, "-m", module],
            stdin=receiving.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=attempt_environment(os.environ),
        ) as process,
    ):
        receiving.close()
        try:
            _wait_for_output(process)
            sending.settimeout(_SECONDS)
            with sending, suppress(BrokenPipeError, ConnectionResetError):  # it has ended, and its errors say why
                sending.sendall(text.encode())
            output, errors = process.communicate(timeout=_SECONDS)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _wait_for_output(process: subprocess.Popen[str]) -> None:
    """Until the process says that it is hidden, others of its user can take what it gets."""
    said = select.poll()
    said.register(process.stdout or -1, select.POLLIN)
    if not said.poll(_SECONDS * 1000):
        raise subprocess.TimeoutExpired(process.args, _SECONDS)


def examine(check: Callable[[dict[str, Any], Path], Iterable[KeyProblem]]) -> None:
    """The main function of such a module: `check` yields what is wrong, and gets a directory to work in.

    A `SynclineError` that it raises is a problem of the whole configuration.
    """
    from app.domain.errors import SynclineError  # noqa: PLC0415 -- only in the other process

    hide_from_others()
    # Only now does its input come, which has passwords.
    sys.stdout.write("\n")
    sys.stdout.flush()
    problems: list[KeyProblem] = []
    with tempfile.TemporaryDirectory() as home:
        try:
            problems.extend(check(json.loads(sys.stdin.read()), Path(home)))
        except SynclineError as error:
            problems.append(((), str(error)))
    sys.stdout.write(f"{json.dumps(problems)}\n")

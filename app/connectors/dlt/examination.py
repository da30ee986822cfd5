"""Lets dlt itself check a configuration, in a separate process.

Importing dlt takes seconds and a hundred megabytes, too much for servers and workers that check catalogues.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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
        # On standard input, because it has passwords.
        ended = subprocess.run(  # noqa: S603 -- a module of ours
            [sys.executable, "-m", module],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=attempt_environment(os.environ),
        )
    except subprocess.TimeoutExpired:
        raise _NoVerdictError(f"dlt did not check the configuration within {_SECONDS} s") from None
    lines = split_lines(ended.stdout)
    if ended.returncode or not lines:
        why = (split_lines(ended.stderr.strip()) or ["it ended without output"])[-1]
        raise _NoVerdictError(f"dlt could not check the configuration: {why}")
    return tuple((tuple(path), why) for path, why in json.loads(lines[-1]))


def examine(check: Callable[[dict[str, Any], Path], Iterable[KeyProblem]]) -> None:
    """The main function of such a module: `check` yields what is wrong, and gets a directory to work in.

    A `SynclineError` that it raises is a problem of the whole configuration.
    """
    from app.domain.errors import SynclineError  # noqa: PLC0415 -- only in the other process

    # Its input has passwords.
    hide_from_others()
    problems: list[KeyProblem] = []
    with tempfile.TemporaryDirectory() as home:
        try:
            problems.extend(check(json.loads(sys.stdin.read()), Path(home)))
        except SynclineError as error:
            problems.append(((), str(error)))
    sys.stdout.write(f"\n{json.dumps(problems)}\n")

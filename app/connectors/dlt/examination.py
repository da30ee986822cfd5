"""What dlt itself says of a configuration, asked in a process of its own.

Importing dlt takes seconds and a hundred megabytes, which servers and workers that check catalogues shall not pay.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS: Final = 60


def examined(module: str, config: dict[str, Any]) -> str | None:
    """What is wrong with `config`, None if nothing is; `module` is the connector's that knows how to look."""
    try:
        return _examined(module, json.dumps(config, default=str))
    except _NoVerdictError as error:
        return str(error)


class _NoVerdictError(Exception):
    """Nothing is known of the configuration; next time it may be."""


# A catalogue is read again and again, mostly unchanged. What is raised is not kept.
@lru_cache(maxsize=64)
def _examined(module: str, text: str) -> str | None:
    try:
        # On its standard input, for it has passwords.
        ended = subprocess.run(  # noqa: S603 -- a module of ours
            [sys.executable, "-m", module],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _NoVerdictError(f"dlt did not examine it within {_SECONDS} s") from None
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        said = (ended.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise _NoVerdictError(f"dlt could not examine it: {said}")
    complaint = json.loads(lines[-1])
    return complaint if complaint is None else str(complaint)


def examine(complain: Callable[[dict[str, Any], Path], None]) -> None:
    """The other side: `complain` raises a `SynclineError` for what is wrong, with a directory to work in."""
    from app.domain.errors import SynclineError  # noqa: PLC0415 -- only in the other process

    complaint = None
    with tempfile.TemporaryDirectory() as home:
        try:
            complain(json.loads(sys.stdin.read()), Path(home))
        except SynclineError as error:
            complaint = str(error)
    sys.stdout.write(f"\n{json.dumps(complaint)}\n")

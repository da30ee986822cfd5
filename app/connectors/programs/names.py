"""What a program is called in a log."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from app.connectors.options.types import connector_in

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUNS_SCRIPTS: Final = re.compile(r"python[\d.]*|(ba|da|z)?sh|node|perl|ruby")
_HAVE_VALUES: Final = ("-W", "-X", "-o", "-r")


def program_name(command: Sequence[str], packages: Sequence[str] = ()) -> str:
    """The name of the first of `packages`, which has the command, or else the last part of the command's path.

    Of a command that runs a script, such as `python tap.py` or `python -m tap`, it is the script's. Other arguments are
    not shown: they may be secrets.
    """
    if packages:
        return connector_in(packages[0]).name
    own = PurePath(command[0]).name or command[0]
    if not _RUNS_SCRIPTS.fullmatch(own):
        return own
    rest = list(command[1:])
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "-c", "-e", "-m"):
        del rest[: 2 if rest[0] in _HAVE_VALUES else 1]
    if rest[:1] == ["-m"]:
        del rest[0]
    script = PurePath(rest[0]).name if rest and not rest[0].startswith("-") else ""
    return script or own

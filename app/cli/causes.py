"""Who runs a command, and why, for the events that it causes."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Any, Final, ParamSpec

import click

from app.domain.cause import NOTE_FORM, Actor, Cause, read_note
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from click import Context, Parameter

Arguments = ParamSpec("Arguments")

_LONGEST_USER: Final = 200


class _NoteType(click.ParamType[str]):
    name = "text"

    def convert(self, value: Any, param: Parameter | None, ctx: Context | None) -> str:
        try:
            return read_note(value)
        except ValueError:
            self.fail(f"must have {NOTE_FORM}", param, ctx)


NOTE: Final = _NoteType()
"""Why somebody does something."""


def note_option(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The option `--note TEXT` of every command that causes an event."""
    return click.option("--note", type=NOTE, help="Why: kept in the event, with your name.")(command)


def cause_of_command(note: str | None) -> Cause:
    """The cause of the events of this command."""
    return Cause(who_runs_this(), note)


def who_runs_this() -> Actor:
    """The user who runs this command, also by `sudo`. In a container, the user may have a number alone."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # before Python 3.13, and since
        name = f"uid {os.getuid()}"
    return Actor("command", make_visible(name)[:_LONGEST_USER])

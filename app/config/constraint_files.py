"""Files of constraints that a catalogue names. They are read with it: an attempt may run where they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.files import read_text, why_unreadable
from app.connectors.options.constraints import find_wrong_line, lines_of
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.config.entry import Entry
    from app.connectors.options.complaints import KeyPath

_KEY: Final = "constraints"


def with_constraints(
    entry: Entry, options: dict[str, Any], model: type[BaseModel], written_at: KeyPath
) -> dict[str, Any]:
    """`options` with the lines of the file that its `constraints` names; they are `written_at` that path of `entry`."""
    path = options.get(_KEY)
    if _KEY not in model.model_fields or not isinstance(path, str) or not path.strip() or "\n" in path:
        return options
    return options | {_KEY: _read(entry, path.strip(), written_at)}


def _read(entry: Entry, path: str, written_at: KeyPath) -> list[str]:
    file = entry.directory / path
    try:
        numbered = list(lines_of(read_text(file)))
    except (OSError, ValueError) as error:
        entry.refuse(
            written_at, f"file {file} cannot be read: {why_unreadable(error)}; write a path or a list of lines"
        )
        return []
    lines = [line for _, line in numbered]
    entry.secrets |= secrets_in(lines)
    if not lines:
        entry.refuse(written_at, f"file {file} has no constraints")
    elif wrong := find_wrong_line(lines):
        index, problem = wrong
        entry.refuse(written_at, f"{file}, line {numbered[index][0]}: {problem}")
        return []
    return lines

"""Files of constraints that a catalogue names. They are read with it: an attempt may run where they are not.

A version of the catalogue has them as it has the files of placeholders: another content is another version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.config.files import Contents, why_unreadable
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
    lines = _read(entry, path.strip(), written_at)
    # Without the key after a problem, so that there is no other about the same.
    return {key: value for key, value in options.items() if key != _KEY} | ({_KEY: lines} if lines else {})


def _read(entry: Entry, path: str, written_at: KeyPath) -> list[str]:
    """The lines of the file; none if there was a problem."""
    file = entry.directory / path
    found = entry.replaced.files.read(str(file))
    try:
        text = found.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = Contents(problem=f"cannot be read: {why_unreadable(error)}")
    if found.problem:
        entry.refuse(written_at, f"file {file} {found.problem}; write a path or a list of lines")
        return []
    numbered = list(lines_of(text))
    lines = [line for _, line in numbered]
    entry.secrets |= secrets_in(lines)
    if not lines:
        entry.refuse(written_at, f"file {file} has no constraints: add lines to it, or remove the key")
    elif wrong := find_wrong_line(lines):
        index, problem = wrong
        entry.refuse(written_at, f"{file}, line {numbered[index][0]}: {problem}")
        return []
    return lines
